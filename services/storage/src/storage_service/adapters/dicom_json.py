"""A data set as DICOM JSON (PS3.18 annex F).

Values are taken from the bytes as they were read, several times quicker than through pydicom's typed values. Only text
with code extensions (ISO 2022) goes through pydicom.
"""

import base64
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from struct import iter_unpack
from typing import Any, Final

from prometheus_client import Counter
from pydicom import DataElement, Dataset
from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import dictionary_VR, private_dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag

_left_out: Final = Counter(
    "storage_elements_left_out", "Elements that metadata could not be made of", ["representation", "error"]
)
INLINE: Final = 1024
"""Bytes of a binary value up to which it stands in the JSON; a longer one has an address."""

_BINARY: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_NUMBERS: Final = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}
_WHOLE_TEXTS: Final = frozenset({"LT", "ST", "UR", "UT"})
"""A backslash in these is text."""
_ASCII: Final = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"})
"""Not touched by the character set."""
_CHARACTER_SET: Final = BaseTag(0x00080005)
_PIXEL_REPRESENTATION: Final = BaseTag(0x00280103)
_TEXT_DELIMITERS: Final = frozenset({0x0D, 0x0A, 0x09, 0x0C, 0x5C, 0x5E, 0x3D})
_NAMES: Final = ("Alphabetic", "Ideographic", "Phonetic")


def to_json(data_set: Dataset, address: str, *, little: bool = True) -> dict[str, Any]:
    """The data set without its group lengths; `address` is that of its bulk data, a path of tags is added to it.

    Text is Unicode, so the character set says UTF-8 (F.2.1). What cannot be decoded is left out, and counted.
    """
    return _Encoder(data_set, ["iso8859"], little=little).encode(data_set, address)


def bulk_addresses(described: Mapping[str, Any]) -> Iterator[str]:
    """Of all bulk data in a data set as DICOM JSON."""
    for element in described.values():
        if "BulkDataURI" in element:
            yield element["BulkDataURI"]
        elif element["vr"] == "SQ":
            for item in element.get("Value", ()):
                yield from bulk_addresses(item)


class _Encoder:
    """Encodes one data set. Each item of a sequence has its own: it may have a character set of its own."""

    def __init__(self, data_set: Dataset, encodings: Sequence[str], *, little: bool) -> None:
        self._order = "<" if little else ">"
        self._little = little
        self._encodings = _encodings(data_set) or encodings
        self._signed = _signed(data_set)

    def encode(self, data_set: Dataset, address: str) -> dict[str, Any]:
        encoded: dict[str, Any] = {}
        for tag, element in list(data_set.items()):  # looking into a sequence types elements of the data set
            if tag & 0xFFFF == 0:
                continue
            key = f"{tag:08X}"
            try:
                encoded[key] = self._element(data_set, element, f"{address}/{key}")
            except Exception as error:  # noqa: BLE001 - devices really send values that are none of their representation
                _left_out.labels(str(element.VR), type(error).__name__).inc()
        if _CHARACTER_SET in data_set:
            encoded["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}
        return encoded

    def _element(self, data_set: Dataset, element: DataElement | RawDataElement, address: str) -> dict[str, Any]:
        vr = self._representation(data_set, element)
        if vr == "SQ":
            return self._sequence(data_set[element.tag].value, address)
        value = element.value if isinstance(element, RawDataElement) else bytes(element.value or b"")
        if not value:
            return {"vr": vr}
        if vr in _BINARY:
            return _binary(vr, value, address)
        values = self._values(vr, value)
        return {"vr": vr, "Value": values} if values else {"vr": vr}

    def _sequence(self, items: Sequence[Dataset], address: str) -> dict[str, Any]:
        values = [
            _Encoder(item, self._encodings, little=self._little).encode(item, f"{address}/{place}")
            for place, item in enumerate(items)
        ]
        return {"vr": "SQ", "Value": values} if values else {"vr": "SQ"}

    def _values(self, vr: str, value: bytes) -> list[Any]:
        if vr in _NUMBERS:
            return [_finite(number) for (number,) in iter_unpack(self._order + _NUMBERS[vr], value)]
        if vr == "AT":
            return [f"{group:04X}{element:04X}" for group, element in iter_unpack(self._order + "HH", value)]
        text = self._text(vr, value)
        if vr in _WHOLE_TEXTS:
            return [text] if text else []
        parts = [part.strip(" ") for part in text.split("\\")] if text else []
        convert = _CONVERTERS.get(vr)
        return [(convert(part) if convert else part) if part else None for part in parts]

    def _text(self, vr: str, value: bytes) -> str:
        if vr in _ASCII:
            return value.decode("latin-1").rstrip(" \0")
        if len(self._encodings) == 1:
            return value.decode(self._encodings[0], "replace").rstrip(" \0")
        return decode_bytes(value, self._encodings, set(_TEXT_DELIMITERS)).rstrip(" \0")

    def _representation(self, data_set: Dataset, element: DataElement | RawDataElement) -> str:
        vr = element.VR or _known(data_set, element.tag)
        if " or " not in vr:
            return str(vr)
        if vr.startswith("US or SS"):
            return "SS" if self._signed else "US"
        return "OW"


def _known(data_set: Dataset, tag: BaseTag) -> str:
    """The representation of an element in Implicit VR, by the dictionary."""
    with suppress(KeyError):
        if not tag.is_private:
            return dictionary_VR(tag)
        if tag.is_private_creator:
            return "LO"
        creator = data_set[tag.group, tag.element >> 8].value
        return private_dictionary_VR(tag, creator)
    return "UN"


def _encodings(data_set: Dataset) -> list[str]:
    value = data_set.get_item(_CHARACTER_SET).value if _CHARACTER_SET in data_set else None
    if not value:
        return []
    named = value.decode("latin-1") if isinstance(value, bytes) else value
    names = named.split("\\") if isinstance(named, str) else list(named)
    return convert_encodings([name.strip() for name in names])


def _signed(data_set: Dataset) -> bool:
    if _PIXEL_REPRESENTATION not in data_set:
        return False
    return data_set.get_item(_PIXEL_REPRESENTATION).value in {b"\1\0", b"\0\1", 1}


def _binary(vr: str, value: bytes, address: str) -> dict[str, Any]:
    if len(value) > INLINE:
        return {"vr": vr, "BulkDataURI": address}
    return {"vr": vr, "InlineBinary": base64.b64encode(value).decode()}


def _integer(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text


def _decimal(text: str) -> float | int | str:
    try:
        return _finite(float(text))
    except ValueError:
        return text


def _finite(number: float) -> float | str:
    """JSON has no word for what is not finite; F.2.3 lets numbers be strings."""
    return number if math.isfinite(number) else str(number)


def _name(text: str) -> dict[str, str] | None:
    groups = zip(_NAMES, text.split("="), strict=False)
    return {name: group for name, group in groups if group} or None


_CONVERTERS: Final[dict[str, Callable[[str], Any]]] = {"PN": _name, "IS": _integer, "DS": _decimal}
