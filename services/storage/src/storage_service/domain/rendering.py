"""How an image is to be shown (PS3.18 section 8.3.5.1)."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

JPEG: Final = "image/jpeg"
PNG: Final = "image/png"
GIF: Final = "image/gif"
WEBP: Final = "image/webp"
JP2: Final = "image/jp2"
THUMBNAIL_SIDE: Final = 128


class Function(StrEnum):
    """How values become grey inside a window (PS3.3 C.11.2.1.2)."""

    LINEAR = "linear"
    LINEAR_EXACT = "linear-exact"
    SIGMOID = "sigmoid"


class Annotation(StrEnum):
    """What is written on an image."""

    PATIENT = "patient"
    TECHNIQUE = "technique"


class ColourProfile(StrEnum):
    """What becomes of the colours."""

    NO = "no"
    """They are sent as they are, without a profile."""
    YES = "yes"
    """With the profile of the instance, else sRGB."""
    SRGB = "srgb"
    """In sRGB, and with its profile."""


@dataclass(frozen=True, slots=True)
class Window:
    """Which values are shown between black and white."""

    center: float
    width: float
    function: Function = Function.LINEAR


@dataclass(frozen=True, slots=True)
class Region:
    """What of the image is shown; fractions of its width and height. Negative sizes mirror."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Look:
    """What a client asks for; None where the image itself decides."""

    media_type: str = JPEG
    window: Window | None = None
    columns: int | None = None
    """Most columns of the answer; the proportions of the image stay."""
    rows: int | None = None
    pixels: Region | None = None
    """Region in pixels of the image."""
    fractions: Region | None = None
    """Region in fractions of the image."""
    quality: int = 90
    annotations: tuple[Annotation, ...] = ()
    profile: ColourProfile = ColourProfile.NO

    def as_thumbnail(self) -> "Look":
        """Small, unless a size was asked for, and without any text (PS3.18 10.4.1.1.4)."""
        plain = replace(self, annotations=())
        return plain if self.columns or self.rows else replace(plain, columns=THUMBNAIL_SIDE, rows=THUMBNAIL_SIDE)
