"""Instances out of packs, by range reads."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from fj_events import ObjectRef
from fj_objects import ByteRange, NoSuchObject, StoreUnavailable
from prometheus_client import Counter

from storage_service.adapters.cache import CachedReads
from storage_service.domain.errors import Away, Gone, Unreadable
from storage_service.domain.priors import PriorPack
from storage_service.domain.retrieval import READ, Octets, Stored, in_storage_order, reads
from storage_service.ports.priors import Kept

_read: Final = Counter("storage_read_bytes", "Bytes read from packs")
AHEAD: Final = 4
"""Reads that are on their way while the one before is being sent; with `READ`, what bounds the memory of an answer."""


class StoredPacks:
    """See `storage_service.ports.objects.Packs`. `reads` gives the packs of a bucket."""

    def __init__(self, reads: Callable[[str], CachedReads]) -> None:
        self._reads = reads

    async def stream(self, instances: Sequence[Stored]) -> AsyncGenerator[tuple[Stored, int, Octets], None]:
        groups = reads(in_storage_order(instances))
        ahead: deque[tuple[list[Stored], asyncio.Task[memoryview] | None]] = deque()
        try:
            while True:
                while len(ahead) <= AHEAD and (group := next(groups, None)):
                    ahead.append((group, self._begin(group)))
                if not ahead:
                    return
                group, reading = ahead.popleft()
                async for piece in self._pieces(group, reading):
                    yield piece
        finally:
            for _, reading in ahead:
                if reading is not None:
                    reading.cancel()

    async def warm(self, instances: Sequence[Stored]) -> None:
        """Have the packs of these instances in the cache, as far as it takes them."""
        for bucket, pack in dict.fromkeys((stored.bucket, stored.pack) for stored in instances):
            await self._reads(bucket).warm(pack)

    async def keep(self, pack: ObjectRef) -> None:
        """The same, of a pack that was just made."""
        await self._reads(pack.bucket).warm(pack.key)

    async def fetch(self, pack: PriorPack) -> Kept:
        """See `storage_service.ports.priors.Ahead`."""
        return await self._reads(pack.bucket).fetch(pack.key)

    async def read(self, stored: Stored, cut: ByteRange) -> bytes:
        """One cut of the file."""
        return bytes(await self.view(stored, cut))

    async def view(self, stored: Stored, cut: ByteRange) -> memoryview:
        """The same, to be passed on."""
        return await self._get(stored, _moved(stored, cut))

    def cut(self, stored: Stored, offset: int, length: int) -> AsyncGenerator[Octets, None]:
        return self.pieces(stored, ByteRange(offset, length))

    async def length(self, stored: Stored) -> int:
        return stored.length

    async def pieces(self, stored: Stored, cut: ByteRange) -> AsyncGenerator[Octets, None]:
        """One cut of the file, of any length, piece by piece."""
        with _named(stored):
            async for piece in self._reads(stored.bucket).stream(stored.pack, _moved(stored, cut)):
                _read.inc(len(piece))
                yield piece

    def _begin(self, group: Sequence[Stored]) -> asyncio.Task[memoryview] | None:
        """One read for all of them; what is too long for one is streamed when its turn comes."""
        first, last = group[0], group[-1]
        if last.end - first.offset > READ:
            return None
        return asyncio.create_task(self._get(first, ByteRange(first.offset, last.end - first.offset)))

    async def _get(self, stored: Stored, cut: ByteRange) -> memoryview:
        """A cut of the pack that the instance lies in."""
        with _named(stored):
            data = await self._reads(stored.bucket).view_range(stored.pack, cut)
        _read.inc(len(data))
        return data

    async def _pieces(
        self, group: Sequence[Stored], reading: asyncio.Task[memoryview] | None
    ) -> AsyncGenerator[tuple[Stored, int, Octets], None]:
        first = group[0]
        if reading is None:
            left = first.length
            async for piece in self.pieces(first, ByteRange(0, first.length)):
                left -= len(piece)
                yield first, left, piece
            return
        view = await reading
        for stored in group:
            begin = stored.offset - first.offset
            yield stored, 0, view[begin : begin + stored.length]


def _moved(stored: Stored, cut: ByteRange) -> ByteRange:
    """The cut of a file as one of its pack. What a damaged file claims to hold must not reach into its neighbour."""
    if cut.offset + cut.length > stored.length:
        raise Unreadable(f"the instance ends before {cut.offset + cut.length} bytes")
    return ByteRange(stored.offset + cut.offset, cut.length)


@contextmanager
def _named(stored: Stored) -> Iterator[None]:
    try:
        yield
    except NoSuchObject:
        raise Gone(f"instance {stored.sop_instance_uid} is indexed and its pack {stored.pack} is not there") from None
    except StoreUnavailable as error:
        raise Away("the object store does not answer") from error
