"""Fetching the priors of exams that are near into the read cache, before anybody opens them."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from prometheus_client import Counter

from storage_service.domain.priors import chosen
from storage_service.ports.priors import Ahead, Kept, Priors

_packs: Final = Counter("storage_prior_packs", "Packs of priors that were to be fetched ahead", ["became"])
_bytes: Final = Counter("storage_prior_bytes", "Bytes of priors that were fetched ahead")
_log: Final = structlog.get_logger(__name__)
LATE: Final = timedelta(hours=1)
"""An exam that should have begun longer ago is not waited for."""


@dataclass(frozen=True, slots=True)
class Prefetching:
    """What it takes."""

    priors: Priors
    ahead: Ahead
    horizon: timedelta
    """How long before an exam."""
    most: int
    """Bytes for one exam."""
    bytes_per_second: int

    async def next(self) -> bool:
        """Fetch for the exam that begins next; False where there is none."""
        now = datetime.now(UTC)
        exam = await self.priors.claim(now - LATE, now + self.horizon)
        if exam is None:
            return False
        for pack in chosen(exam, await self.priors.of(exam), self.most):
            kept = await self.ahead.fetch(pack)
            _packs.labels(kept).inc()
            if kept is Kept.NO_ROOM:
                _log.info("no room for priors", kind="cache")
                break
            if kept is Kept.FETCHED:
                _bytes.inc(pack.size)
                await asyncio.sleep(pack.size / self.bytes_per_second)
        return True
