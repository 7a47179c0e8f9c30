"""Wake-up calls after a commit: hints only, a poll is the net behind each of them."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

import structlog

from fj_bus.postgres import LOST, Pool

WakeRelay: TypeAlias = Callable[[Iterable[int]], bool]
WakeDriver: TypeAlias = Callable[[], None]

OUTBOX: Final = "bus_outbox"
HELD: Final = "bus_held"
_log = structlog.get_logger("fj_bus.hints")


class Hints:
    """Calls whoever waits: directly inside this process, by NOTIFY elsewhere.

    NOTIFY takes a lock that all committing notifiers queue for, so it is never sent inside a unit's transaction but
    after it, on another connection, and at most every few milliseconds.
    """

    def __init__(self, pool: Pool, least_s: float) -> None:
        self.relay: WakeRelay | None = None
        """Wakes the relay of this process; True if it owns all these partition numbers."""
        self.driver: WakeDriver | None = None
        """Wakes the driver of held facts of this process."""
        self._pool = pool
        self._least_s = least_s
        self._wanted: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self._last = 0.0

    def committed(self, partitions: set[int], *, woke: bool) -> None:
        """Call after a commit that emitted to these partition numbers, or that woke parked facts."""
        if partitions and not (self.relay is not None and self.relay(partitions)):
            self._notify(OUTBOX)
        if woke:
            self.held()

    def held(self) -> None:
        """Held facts have become due."""
        if self.driver is not None:
            self.driver()
        else:
            self._notify(HELD)

    def _notify(self, channel: str) -> None:
        self._wanted.add(channel)
        if self._task is None:
            self._task = asyncio.create_task(self._send(), name="bus-hints")

    async def _send(self) -> None:
        try:
            while self._wanted:
                await asyncio.sleep(self._last + self._least_s - time.monotonic())
                self._last = time.monotonic()
                statements = "; ".join(f"NOTIFY {channel}" for channel in sorted(self._wanted))
                self._wanted.clear()
                await self._pool.execute(statements)
        except LOST as error:
            self._wanted.clear()  # the polls find what these hints were about
            _log.info("a hint could not be sent", error=type(error).__name__)
        finally:
            self._task = None
