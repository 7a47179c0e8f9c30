"""The elements of an encoded data set, without decoding them (PS3.5 section 7)."""

import zlib
from dataclasses import dataclass
from struct import Struct
from typing import Final

UNDEFINED: Final = 0xFFFFFFFF
ITEM: Final = 0xFFFEE000
ITEM_END: Final = 0xFFFEE00D
SEQUENCE_END: Final = 0xFFFEE0DD
DEPTH_MAX: Final = 32
"""Of nested sequences of undefined length."""
INFLATED_MAX: Final = 16 * 1024 * 1024
"""How much of a deflated data set is looked at."""

LONG_VRS: Final = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
"""VRs whose length has 32 bits (PS3.5 table 7.1-1)."""
SHORT_VRS: Final = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
"""VRs whose length has 16 bits (PS3.5 table 7.1-2)."""

IMPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2"
DEFLATED: Final = frozenset(("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"))
"""Deflated explicit VR little endian, and the two JPIP syntaxes with it (PS3.5 A.5, A.7, A.8)."""
EXPLICIT_VR_BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"


class BadDataSet(ValueError):
    """The bytes are not a data set in the transfer syntax that they claim. The text names places, never values."""


class Unfamiliar(BadDataSet):
    """An element's header is not what the transfer syntax asks for; a more patient reader may make sense of it."""


class MoreNeeded(Exception):
    """The buffer ends inside an element."""


@dataclass(frozen=True, slots=True)
class Coding:
    """How element headers are written."""

    explicit: bool
    short: Struct
    """Explicit VR: group, element, VR, 16 bit length."""
    plain: Struct
    """Implicit VR, items and delimiters: group, element, 32 bit length."""
    length: Struct


IMPLICIT: Final = Coding(explicit=False, short=Struct("<HH2sH"), plain=Struct("<HHI"), length=Struct("<I"))
EXPLICIT: Final = Coding(explicit=True, short=Struct("<HH2sH"), plain=Struct("<HHI"), length=Struct("<I"))
BIG_ENDIAN: Final = Coding(explicit=True, short=Struct(">HH2sH"), plain=Struct(">HHI"), length=Struct(">I"))


def coding_of(transfer_syntax: str) -> Coding:
    """How the elements of a data set in this transfer syntax are written, inside of its deflation if it has one."""
    if transfer_syntax == IMPLICIT_VR_LITTLE_ENDIAN:
        return IMPLICIT
    return BIG_ENDIAN if transfer_syntax == EXPLICIT_VR_BIG_ENDIAN else EXPLICIT


def is_vr(written: bytes) -> bool:
    """Whether this is written as a value representation is: two capital letters."""
    return b"A" <= written[:1] <= b"Z" and b"A" <= written[1:] <= b"Z"


def element_at(coding: Coding, buffer: memoryview, position: int, depth: int = 0) -> tuple[int, int, int]:
    """Tag, start and end of the value of the element at `position`; the end may lie beyond the buffer.

    Raises MoreNeeded when the buffer ends before the end is known, BadDataSet.
    """
    if position + 8 > len(buffer):
        raise MoreNeeded
    if not coding.explicit:
        group, element, length = coding.plain.unpack_from(buffer, position)
        value, inner = position + 8, coding
    else:
        group, element, vr, length = coding.short.unpack_from(buffer, position)
        value, inner = position + 8, coding
        if vr in LONG_VRS:
            if position + 12 > len(buffer):
                raise MoreNeeded
            (length,) = coding.length.unpack_from(buffer, position + 8)
            value = position + 12
            if vr == b"UN":
                inner = IMPLICIT  # an unknown sequence of undefined length is implicit inside (PS3.5 6.2.2)
        elif not is_vr(vr):
            raise Unfamiliar(f"no value representation at {position}, after ({group:04x},{element:04x})")
    end = value + length if length != UNDEFINED else _after_items(inner, buffer, value, depth + 1)
    return group << 16 | element, value, end


def _after_items(coding: Coding, buffer: memoryview, position: int, depth: int) -> int:
    """The end of a sequence, or of encapsulated pixel data, of undefined length (PS3.5 7.5, A.4)."""
    if depth > DEPTH_MAX:
        raise BadDataSet(f"more than {DEPTH_MAX} sequences inside each other at {position}")
    while True:
        if position + 8 > len(buffer):
            raise MoreNeeded
        group, element, length = coding.plain.unpack_from(buffer, position)
        tag = group << 16 | element
        position += 8
        if tag == SEQUENCE_END:
            return position
        if tag != ITEM:
            raise BadDataSet(f"an item expected at {position - 8}, ({group:04x},{element:04x}) found")
        position = position + length if length != UNDEFINED else _after_item(coding, buffer, position, depth)


def _after_item(coding: Coding, buffer: memoryview, position: int, depth: int) -> int:
    while True:
        if position + 8 > len(buffer):
            raise MoreNeeded
        group, element, _ = coding.plain.unpack_from(buffer, position)
        if group << 16 | element == ITEM_END:
            return position + 8
        _, _, position = element_at(coding, buffer, position, depth)


def inflate(head: memoryview) -> bytes:
    """The beginning of a deflated data set, at most `INFLATED_MAX` bytes. Raises BadDataSet."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(head, INFLATED_MAX)
    except zlib.error:
        raise BadDataSet("the deflated data set cannot be inflated") from None


def check_deflated(whole: memoryview) -> None:
    """Raises BadDataSet when the stream has no end; what is inflated is thrown away piece by piece."""
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    rest: bytes | memoryview = whole
    try:
        while rest and not inflating.eof:
            inflating.decompress(rest, INFLATED_MAX)
            rest = inflating.unconsumed_tail
    except zlib.error:
        raise BadDataSet("the deflated data set cannot be inflated") from None
    if not inflating.eof:
        raise BadDataSet("the deflated data set is cut short")
