"""The DICOM file format around a data set (PS3.10 section 7)."""

from dataclasses import dataclass
from struct import Struct
from typing import Final

from fj_dicom.tags import EXPLICIT, BadDataSet, MoreNeeded, element_at

IMPLEMENTATION_CLASS_UID: Final = "2.25.330175486410573767548291056324508776362"
IMPLEMENTATION_VERSION_NAME: Final = "FILMJACKET"
"""Without a number: the header of a file says who wrote it, not which release."""

PREAMBLE: Final = bytes(128) + b"DICM"
HEADER_MAX: Final = 64 * 1024
MEDIA_STORAGE_SOP_CLASS_UID: Final = 0x00020002
MEDIA_STORAGE_SOP_INSTANCE_UID: Final = 0x00020003
TRANSFER_SYNTAX_UID: Final = 0x00020010
_GROUP: Final = Struct("<H")
_SHORT: Final = Struct("<HH2sH")
_LONG: Final = Struct("<HH2sHI")


@dataclass(frozen=True, slots=True)
class FileHeader:
    """What the file meta information says; empty where it says nothing."""

    length: int
    """Of preamble and meta information: here the data set begins."""
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


def file_header(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source_ae_title: str) -> bytes:
    """Preamble and file meta information (PS3.10 table 7.1-1); the data set follows as it was received."""
    group = b"".join(
        (
            _LONG.pack(2, 0x0001, b"OB", 0, 2) + b"\0\1",
            _element(0x0002, b"UI", sop_class_uid),
            _element(0x0003, b"UI", sop_instance_uid),
            _element(0x0010, b"UI", transfer_syntax_uid),
            _element(0x0012, b"UI", IMPLEMENTATION_CLASS_UID),
            _element(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME),
            _element(0x0016, b"AE", source_ae_title) if source_ae_title else b"",
        )
    )
    return PREAMBLE + _SHORT.pack(2, 0, b"UL", 4) + len(group).to_bytes(4, "little") + group


def read_file_header(head: memoryview) -> FileHeader | None:
    """The header at the beginning of a file; None when it goes on beyond `head`. Raises BadDataSet."""
    if len(head) < len(PREAMBLE):
        return None
    if bytes(head[128:132]) != b"DICM":
        raise BadDataSet("has no DICM at 128: it is not a DICOM file")
    values: dict[int, bytes] = {}
    position = len(PREAMBLE)
    while position + 8 <= len(head):
        if _GROUP.unpack_from(head, position) != (2,):
            return _header(position, values)
        try:
            tag, value, end = element_at(EXPLICIT, head, position)
        except MoreNeeded:
            break
        if end > HEADER_MAX:
            raise BadDataSet(f"has file meta information of more than {HEADER_MAX} bytes")
        values[tag] = bytes(head[value:end])
        position = end
    return None


def _header(length: int, values: dict[int, bytes]) -> FileHeader:
    def text(tag: int) -> str:
        return values.get(tag, b"").decode("ascii", "replace").strip("\0 ")

    return FileHeader(
        length, text(MEDIA_STORAGE_SOP_CLASS_UID), text(MEDIA_STORAGE_SOP_INSTANCE_UID), text(TRANSFER_SYNTAX_UID)
    )


def _element(element: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii", "replace")
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    return _SHORT.pack(2, element, vr, len(value)) + value
