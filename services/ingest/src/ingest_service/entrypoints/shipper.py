"""The loop that empties the journal."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog
from fj_runtime import Health

from ingest_service.entrypoints.metrics import FAILED, SHIPPED
from ingest_service.handlers import Shipped
from ingest_service.ports import Segment

if TYPE_CHECKING:
    from uuid import UUID

LOOK_S: Final = 0.05
"""How often segments are looked for that other processes have sealed, or left behind."""
BACKOFF_FIRST_S: Final = 0.5
BACKOFF_MAX_S: Final = 30.0

log = structlog.get_logger(__name__)


class Shipper:
    """Takes one segment after the other, the oldest first, and ships it. A failing one waits, the others go on."""

    name = "shipper"

    def __init__(self, take: Callable[[], Iterator[Segment]], ship: Callable[[Segment], Awaitable[Shipped]]) -> None:
        self._take = take
        self._ship = ship
        self._wake: Callable[[], None] = lambda: None
        self._failures: dict[UUID, tuple[int, float]] = {}
        """How often in a row, and when to try again."""

    def wake(self) -> None:
        """There is a new segment. For any thread."""
        self._wake()

    def health(self) -> Health:
        """Always well: what cannot be shipped waits in the journal, and receiving goes on."""
        waiting = len(self._failures)
        return Health(ok=True, detail=f"{waiting} segments failed and wait" if waiting else "")

    async def run(self, stop: asyncio.Event) -> None:
        """Ship until `stop` is set."""
        loop = asyncio.get_running_loop()
        awake = asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(awake.set)

        self._wake = wake
        stopping = asyncio.create_task(_set_after(stop, awake))
        try:
            while not stop.is_set():
                awake.clear()
                await self.round(stop)
                with suppress(TimeoutError):
                    await asyncio.wait_for(awake.wait(), LOOK_S)
        finally:
            self._wake = lambda: None
            stopping.cancel()

    async def round(self, stop: asyncio.Event) -> int:
        """Try every segment that is there and due once. Returns how many left the journal."""
        shipped = 0
        segments = self._take()
        while not stop.is_set() and (segment := await asyncio.to_thread(next, segments, None)) is not None:
            try:
                shipped += await self._try(segment)
            finally:
                segment.release()
        return shipped

    async def _try(self, segment: Segment) -> bool:
        tries, due = self._failures.get(segment.id, (0, 0.0))
        if time.monotonic() < due:
            return False
        try:
            outcome = await self._ship(segment)
        except Exception as error:
            pause = min(BACKOFF_FIRST_S * 2**tries, BACKOFF_MAX_S) * random.uniform(0.5, 1)  # noqa: S311 - spreads load
            self._failures[segment.id] = (tries + 1, time.monotonic() + pause)
            FAILED.labels(type(error).__name__).inc()
            log.warning("segment not shipped", segment=str(segment.id), tries=tries + 1, exc_info=error)
            return False
        self._failures.pop(segment.id, None)
        SHIPPED.labels(outcome).inc()
        log.info("segment shipped", segment=str(segment.id), outcome=outcome)
        return True


async def _set_after(stop: asyncio.Event, awake: asyncio.Event) -> None:
    await stop.wait()
    awake.set()
