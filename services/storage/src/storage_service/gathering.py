"""What came piece by piece is put together when its study is complete and silent: small packs, and manifests."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from fj_events import ObjectRef
from prometheus_client import Counter

from storage_service.domain.errors import Away, Gone, Unreadable
from storage_service.domain.joining import Joined, Joint
from storage_service.ports.gathering import Pieces

AT_ONCE: Final = 100
_joined: Final = Counter("storage_joined_packs", "Packs that were joined with their neighbours")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Gathering:
    """What it takes to put studies together."""

    pieces: Pieces
    join: Callable[[Joint], Awaitable[Joined]]
    """Write packs as one, and compare each instance with its hash. Raises Gone, Away, Unreadable."""
    warm: Callable[[ObjectRef], Awaitable[None]]
    """Have a pack in the read cache: what was just received is looked at next."""
    silence: timedelta
    """So long after the last sign of life of a study."""
    delay: timedelta
    """Between the joining and the deletion of the old objects: who reads in them may finish."""
    bytes_per_second: int

    async def look(self) -> None:
        """Put together what is due. Killed anywhere, a study is as it was, or as it is to be."""
        for uid in await self.pieces.due(datetime.now(UTC) - self.silence, AT_ONCE):
            try:
                await self._put_together(uid)
            except (Gone, Unreadable) as reason:
                log.warning("packs cannot be joined", reason=str(reason))
                await self.pieces.gather(uid)
            except Away as reason:
                log.warning("packs are joined later", reason=str(reason))
                return

    async def _put_together(self, uid: str) -> None:
        planned = await self.pieces.begin(uid, datetime.now(UTC))
        if planned is None:
            return
        made = [await self.join(one) for one in planned]
        # What has changed meanwhile is planned anew, and what was written goes in a day.
        if not await self.pieces.joined(uid, planned, made, datetime.now(UTC) + self.delay):
            return
        _joined.inc(sum(len(one.packs) for one in planned))
        for one in made:
            await self.warm(one.pack)
            await asyncio.sleep(one.pack.size / self.bytes_per_second)
