"""Text on rendered images: who it is, and how it was made (PS3.18 section 8.3.5.1.1)."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset

from storage_service.adapters.codecs import Samples
from storage_service.domain.coercion import Coercion, wanted
from storage_service.domain.rendering import Annotation

_LINES: Final = 36
"""Of text in the height of an image."""
_SIZE_MIN: Final = 9
_MARGIN: Final = 4
_SEXES: Final = {"M": "male", "F": "female", "O": "other"}
_NUMBERS: Final = (
    ("Series {}", "SeriesNumber"),
    ("Image {}", "InstanceNumber"),
    ("Thickness {} mm", "SliceThickness"),
    ("Location {} mm", "SliceLocation"),
    ("{} kV", "KVP"),
    ("{} mA", "XRayTubeCurrent"),
    ("TR {} ms", "RepetitionTime"),
    ("TE {} ms", "EchoTime"),
)


def annotated(shown: Samples, asked: Sequence[Annotation], data_set: Dataset, coercion: Coercion | None) -> Samples:
    """The image with what is asked for: the patient above, as known now; the technique below."""
    image = Image.fromarray(np.ascontiguousarray(shown))
    draw = ImageDraw.Draw(image)
    size = max(image.height // _LINES, _SIZE_MIN)
    font = ImageFont.load_default(size)
    width = max(size // 10, 1)
    white, black = (255, 0) if image.mode == "L" else ((255, 255, 255), (0, 0, 0))

    def write(text: str, place: tuple[int, int], anchor: str) -> None:
        draw.multiline_text(place, text, white, font, anchor, stroke_width=width, stroke_fill=black)

    if Annotation.PATIENT in asked:
        write("\n".join(_patient(data_set, coercion)), (_MARGIN, _MARGIN), "la")
    if Annotation.TECHNIQUE in asked:
        write("\n".join(_technique(data_set)), (_MARGIN, image.height - _MARGIN), "ld")
    return np.asarray(image)


def _patient(data_set: Dataset, coercion: Coercion | None) -> Iterator[str]:
    now = wanted(coercion.changed) if coercion is not None else {}

    def text(tag: int) -> str:
        values = now.get(tag)
        if values is not None and isinstance(values.value, str):
            return values.value
        return str(data_set[tag].value or "") if tag in data_set else ""

    yield _name(text(0x00100010))
    yield f"ID {text(0x00100020)}"
    yield " ".join(filter(None, (_day(text(0x00100030)), _SEXES.get(text(0x00100040), ""))))


def _name(text: str) -> str:
    """The alphabetic group: the font has no others."""
    parts = text.split("=", maxsplit=1)[0].split("^")
    return ", ".join(filter(None, (parts[0], " ".join(filter(None, parts[1:3])))))


def _technique(data_set: Dataset) -> Iterator[str]:
    moment = f"{_day(str(data_set.get('StudyDate') or ''))} {_time(str(data_set.get('StudyTime') or ''))}".strip()
    yield " ".join(filter(None, (str(data_set.get("Modality") or ""), str(data_set.get("BodyPartExamined") or ""))))
    yield moment
    values = ((words, data_set.get(keyword)) for words, keyword in _NUMBERS)
    yield "  ".join(words.format(_short(value)) for words, value in values if value not in {None, ""})


def _short(value: object) -> str:
    try:
        return f"{float(str(value)):.4g}"
    except ValueError:
        return str(value)


def _day(text: str) -> str:
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if len(text) == 8 else text


def _time(text: str) -> str:
    return f"{text[:2]}:{text[2:4]}" if len(text) >= 4 else text
