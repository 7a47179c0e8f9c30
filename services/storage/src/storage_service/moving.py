"""The rules of the tiers, carried out: one pack after the other is copied, compared, and read from its new place."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from fj_events import ObjectRef
from prometheus_client import Counter

from storage_service.domain.errors import Away, Gone, Unreadable
from storage_service.domain.tiering import Movable, Tier, Tiers, moved
from storage_service.ports.tiering import Tierings

_moved: Final = Counter("storage_moved_packs", "Packs that were moved to another tier", ["tier"])
_bytes: Final = Counter("storage_moved_bytes", "Bytes of packs that were moved to another tier")
COPYING: Final = timedelta(minutes=50)
"""A pack is copied in this time, or later again."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Moving:
    """What it takes to move packs."""

    tiers: Tiers
    tierings: Tierings
    copy: Callable[[ObjectRef, Tier], Awaitable[ObjectRef]]
    """Copy a pack, compared with its hash on the way; a copy that is there is found. Raises Gone, Away, Unreadable."""
    delay: timedelta
    """Between the move of a pack and the deletion of its former object."""
    bytes_per_second: int

    async def look(self) -> None:
        """Move each pack that belongs elsewhere. Killed anywhere, the pack is read where it was, or where it is."""
        if not self.tiers.tiers:
            return
        async for pack in self.tierings.packs(self.tiers.buckets[-1]):
            tier = self.tiers.of(pack, datetime.now(UTC).date())
            if tier is None:
                continue
            try:
                async with asyncio.timeout(COPYING.total_seconds()):
                    await self._move(pack, tier)
            except (Gone, Unreadable) as reason:
                log.warning("a pack cannot be moved", pack=pack.stored.key, reason=str(reason))
                await self.tierings.suspect(pack)
            except (Away, TimeoutError) as reason:
                log.warning("packs are moved later", pack=pack.stored.key, reason=str(reason))
                return

    async def _move(self, pack: Movable, tier: Tier) -> None:
        if not await self.tierings.begin(pack, tier.bucket, datetime.now(UTC)):
            return
        to = await self.copy(pack.stored, tier)
        if await self.tierings.moved(pack, to, moved(pack, to, tier), datetime.now(UTC) + self.delay):
            _moved.labels(tier.name).inc()
            _bytes.inc(to.size)
        await asyncio.sleep(to.size / self.bytes_per_second)
