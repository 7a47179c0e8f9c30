"""Rewriting the beginning of a data set, so that it says what is known now (PS3.3 C.12.1.1.9).

Only elements up to the Original Attributes Sequence are looked at, and only those that differ are written anew: all
others keep their bytes, and what comes behind them is not even read.
"""

import zlib
from io import BytesIO
from typing import Final, TypeAlias

from fj_dicom import UTF_8
from pydicom import Dataset
from pydicom.charset import convert_encodings
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence as Items
from pydicom.tag import BaseTag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from storage_service.adapters.inflating import inflated
from storage_service.domain.coercion import MODIFYING_SYSTEM, REASON, Coercion, Values, Wanted, wanted
from storage_service.domain.errors import Unreadable

_CHARACTER_SET: Final = 0x00080005
_COERCED_AT: Final = 0x00080015
_PATIENT_ID: Final = 0x00100020
_ISSUER: Final = 0x00100021
_ORIGINALS: Final = 0x04000561
_BEFORE_PIXELS: Final = 0x7FE00000
_TEXT: Final = frozenset({"LO", "PN", "SH", "UC", "UT"})
_DEFAULT: Final = "iso8859"
"""What pydicom calls the default repertoire."""
Element: TypeAlias = RawDataElement | DataElement


def coerced(data: bytes, syntax: str, coercion: Coercion, *, whole: bool) -> tuple[bytes, int] | None:
    """The new beginning of a data set, and for how many bytes of the stored one it stands; none where nothing differs.

    None: more of it is needed; of a deflated one, all of it. Raises Unreadable.
    """
    if syntax == DeflatedExplicitVRLittleEndian:
        return _deflated(data, coercion) if whole else None
    read = _read(data, syntax, _ORIGINALS, whole=whole)
    if read is None:
        return None
    (data_set, end), wishes = read, wanted(coercion.changed)
    originals = _differing(data_set, wishes)
    if not originals:
        return b"", 0
    if not all(_fits(text, data_set) for text in _texts(wishes)):
        read = _read(data, syntax, _BEFORE_PIXELS, whole=whole)
        if read is None:
            return None
        data_set, end = read
        _say_in_unicode(data_set, originals)
    _put(data_set, wishes)
    _remember(data_set, originals, coercion)
    return _written(data_set), end


def _deflated(data: bytes, coercion: Coercion) -> tuple[bytes, int]:
    whole_set = inflated(data)
    found = coerced(whole_set, ExplicitVRLittleEndian, coercion, whole=True)
    if found is None or not found[1]:
        return b"", 0
    deflating = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = deflating.compress(found[0] + whole_set[found[1] :]) + deflating.flush()
    return packed + b"\0" * (len(packed) % 2), len(data)


def _read(data: bytes, syntax: str, last: int, *, whole: bool) -> tuple[Dataset, int] | None:
    """The elements up to `last`, and where the next one begins; None where that is not in sight."""
    stream = BytesIO(data)
    behind: list[int] = []

    def is_behind(tag: BaseTag, _vr: str | None, _length: int) -> bool:
        if tag > last:
            behind.append(tag)
        return bool(behind)

    little, implicit = syntax != ExplicitVRBigEndian, syntax == ImplicitVRLittleEndian
    try:
        data_set = read_dataset(stream, implicit, little, stop_when=is_behind)
    except Exception as error:  # noqa: BLE001 - pydicom raises many kinds over what it cannot read
        if not whole:
            return None
        raise Unreadable(f"the data set cannot be read: {type(error).__name__}") from None
    return (data_set, stream.tell() if behind else len(data)) if behind or whole else None


def _differing(data_set: Dataset, wishes: Wanted) -> dict[int, Element]:
    """What the attributes have been that say something else, as they stand there; those that are missing, empty."""
    before = {tag: data_set.get_item(tag) for tag in wishes if tag in data_set}
    empty = {tag: DataElement(tag, values.vr, None) for tag, values in wishes.items()}
    found: dict[int, Element] = {
        tag: before.get(tag, empty[tag]) for tag, values in wishes.items() if not _says(data_set, tag, values)
    }
    if _PATIENT_ID in found and _ISSUER in before:
        found[_ISSUER] = before[_ISSUER]  # whose number it was, changed or not
    return found


