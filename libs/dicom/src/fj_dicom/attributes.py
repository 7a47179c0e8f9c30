"""Attributes of a data set: text in its character set, names in their groups, dates, DICOM JSON."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from pydicom import DataElement, Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.filewriter import correct_ambiguous_vr
from pydicom.tag import BaseTag
from pydicom.valuerep import PersonName

from fj_dicom.decoding import PIXEL_GROUP, at_pixels, read

SPECIFIC_CHARACTER_SET: Final = 0x00080005
INLINE_MAX: Final = 1024
"""Longer binary values of a DICOM JSON data set are given by URI, bytes."""


@dataclass(frozen=True, slots=True)
class NameGroup:
    """One component group of a person name (PS3.5 6.2.1)."""

    family: str = ""
    given: str = ""
    middle: str = ""
    prefix: str = ""
    suffix: str = ""

    def __str__(self) -> str:
        return f"{self.family}^{self.given}^{self.middle}^{self.prefix}^{self.suffix}".rstrip("^")


@dataclass(frozen=True, slots=True)
class Name:
    """A person name in its three writings."""

    alphabetic: NameGroup
    ideographic: NameGroup
    phonetic: NameGroup


def read_attributes(data: bytes | memoryview, transfer_syntax: str, keywords: Iterable[str] = ()) -> Dataset:
    """Decode a data set up to its pixel data; with keywords, only those top-level elements.

    `data` may be cut anywhere after the last element that is wanted. Raises BadDataSet.
    """
    tags = [tag for keyword in keywords if (tag := tag_for_keyword(keyword)) is not None]
    if tags:
        tags.append(SPECIFIC_CHARACTER_SET)
    return read(data, transfer_syntax, tags, at_pixels)


def text(dataset: Dataset, keyword: str) -> str | None:
    """The first value as text; None where it is missing or empty."""
    values = _values(dataset, keyword)
    return _plain(str(values[0])) or None if values else None


def whole_number(dataset: Dataset, keyword: str) -> int | None:
    """The first value of an IS, US or UL; None where it is missing or no 32 bit number."""
    return integer(text(dataset, keyword) or "")


def integer(written: str) -> int | None:
    """An IS value (PS3.5 6.2); None where it is no number, or more than the standard's 32 bits."""
    try:
        number = int(written)
    except ValueError:
        return None
    return number if -(2**31) <= number < 2**31 else None


def day(dataset: Dataset, keyword: str) -> date | None:
    """A DA value, also in the old form `YYYY.MM.DD`; None where it is missing or no date."""
    found = (text(dataset, keyword) or "").replace(".", "")
    try:
        return date(int(found[:4]), int(found[4:6]), int(found[6:8])) if len(found) == 8 else None
    except ValueError:
        return None


def name(dataset: Dataset, keyword: str) -> Name | None:
    """The first person name; None where it is missing or empty."""
    values = _values(dataset, keyword)
    if not values or not str(values[0]):
        return None
    person = PersonName(values[0])
    return Name(*(_group(written) for written in (person.alphabetic, person.ideographic, person.phonetic)))


def item(dataset: Dataset, keyword: str) -> Dataset | None:
    """The first item of a sequence; None where there is none."""
    values = _values(dataset, keyword)
    return values[0] if values and isinstance(values[0], Dataset) else None


def to_dicom_json(
    data: bytes | memoryview, transfer_syntax: str, bulk_data_uri: Callable[[int], str]
) -> dict[str, dict[str, Any]]:
    """The data set in the DICOM JSON model (PS3.18 Annex F), to be made once and kept.

    Pixel data, and binary values over `INLINE_MAX`, are given by the URI that `bulk_data_uri` makes of a tag. An
    element that cannot be told in JSON (a decimal string that is no number) is left out. Raises BadDataSet.
    """
    pixels: list[tuple[int, str]] = []

    def stop_when(tag: BaseTag, vr: str | None, _length: int) -> bool:
        if tag.group < PIXEL_GROUP:
            return False
        pixels.append((int(tag), vr or "OW"))
        return True

    dataset = read(data, transfer_syntax, stop_when=stop_when)
    correct_ambiguous_vr(dataset, dataset.original_encoding[1] is not False)
    elements = {f"{element.tag:08X}": shown for element in dataset if (shown := _json(element, bulk_data_uri))}
    return elements | {f"{tag:08X}": {"vr": vr, "BulkDataURI": bulk_data_uri(tag)} for tag, vr in pixels}


def _json(element: DataElement, bulk_data_uri: Callable[[int], str]) -> dict[str, Any] | None:
    try:
        return element.to_json_dict(lambda bulk: bulk_data_uri(int(bulk.tag)), INLINE_MAX)
    except Exception:  # noqa: BLE001 - pydicom raises whatever the value makes it stumble over
        return None


def _values(dataset: Dataset, keyword: str) -> list[Any]:
    if keyword not in dataset or (element := dataset[keyword]).is_empty:
        return []
    return list(element.value) if element.VM > 1 or element.VR == "SQ" else [element.value]


def _group(written: str) -> NameGroup:
    return NameGroup(*(_plain(part) for part in written.split("^")[:5]))


def _plain(written: str) -> str:
    """Without padding and without NUL, which no database takes."""
    return written.replace("\0", "").strip()
