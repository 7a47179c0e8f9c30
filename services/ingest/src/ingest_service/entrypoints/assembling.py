"""A file out of metadata and bulk data (PS3.18 section 10.5.1, annex F)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final

from fj_dicom import write
from pydicom import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from ingest_service.domain.reception import NotAccepted, Reason
from ingest_service.entrypoints.bulk import LOADED_MAX, Piece, Spool

OCTETS: Final = "application/octet-stream"
_MEDIA_TYPES: Final[Mapping[str, str]] = {
    "image/jpeg": "1.2.840.10008.1.2.4.70",
    "image/jls": "1.2.840.10008.1.2.4.80",
    "image/jp2": "1.2.840.10008.1.2.4.90",
    "image/jpx": "1.2.840.10008.1.2.4.92",
    "image/jphc": "1.2.840.10008.1.2.4.201",
    "image/jxl": "1.2.840.10008.1.2.4.110",
    "image/dicom-rle": "1.2.840.10008.1.2.5",
    "video/mpeg": "1.2.840.10008.1.2.4.100",
    "video/mp4": "1.2.840.10008.1.2.4.102",
    "video/h265": "1.2.840.10008.1.2.4.107",
}
"""What a media type means that names no transfer syntax (PS3.18 tables 8.7.3-4, 8.7.3-5)."""
_JPEG_PROCESSES: Final = {0xC0: "1.2.840.10008.1.2.4.50", 0xC1: "1.2.840.10008.1.2.4.51"}
"""By the start of frame: senders of ordinary JPEG do not say which it is."""
_PIXELS: Final = ("7FE00008", "7FE00009", "7FE00010")
_FIRST_PIXELS: Final = 0x7FE00008
_NOT_OF_DATA_SET: Final = "00083002"
_LONG: Final = Struct("<HH2sHI")
_ITEM: Final = Struct("<HHI")
_UNDEFINED: Final = 0xFFFFFFFF
Bulk = Mapping[str, Sequence[Piece]]
"""Parts by their address."""


@dataclass(frozen=True, slots=True)
class Assembled:
    """An instance that can be written."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    content: Callable[[], Iterator[bytes]]
    """Its data set, piece by piece."""


def assembled(described: Mapping[str, Any], bulk: Bulk, spool: Spool) -> Assembled:
    """The instance that metadata describes. Raises NotAccepted."""
    attributes = {tag: element for tag, element in described.items() if tag[:4] != "0002" and tag != _NOT_OF_DATA_SET}
    tag = next((tag for tag in _PIXELS if "BulkDataURI" in attributes.get(tag, {})), None)
    frames = _parts(attributes.pop(tag), bulk, spool) if tag else ()
    data_set, head, tail = _encoded(attributes, bulk, spool)
    syntax = _syntax(frames, described, spool)
    pixels = _pixels(tag, described, frames, syntax) if tag else (b"", None, b"")
    return Assembled(
        str(data_set.get("SOPClassUID", "")),
        str(data_set.get("SOPInstanceUID", "")),
        syntax,
        lambda: _content(head, pixels, frames, tail, spool),
    )


def _encoded(attributes: Mapping[str, Any], bulk: Bulk, spool: Spool) -> tuple[Dataset, bytes, bytes]:
    """What is described, and its elements before and behind pixels that are in parts. Raises NotAccepted."""
    left = LOADED_MAX

    def value(_tag: str, vr: str, uri: str) -> bytes | str:
        nonlocal left
        loaded = b"".join(spool.whole(piece, left) for piece in _parts({"BulkDataURI": uri}, bulk, spool))
        left -= len(loaded)
        return loaded.decode("utf-8", "replace") if vr in {"LT", "ST", "UC", "UR", "UT"} else loaded

    try:
        data_set = Dataset.from_json(dict(attributes), value)
        data_set.SpecificCharacterSet = "ISO_IR 192"  # of the JSON, and of what is written
        return data_set, _part(data_set, before=True), _part(data_set, before=False)
    except NotAccepted:
        raise
    except Exception as error:  # noqa: BLE001 - pydicom raises many kinds over what it cannot read
        raise NotAccepted(Reason.NOT_UNDERSTOOD, f"metadata cannot be read: {type(error).__name__}") from None