def _says(data_set: Dataset, tag: int, values: Values) -> bool:
    """Whether the attribute is there with this value; an item may say more."""
    element: DataElement | None = data_set[tag] if tag in data_set else None  # noqa: SIM401 - `get` gives values
    if values.value is None:
        return element is None
    if isinstance(values.value, str):
        return _text(element) == values.value.strip()
    items = list(element.value) if element is not None and element.VR == "SQ" else []
    return len(items) == len(values.value) and all(
        _says(item, inner, one)
        for item, inside in zip(items, values.value, strict=True)
        for inner, one in inside.items()
    )


def _text(element: DataElement | None) -> str:
    if element is None or element.value is None:
        return ""
    text = str(element.value).strip("\0 ")
    return "=".join(group.rstrip("^ ") for group in text.split("=")).rstrip("=") if element.VR == "PN" else text


def _texts(wishes: Wanted) -> list[str]:
    found: list[str] = []
    for values in wishes.values():
        if isinstance(values.value, str):
            found += [values.value] if values.vr in _TEXT else []
        elif values.value is not None:
            found += [text for item in values.value for text in _texts(item)]
    return found


def _fits(text: str, data_set: Dataset) -> bool:
    """Whether it can be written in the character set of the data set; without one, that is ASCII (PS3.3 C.12.1.1.2)."""
    return text.isascii() or any(
        name != _DEFAULT and _encodes(text, name)
        for name in convert_encodings(data_set.get("SpecificCharacterSet") or "")
    )


def _encodes(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeError, LookupError):
        return False
    return True


def _say_in_unicode(data_set: Dataset, originals: dict[int, Element]) -> None:
    """All of it in UTF-8; what has been said before keeps the character set in which it was written."""
    for _ in data_set.iterall():  # pydicom decodes what is looked at, and encodes it anew
        pass
    originals[_CHARACTER_SET] = DataElement(_CHARACTER_SET, "CS", data_set.get("SpecificCharacterSet"))
    data_set.SpecificCharacterSet = UTF_8


def _put(data_set: Dataset, wishes: Wanted) -> None:
    for tag, values in wishes.items():
        if values.value is None:
            data_set.pop(tag, None)
        elif isinstance(values.value, str):
            data_set.add_new(tag, values.vr, values.value)
        elif not _says(data_set, tag, values):
            data_set.add_new(tag, values.vr, Items([_item(inside) for inside in values.value]))


def _item(inside: Wanted) -> Dataset:
    item = Dataset()
    _put(item, inside)
    return item


def _remember(data_set: Dataset, originals: dict[int, Element], coercion: Coercion) -> None:
    """Add an item to the Original Attributes Sequence; those that are there stay."""
    before = Dataset()
    for tag, element in originals.items():
        before[tag] = element
    implicit, little = data_set.original_encoding
    before.set_original_encoding(implicit, little, data_set.original_character_set)
    moment = coercion.at.strftime("%Y%m%d%H%M%S.%f%z")
    item = Dataset()
    item.ModifiedAttributesSequence = Items([before])
    item.AttributeModificationDateTime = moment
    item.ModifyingSystem = MODIFYING_SYSTEM
    item.SourceOfPreviousValues = coercion.site
    item.ReasonForTheAttributeModification = REASON
    earlier = list(data_set[_ORIGINALS].value or ()) if _ORIGINALS in data_set else []
    data_set.add_new(_ORIGINALS, "SQ", Items([*earlier, item]))
    data_set.add_new(_COERCED_AT, "DT", moment)


def _written(data_set: Dataset) -> bytes:
    """In the encoding in which it was read."""
    implicit, little = data_set.original_encoding
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = bool(implicit), bool(little)
    write_dataset(buffer, data_set)
    return buffer.getvalue()
