"""The scrub: one pack after the other is read and compared with what was stored, at a set pace."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from fj_events import Damage, ObjectRef
from prometheus_client import Counter

from storage_service.domain.errors import Away, Gone
from storage_service.domain.integrity import Finding, Kept, Pack
from storage_service.ports.integrity import Archive

_verified: Final = Counter("storage_verified_packs", "Packs that were compared with what was stored", ["found"])
_bytes: Final = Counter("storage_verified_bytes", "Bytes that were read to compare them")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Verifying:
    """What it takes to walk the archive."""

    archive: Archive
    read: Callable[[ObjectRef, int, int], AsyncIterator[bytes]]
    """Bytes of a stored object from an offset, so many (0: to its end). Raises Gone, Away."""
    every: timedelta
    """How old the last look at a pack may grow."""
    bytes_per_second: int
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    """For so many seconds."""

    async def next(self) -> bool:
        """Look at the pack that is due; False where none is, or the object store does not answer."""
        now = datetime.now(UTC)
        pack = await self.archive.claim(now, now - self.every)
        if pack is None:
            return False
        try:
            finding = await self._look(pack)
        except Away as reason:
            log.warning("pack not verified", pack=pack.stored.key, reason=str(reason))
            return False  # its lease ends, and somebody looks again
        await self.archive.record(pack, finding, datetime.now(UTC))
        _verified.labels(finding.damage or "well").inc()
        if finding.damage is not None:
            log.error("pack is damaged", pack=pack.stored.key, damage=finding.damage, instances=len(finding.lost))
        return True

    async def _look(self, pack: Pack) -> Finding:
        try:
            if await self._digest(pack.stored, 0, 0) == pack.stored.sha256:
                return Finding(None)
            lost = [kept for kept in await self.archive.contents(pack) if not await self._is_well(pack, kept)]
        except Gone:
            return Finding(Damage.MISSING, tuple(await self.archive.contents(pack)))
        return Finding(Damage.ALTERED, tuple(lost))

    async def _is_well(self, pack: Pack, kept: Kept) -> bool:
        return await self._digest(pack.stored, kept.offset, kept.length) == kept.sha256.hex()

    async def _digest(self, stored: ObjectRef, offset: int, length: int) -> str | None:
        """Of these bytes, hexadecimal; None where the object ends before they do."""
        digest = hashlib.sha256()
        got = 0
        async for piece in self.read(stored, offset, length):
            await asyncio.to_thread(digest.update, piece)
            got += len(piece)
            _bytes.inc(len(piece))
            await self.pause(len(piece) / self.bytes_per_second)
        return digest.hexdigest() if got == length or not length else None
