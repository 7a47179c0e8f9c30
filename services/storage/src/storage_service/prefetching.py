"""Fetching the priors of exams that are near into the read cache, before anybody opens them.

Nobody knows which process will be asked for them: each cache has them all. What was looked at is kept in memory, beside
a cache that may be as short-lived; who begins anew finds there what is there already.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from prometheus_client import Counter

from storage_service.domain.priors import Planned, chosen
from storage_service.ports.priors import Ahead, Kept, Priors

_packs: Final = Counter("storage_prior_packs", "Packs of priors that were to be fetched ahead", ["became"])
_bytes: Final = Counter("storage_prior_bytes", "Bytes of priors that were fetched ahead")
_log: Final = structlog.get_logger(__name__)
LATE: Final = timedelta(hours=1)
"""An exam that should have begun longer ago is not waited for."""


AT_ONCE: Final = 20
"""Exams, before those are looked up again that have come nearer meanwhile."""


@dataclass(frozen=True, slots=True)
class Prefetching:
    """What it takes."""

    priors: Priors
    ahead: Ahead
    alone: Callable[[], bool]
    """Whether it is this process that does so, of those that share the cache."""
    horizon: timedelta
    """How long before an exam."""
    most: int
    """Bytes for one exam."""
    bytes_per_second: int
    looked: dict[str, datetime] = field(default_factory=dict)
    """The exams that are near and were looked at, and when they were to begin then."""

    async def next(self) -> bool:
        """Fetch for the exams that begin next; False where there are none."""
        if not self.alone():
            return False
        now = datetime.now(UTC)
        near = await self.priors.near(now - LATE, now + self.horizon)
        for gone in self.looked.keys() - near.keys():
            del self.looked[gone]
        new = [key for key, starts_at in near.items() if self.looked.get(key) != starts_at]
        for key in new[:AT_ONCE]:
            exam = await self.priors.planned(key)
            if exam is not None:
                await self._fetch(exam)
            self.looked[key] = near[key]
        return bool(new)

    async def _fetch(self, exam: Planned) -> None:
        for pack in chosen(exam, await self.priors.of(exam), self.most):
            kept = await self.ahead.fetch(pack)
            _packs.labels(kept).inc()
            if kept is Kept.NO_ROOM:
                _log.info("no room for priors", kind="cache")
                break
            if kept is Kept.FETCHED:
                _bytes.inc(pack.size)
                await asyncio.sleep(pack.size / self.bytes_per_second)
