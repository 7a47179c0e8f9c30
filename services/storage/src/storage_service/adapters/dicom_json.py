"""A data set as DICOM JSON (PS3.18 annex F)."""

import base64
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from pydicom import DataElement, Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag

INLINE: Final = 1024
"""Bytes of a binary value up to which it stands in the JSON; a longer one has an address."""

_BINARY: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_INTEGERS: Final = frozenset({"IS", "SL", "SS", "SV", "UL", "US", "UV"})
_FLOATS: Final = frozenset({"DS", "FD", "FL"})
_CHARACTER_SET: Final = BaseTag(0x00080005)
_GROUP_LENGTH: Final = 0x0000
_NAMES: Final = ("Alphabetic", "Ideographic", "Phonetic")


def to_json(data_set: Dataset, address: str) -> dict[str, Any]:
    """The data set without its group lengths; `address` is that of its bulk data, a path of tags is added to it.

    Text is Unicode, so the character set says UTF-8 (F.2.1). What cannot be decoded is left out.
    """
    encoded: dict[str, Any] = {}
    for tag in sorted(data_set.keys()):
        if tag.element == _GROUP_LENGTH:
            continue
        key = f"{tag:08X}"
        # pydicom raises many kinds of error over values that devices really send.
        with suppress(Exception):
            encoded[key] = _element(data_set[tag], f"{address}/{key}")
    if _CHARACTER_SET in data_set:
        encoded["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    return encoded


def _element(element: DataElement, address: str) -> dict[str, Any]:
    vr, value = element.VR, element.value
    if vr == "SQ":
        return {"vr": vr, "Value": [to_json(item, f"{address}/{place}") for place, item in enumerate(value)]}
    if vr in _BINARY or isinstance(value, bytes):
        return _binary(vr, bytes(value or b""), address)
    if value is None or value == "":
        return {"vr": vr}
    values: list[Any] = list(value) if isinstance(value, MultiValue | list) else [value]
    convert: Callable[[Any], Any] = _CONVERTERS.get(str(vr), _text)
    return {"vr": vr, "Value": [convert(single) for single in values]}


def _binary(vr: str, value: bytes, address: str) -> dict[str, Any]:
    if not value:
        return {"vr": vr}
    if len(value) > INLINE:
        return {"vr": vr, "BulkDataURI": address}
    return {"vr": vr, "InlineBinary": base64.b64encode(value).decode()}


def _text(value: Any) -> str | None:
    return str(value) if value not in {None, ""} else None


def _integer(value: Any) -> int | None:
    return int(value) if value not in {None, ""} else None


def _number(value: Any) -> float | str | None:
    if value in {None, ""}:
        return None
    number = float(value)
    # JSON has no word for them; F.2.2 lets numbers be strings.
    return number if math.isfinite(number) else str(number)


def _name(value: Any) -> dict[str, str] | None:
    groups = zip(_NAMES, str(value).split("="), strict=False)
    return {name: group for name, group in groups if group} or None


def _tag(value: Any) -> str:
    return f"{int(value):08X}"


_CONVERTERS: Final[dict[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(_INTEGERS, _integer),
    **dict.fromkeys(_FLOATS, _number),
    "PN": _name,
    "AT": _tag,
}
