"""The relay of a service: a part of its process that publishes the outbox."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress

import structlog

from fj_bus import metrics
from fj_bus.bus import Bus
from fj_bus.failures import Pauses
from fj_bus.health import Health
from fj_bus.ownership import Ownership
from fj_bus.postgres import LOST

_log = structlog.get_logger("fj_bus.relay")


class Relay:
    """Moves committed facts from the outbox to the log: in order of key, each once, whatever is killed meanwhile.

    Any number of replicas may run; they share the partition numbers fairly, and a dead one's are taken over.
    """

    name = "relay"

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self._current: Ownership | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until told to stop, then finish what is on its way."""
        self.bus.hints.relay = self._wake
        pauses = Pauses(self.bus.settings.backoff_first_s, self.bus.settings.backoff_max_s)
        try:
            while not stop.is_set():
                try:
                    await self._own(stop)
                except LOST as error:
                    _log.warning("the relay lost its database", error=type(error).__name__)
                    with suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), pauses.next())
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
