"""Taking data sets apart: what stands before the pixels, and where the pixels are."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Final, ParamSpec, TypeVar

import pydicom.config
from fj_objects import ByteRange
from pydicom import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from storage_service.adapters.inflating import inflated
from storage_service.adapters.packs import StoredPacks
from storage_service.domain.errors import Unreadable
from storage_service.domain.retrieval import Stored

FIRST_READ: Final = 16 * 1024
"""Bytes that hold the header of most instances."""
LAST_READ: Final = 64 * 1024 * 1024
"""Longer headers are not read."""
P = ParamSpec("P")
T = TypeVar("T")
UNDEFINED: Final = 0xFFFFFFFF
_PIXELS: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_LONG: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})

# What devices send is shown as it is; judging it is not the business of a reader.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE


@dataclass(frozen=True, slots=True)
class Header:
    """A data set up to its pixels. Offsets are bytes from the beginning of the data set."""

    data_set: Dataset
    pixel_tag: BaseTag | None
    pixel_vr: str
    """OW where the transfer syntax leaves it open."""
    pixel_offset: int
    """Of the value."""
    pixel_length: int
    """As it is claimed; `UNDEFINED` where it is encapsulated."""
    length: int
    """Of the data set, bytes."""
    inflated: bytes | None = None
    """The whole data set, where it was stored deflated."""


class Headers:
    """Reads headers, with few bytes."""

    def __init__(self, packs: StoredPacks) -> None:
        self._packs = packs

    async def warm(self, instances: Sequence[Stored]) -> None:
        """See `StoredPacks.warm`: the headers of all these will be read."""
        await self._packs.warm(instances)

    async def read(self, stored: Stored) -> Header:
        """The header of an instance. Raises Gone, Unreadable."""
        size, syntax = FIRST_READ, stored.transfer_syntax_uid
        if syntax == DeflatedExplicitVRLittleEndian:
            size = LAST_READ
        while True:
            size = min(size, stored.data_length)
            data = await self._packs.read(stored, ByteRange(stored.data_offset, size))
            header = await aside(size, parse, data, syntax, stored.data_length)
            if header is not None:
                return header
            if size >= LAST_READ:
                raise Unreadable(f"the header of {stored.sop_instance_uid} is longer than {LAST_READ} bytes")
            size *= 16


async def aside(size: int, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Work that takes time with the size of a header in bytes: in a thread where it is long.

    What is short is done at once: threads that compute keep the event loop from its turn for longer than that.
    """
    if size <= FIRST_READ:
        return work(*arguments, **named)
    return await asyncio.to_thread(work, *arguments, **named)


def parse(data: bytes, transfer_syntax_uid: str, length: int) -> Header | None:
    """The header at the beginning of a data set of `length` bytes; None where more are needed. Raises Unreadable."""
    whole, whole_set = len(data) == length, None
    if transfer_syntax_uid == DeflatedExplicitVRLittleEndian:
        data = whole_set = inflated(data)
        length = len(data)
    stream = BytesIO(data)
    found: list[tuple[BaseTag, str | None, int]] = []

    def at_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
        if tag in _PIXELS:
            found.append((tag, vr, length))
        return tag in _PIXELS

    try:
        data_set = read_dataset(
            stream,
            is_implicit_VR=transfer_syntax_uid == ImplicitVRLittleEndian,
            is_little_endian=transfer_syntax_uid != ExplicitVRBigEndian,
            stop_when=at_pixels,
        )
    except Exception as error:  # noqa: BLE001 - pydicom raises many kinds over what it cannot read
        if not whole:
            return None
        raise Unreadable(f"the data set cannot be read: {type(error).__name__}") from None
    if found:
        tag, vr, claimed = found[0]
        return Header(data_set, tag, vr or "OW", stream.tell() + (12 if vr in _LONG else 8), claimed, length, whole_set)
    return Header(data_set, None, "OW", len(data), 0, length, whole_set) if whole else None
