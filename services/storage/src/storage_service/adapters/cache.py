"""Reading packs through the cache on the local disk."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

import structlog
from fj_objects import ByteRange, ObjectError, ObjectInfo, ObjectStore
from prometheus_client import Counter

from storage_service.adapters.cache_files import CacheFolder, NoRoom, NotInMemory
from storage_service.domain.retrieval import Octets
from storage_service.ports.priors import Kept

_reads: Final = Counter("storage_cache_reads", "Reads from packs by where they were answered", ["answer"])
_hit, _miss = _reads.labels("hit"), _reads.labels("miss")
LATELY: Final = 24 * 3600.0
"""Seconds for which a pack that was received or read stays where another is only fetched ahead."""
_log: Final = structlog.get_logger(__name__)
SHORT: Final = 1024 * 1024
"""Bytes up to which a read is done at once, if the disk need not be asked, and never waits for a pack to be copied."""
PIECE: Final = 4 * 1024 * 1024
"""Bytes that are copied, or streamed, at once."""
SHARE: Final = 4
"""A pack is kept if so many of them fit into the cache."""
COPIES: Final = 2
"""Packs that are copied side by side."""
WAITING: Final = 64
"""Packs that may wait to be copied; further ones are not kept."""
MISSED: Final = 1024
"""Packs of which is remembered that they were read once."""


class CachedReads:
    """Reads of the packs of one bucket: from the cache, else from the object store; without a folder always from there.

    What is read for the second time is copied into the cache, so that a single look into an old study costs one range.
    """

    def __init__(self, store: ObjectStore, bucket: str, folder: CacheFolder | None) -> None:
        self._store = store
        self._bucket = bucket
        self._folder = folder
        self._missed: OrderedDict[str, None] = OrderedDict()
        self._copying: dict[str, asyncio.Task[None]] = {}
        self._limit = asyncio.Semaphore(COPIES)

    async def view_range(self, key: str, cut: ByteRange) -> memoryview:
        """See `fj_objects.ObjectStore.view_range`."""
        kept = await self._kept(key, cut)
        return kept if kept is not None else await self._store.view_range(key, cut)

    async def stream(self, key: str, cut: ByteRange) -> AsyncGenerator[Octets, None]:
        """See `fj_objects.ObjectStore.stream`."""
        place, end = cut.offset, cut.offset + cut.length
        while place < end:
            piece = await self._kept(key, ByteRange(place, min(PIECE, end - place)))
            if piece is None:
                break
            yield piece
            place += len(piece)
        if place < end:
            async for data in self._store.stream(key, ByteRange(place, end - place)):
                yield data

    async def warm(self, key: str) -> None:
        """Have a pack in the cache, if it can be had."""
        if self._folder is not None and not self._folder.holds(self._bucket, key):
            await self._copied(key)

    async def fetch(self, key: str) -> Kept:
        """Have a pack in the cache before it is read, if no other that was used lately has to go for it."""
        if self._folder is None:
            return Kept.NO_ROOM
        if self._folder.holds(self._bucket, key) or key in self._copying:
            return Kept.THERE
        try:
            async with self._limit:
                info = await self._store.head(key)
                taken = await self._take(self._folder, key, info, idle=LATELY)
        except NoRoom:
            return Kept.NO_ROOM
        except (OSError, ObjectError) as error:
            _log.warning("a pack is not fetched", kind="cache", error=f"{type(error).__name__}: {error}")
            return Kept.FAILED
        return Kept.FETCHED if taken else Kept.FAILED

    async def _kept(self, key: str, cut: ByteRange) -> memoryview | None:
        if self._folder is None:
            return None
        if key in self._copying and cut.length > SHORT:
            await self._copied(key)
        kept = await self._read(self._folder, key, cut)
        if kept is not None:
            _hit.inc()
            return kept
        _miss.inc()
        if key in self._missed:
            copied = self._copied(key)
            if cut.length > SHORT:
                await copied
                return await self._read(self._folder, key, cut)
        self._missed[key] = None
        if len(self._missed) > MISSED:
            self._missed.popitem(last=False)
        return None

    async def _read(self, folder: CacheFolder, key: str, cut: ByteRange) -> memoryview | None:
        if cut.length <= SHORT:
            try:
                return folder.read(self._bucket, key, cut, wait=False)
            except NotInMemory:
                pass
        return await asyncio.to_thread(folder.read, self._bucket, key, cut, wait=True)

    def _copied(self, key: str) -> asyncio.Future[None]:
        """The copying of a pack, begun now unless it is on its way."""
        task = self._copying.get(key)
        if task is None:
            task = asyncio.create_task(self._copy(key))
            self._copying[key] = task
            task.add_done_callback(lambda _: self._copying.pop(key))
        return asyncio.shield(task)

    async def _copy(self, key: str) -> None:
        if self._folder is None or len(self._copying) > WAITING:
            return
        try:
            async with self._limit:
                info = await self._store.head(key)
                if info.size <= self._folder.most // SHARE and not await self._take(self._folder, key, info):
                    _log.error("a pack is not what its writer said", kind="cache", error=key)
        except (OSError, ObjectError) as error:
            # Without the cache it goes on, slower; a reader of the pack meets the store's error by itself.
            _log.warning("a pack is not cached", kind="cache", error=f"{type(error).__name__}: {error}")

    async def _take(self, folder: CacheFolder, key: str, info: ObjectInfo, *, idle: float = 0) -> bool:
        with folder.writing(self._bucket, key, info.size, idle=idle) as file:
            async for data in _gathered(self._store.stream(key)):
                await asyncio.to_thread(file.write, data)
            return await asyncio.to_thread(file.finish, info.sha256)


async def _gathered(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in larger pieces."""
    parts, length = [], 0
    async for piece in pieces:
        parts.append(piece)
        length += len(piece)
        if length >= PIECE:
            yield b"".join(parts)
            parts, length = [], 0
    if parts:
        yield b"".join(parts)
