"""Query parameters of rendered resources (PS3.18 section 8.3.5.1)."""

from collections.abc import Sequence
from typing import Final

from fastapi import Request
from fj_runtime import Problem
from starlette.datastructures import QueryParams

from storage_service.domain.rendering import (
    GIF,
    JP2,
    JPEG,
    PNG,
    WEBP,
    Annotation,
    ColourProfile,
    Function,
    Look,
    Region,
    Window,
)

OFFERED: Final = (JPEG, PNG, GIF, WEBP, JP2)
SIZE_MAX: Final = 8192
LARGEST: Final = 1e9
_OTHER_PROFILES: Final = frozenset({"adobergb", "rommrgb", "displayp3"})
"""What the standard knows besides and a server may leave aside; a warning says so."""


def read_look(request: Request, media_type: str) -> Look:
    """Raises Problem 400 where a parameter cannot be read."""
    query = request.query_params
    columns, rows, pixels = _viewport(query)
    quality = read_quality(query, "quality")
    return Look(
        media_type, _window(query), columns, rows, pixels, None, quality, read_annotations(query), _profile(query)
    )


def left_aside(request: Request) -> dict[str, str]:
    """Headers that name what was asked for and is not done."""
    other = request.query_params.get("iccprofile") in _OTHER_PROFILES
    return {"Warning": '299 filmjacket "Not supported and left aside: iccprofile"'} if other else {}


def read_annotations(query: QueryParams) -> tuple[Annotation, ...]:
    """Raises Problem 400."""
    asked = [part.strip() for part in query.get("annotation", "").split(",") if part.strip()]
    if not set(asked) <= set(Annotation):
        raise _bad("annotation", f"some of {', '.join(Annotation)}")
    return tuple(map(Annotation, asked))


def _profile(query: QueryParams) -> ColourProfile:
    asked = query.get("iccprofile", ColourProfile.NO)
    if asked in _OTHER_PROFILES:
        return ColourProfile.NO
    if asked not in set(ColourProfile):
        raise _bad("iccprofile", f"one of {', '.join(ColourProfile)}")
    return ColourProfile(asked)


def read_quality(query: QueryParams, name: str) -> int:
    """From 1 to 100. Raises Problem 400."""
    return whole(query, name, 100) or Look().quality


def whole(query: QueryParams, name: str, most: int) -> int | None:
    """A number from 1. Raises Problem 400."""
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= most):
        raise _bad(name, f"a number from 1 to {most}")
    return int(text)


def numbers(name: str, text: str) -> list[float]:
    """Decimals, separated by commas. Raises Problem 400."""
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        raise _bad(name, "decimal numbers, separated by commas") from None
    if not all(abs(number) <= LARGEST for number in found):
        raise _bad(name, "numbers that an image can have")
    return found


def a_window(center: float, width: float, function: Function = Function.LINEAR) -> Window:
    """Raises Problem 400."""
    if width <= 0:
        raise _bad("window", "a width above 0")
    return Window(center, width, function)


def _window(query: QueryParams) -> Window | None:
    text = query.get("window")
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) not in {2, 3} or (len(parts) == 3 and parts[2] not in set(Function)):
        raise _bad("window", f"center, width and one of {', '.join(Function)}")
    center, width = numbers("window", ",".join(parts[:2]))
    return a_window(center, width, Function(parts[2]) if len(parts) == 3 else Function.LINEAR)


def _viewport(query: QueryParams) -> tuple[int | None, int | None, Region | None]:
    """Width and height of the answer, and the region of the image that fills it."""
    text = query.get("viewport")
    if text is None:
        return None, None, None
    parts = text.split(",")
    if len(parts) not in {2, 6}:
        raise _bad("viewport", "vw,vh or vw,vh,sx,sy,sw,sh")
    columns, rows = numbers("viewport", ",".join(parts[:2]))
    if not (1 <= columns <= SIZE_MAX and 1 <= rows <= SIZE_MAX):
        raise _bad("viewport", f"a width and a height from 1 to {SIZE_MAX}")
    return int(columns), int(rows), _region(parts[2:]) if any(parts[2:]) else None


def _region(parts: Sequence[str]) -> Region:
    left, top = (numbers("viewport", part or "0")[0] for part in parts[:2])
    width, height = (numbers("viewport", part or str(SIZE_MAX * 8))[0] for part in parts[2:])
    if not width or not height:
        raise _bad("viewport", "a region with a width and a height")
    return Region(left, top, width, height)


def _bad(name: str, expected: str) -> Problem:
    return Problem(400, f"Parameter {name} is not understood", errors=[{"detail": expected, "parameter": name}])
