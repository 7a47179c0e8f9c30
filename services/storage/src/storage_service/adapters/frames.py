"""Frames: where each one lies inside its data set (PS3.5 section 8 and annex A.4)."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final

from fj_objects import ByteRange
from pydicom import Dataset

from storage_service.adapters.headers import UNDEFINED, Header
from storage_service.domain.errors import Unreadable
from storage_service.domain.retrieval import Octets

_ITEM: Final = Struct("<HHI")
_ITEM_TAG: Final = (0xFFFE, 0xE000)
_BITS_ALLOCATED: Final = {0x7FE00008: 32, 0x7FE00009: 64}


@dataclass(frozen=True, slots=True)
class Native:
    """Frames of equal size, one after the other."""

    offset: int
    """Of the first, bytes from the beginning of the data set."""
    bits: int
    """Of one frame; they follow each other without padding, even inside a byte."""
    count: int

    def cut(self, number: int) -> ByteRange:
        """The bytes that hold frame `number` (from 1)."""
        first, last = (number - 1) * self.bits, number * self.bits
        return ByteRange(self.offset + first // 8, (last + 7) // 8 - first // 8)

    def shifted(self, number: int, data: Octets) -> Octets:
        """The frame out of the bytes of its cut, beginning with its own first bit (PS3.5 8.1.1)."""
        skip = (number - 1) * self.bits % 8
        if not skip and not self.bits % 8:
            return data
        value = int.from_bytes(data, "little") >> skip & ((1 << self.bits) - 1)
        return value.to_bytes((self.bits + 7) // 8, "little")


@dataclass(frozen=True, slots=True)
class Encapsulated:
    """Frames in fragments: for each frame the cuts that make it."""

    frames: tuple[tuple[ByteRange, ...], ...]

    @property
    def count(self) -> int:
        return len(self.frames)


def number_of_frames(data_set: Dataset) -> int:
    """At least one."""
    return max(int(data_set.get("NumberOfFrames") or 1), 1)


def native(header: Header) -> Native:
    """The layout of unencapsulated pixels. Raises Unreadable where the image description does not fit them."""
    data_set, tag = header.data_set, header.pixel_tag
    count = number_of_frames(data_set)
    try:
        pixels = int(data_set.Rows) * int(data_set.Columns)
        samples = int(data_set.get("SamplesPerPixel") or 1)
        allocated = _BITS_ALLOCATED.get(int(tag or 0)) or int(data_set.BitsAllocated)
    except (AttributeError, TypeError, ValueError):
        raise Unreadable("rows, columns or bits allocated are missing") from None
    if data_set.get("PhotometricInterpretation") == "YBR_FULL_422":
        samples = 2  # two luminances share their colour: PS3.3 C.7.6.3.1.2
    bits = pixels * samples * allocated
    here = min(header.pixel_length, header.length - header.pixel_offset)
    if not bits or (bits * count + 7) // 8 > here:
        raise Unreadable(f"{count} frames of {bits} bits do not fit into {here} bytes of pixel data")
    return Native(header.pixel_offset, bits, count)


async def encapsulated(header: Header, pieces: AsyncIterator[Octets]) -> Encapsulated:
    """The layout of encapsulated pixels; `pieces` are the bytes of their value. Raises Unreadable."""
    count = number_of_frames(header.data_set)
    table, fragments = await _fragments(pieces, header.pixel_offset)
    if fragments and fragments[-1].offset + fragments[-1].length > header.length:
        raise Unreadable("the data set ends inside a fragment")
    begins = _extended_offsets(header.data_set) or table
    if len(begins) == count and fragments:
        frames = _by_offsets(begins, fragments)
    elif count == 1:
        frames = (tuple(fragments),)
    elif len(fragments) == count:
        frames = tuple((fragment,) for fragment in fragments)
    else:
        raise Unreadable(f"{len(fragments)} fragments of {count} frames, and no table says which belong together")
    if not all(frames):
        raise Unreadable("the offset table names a frame without fragments")
    return Encapsulated(frames)


def is_encapsulated(header: Header) -> bool:
    return header.pixel_length == UNDEFINED


def _extended_offsets(data_set: Dataset) -> list[int]:
    value = data_set.get("ExtendedOffsetTable")
    return [offset for (offset,) in Struct("<Q").iter_unpack(value)] if value else []


def _by_offsets(begins: Sequence[int], fragments: Sequence[ByteRange]) -> tuple[tuple[ByteRange, ...], ...]:
    """Offsets count from the item tag of the first fragment, which stands 8 bytes before its data."""
    first = fragments[0].offset
    ends = [*begins[1:], 1 << 63]
    return tuple(
        tuple(fragment for fragment in fragments if begin <= fragment.offset - first < end)
        for begin, end in zip(begins, ends, strict=True)
    )


async def _fragments(pieces: AsyncIterator[Octets], offset: int) -> tuple[list[int], list[ByteRange]]:
    """The basic offset table and the fragments, without keeping their bytes."""
    items: list[ByteRange] = []
    buffer, skip, table = bytearray(), 0, b""
    async for piece in pieces:
        buffer += piece
        while True:
            step = min(skip, len(buffer))
            if len(items) == 1:
                table += buffer[:step]
            del buffer[:step]
            skip, offset = skip - step, offset + step
            if skip or len(buffer) < _ITEM.size:
                break
            group, element, length = _ITEM.unpack_from(buffer)
            if (group, element) != _ITEM_TAG:
                return _table(table), items[1:]
            del buffer[: _ITEM.size]
            offset, skip = offset + _ITEM.size, length
            items.append(ByteRange(offset, length))
    return _table(table), items[1:]


def _table(data: bytes) -> list[int]:
    return [offset for (offset,) in Struct("<I").iter_unpack(data[: len(data) // 4 * 4])]
