"""The relay of a service: a part of its process that publishes the outbox."""

import asyncio
import random
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import asyncpg
import structlog

from fj_bus import metrics
from fj_bus.bus import Bus
from fj_bus.health import Health
from fj_bus.ownership import Ownership

_BROKEN: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
_log = structlog.get_logger("fj_bus.relay")


class Relay:
    """Moves committed facts from the outbox to the log: in order of key, each once, whatever is killed meanwhile.

    Any number of replicas may run; they share the partition numbers fairly, and a dead one's are taken over.
    """

    name = "relay"

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self._current: Ownership | None = None
        self._down_since: float | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until told to stop, then finish what is on its way."""
        self.bus.hints.relay = self._wake
        pause = self.bus.settings.backoff_first_s
        try:
            while not stop.is_set():
                try:
                    await self._own(stop)
                    pause = self.bus.settings.backoff_first_s
                except _BROKEN as error:
                    self._down_since = self._down_since or asyncio.get_running_loop().time()
                    _log.warning("the relay lost its database", error=type(error).__name__)
                    with suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), pause * random.uniform(0.5, 1))  # noqa: S311 - spreads load
                    pause = min(2 * pause, self.bus.settings.backoff_max_s)
        finally:
            self.bus.hints.relay = None

    async def _own(self, stop: asyncio.Event) -> None:
        async with self.bus.pool.acquire() as connection:
            self._current = ownership = Ownership(self.bus, connection)
            try:
                await ownership.run(stop)
            finally:
                self._current = None
                await ownership.close()

    def _wake(self, partitions: Iterable[int]) -> bool:
        return self._current is not None and self._current.wake(partitions)

    def health(self) -> Health:
        """Whether facts leave the outbox in time."""
        if self._current is None:
            return Health(ok=False, detail="no connection to the outbox")
        age = self._current.oldest_s
        metrics.OUTBOX_AGE.labels(self.bus.service).set(age)
        detail = f"owns {len(self._current.shares.owned)} partition numbers, oldest fact {age:.1f} s"
        return Health(ok=age < self.bus.settings.stuck_s, detail=detail)
