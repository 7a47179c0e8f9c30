"""The DICOM file format around a received data set (PS3.10 section 7)."""

from struct import Struct
from typing import Final

IMPLEMENTATION_CLASS_UID: Final = "2.25.330175486410573767548291056324508776362"
IMPLEMENTATION_VERSION_NAME: Final = "FILMJACKET"
"""Without a number: the header of a file says who wrote it, not which release."""

PREAMBLE: Final = bytes(128) + b"DICM"
_SHORT: Final = Struct("<HH2sH")
_LONG: Final = Struct("<HH2sHI")


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


def _element(element: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii", "replace")
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    return _SHORT.pack(2, element, vr, len(value)) + value