def _parts(element: Mapping[str, Any], bulk: Bulk, spool: Spool) -> Sequence[Piece]:
    found = bulk.get(spool.located(str(element["BulkDataURI"])))
    if not found:
        raise NotAccepted(Reason.NOT_UNDERSTOOD, "bulk data that metadata names is in no part")
    return found


def _syntax(frames: Sequence[Piece], described: Mapping[str, Any], spool: Spool) -> str:
    """As the part says; else as metadata says; else what its media type means."""
    if not frames:
        return str(ExplicitVRLittleEndian)
    first = frames[0]
    if first.transfer_syntax:
        return first.transfer_syntax
    told = next(iter(described.get(_NOT_OF_DATA_SET, {}).get("Value", ())), None)
    if first.media_type == OCTETS:
        return str(told) if told and UID(str(told)).is_encapsulated else str(ExplicitVRLittleEndian)
    if first.media_type not in _MEDIA_TYPES:
        raise NotAccepted(Reason.NOT_UNDERSTOOD, "bulk data is of no media type of pixels")
    if told:
        return str(told)
    process = _start_of_frame(next(spool.read(first), b"")) if first.media_type == "image/jpeg" else 0
    return _JPEG_PROCESSES.get(process, _MEDIA_TYPES[first.media_type])


def _start_of_frame(data: bytes) -> int:
    """The marker that tells the process of a JPEG (ITU-T T.81 table B.1); 0 where there is none."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            return marker
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return 0


def _pixels(
    tag: str, described: Mapping[str, Any], frames: Sequence[Piece], syntax: str
) -> tuple[bytes, bool | None, bytes]:
    """What stands before the frames, whether they are encapsulated, and what stands behind them (PS3.5 A.4)."""
    group, element = int(tag[:4], 16), int(tag[4:], 16)
    total = sum(frame.length for frame in frames)
    if max(total, *(frame.length + 1 for frame in frames)) >= _UNDEFINED:
        raise NotAccepted(Reason.NOT_UNDERSTOOD, "pixels are longer than an element can be")
    if UID(syntax).is_encapsulated:
        return (
            _LONG.pack(group, element, b"OB", 0, _UNDEFINED) + _ITEM.pack(0xFFFE, 0xE000, 0),
            True,
            _ITEM.pack(0xFFFE, 0xE0DD, 0),
        )
    deep = described.get("00280100", {}).get("Value", [8])[0]
    vr = {"7FE00008": b"OF", "7FE00009": b"OD"}.get(tag, b"OW" if deep != 8 else b"OB")
    return _LONG.pack(group, element, vr, 0, total + total % 2), False, b"\0" * (total % 2)


def _content(
    head: bytes, pixels: tuple[bytes, bool | None, bytes], frames: Sequence[Piece], tail: bytes, spool: Spool
) -> Iterator[bytes]:
    before, encapsulated, behind = pixels
    yield head + before
    for frame in frames:
        odd = frame.length % 2
        if encapsulated:
            yield _ITEM.pack(0xFFFE, 0xE000, frame.length + odd)
        yield from spool.read(frame)
        if encapsulated and odd:
            yield b"\0"
    yield behind + tail


def _part(data_set: Dataset, *, before: bool) -> bytes:
    part = Dataset()
    for element in data_set:
        if (int(element.tag) < _FIRST_PIXELS) == before:
            part.add(element)
    part.set_original_encoding(is_implicit_vr=False, is_little_endian=True, character_encoding="utf8")
    return write(part, ExplicitVRLittleEndian)
