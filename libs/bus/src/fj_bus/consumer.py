"""The consumer of a service: a part of its process."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog
from aiokafka.errors import KafkaError

from fj_bus.bus import Bus
from fj_bus.driver import Driver
from fj_bus.failures import Pauses
from fj_bus.handlers import F, Handler, Handlers
from fj_bus.health import Health
from fj_bus.session import Session
from fj_bus.taker import Taker

_PATIENT_S: Final = 10
_log = structlog.get_logger("fj_bus.consumer")


class Consumer:
    """Takes each fact of its topics once, in the order of its key, in one transaction with its effects.

    `group` is the Kafka consumer group (the service's name); inbox and dead letters are kept under it.
    """

    def __init__(self, bus: Bus, group: str) -> None:
        self.bus = bus
        self.group = group
        self.name = f"consumer {group}"
        self.handlers = Handlers(bus)
        self.taker = Taker(bus, group, self.handlers)
        self.driver = Driver(self.taker)
        self._session: Session | None = None

    def on(self, fact: type[F]) -> Callable[[Handler[F]], Handler[F]]:
        """Decorator: `@consumer.on(OrderPlaced) async def _(fact: OrderPlaced, tx: Tx) -> None`."""
        return self.handlers.on(fact)

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until told to stop, then finish the slices in hand."""
        driving = asyncio.create_task(self.driver.run(stop), name="bus-driver")
        consuming = asyncio.create_task(self._consume(stop), name="bus-consumer")
        try:
            await asyncio.wait({driving, consuming}, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in (driving, consuming):
                task.cancel()
            await asyncio.wait({driving, consuming})
        for task in (driving, consuming):
            if not task.cancelled():
                task.result()

    async def _consume(self, stop: asyncio.Event) -> None:
        pauses = Pauses(self.bus.settings.backoff_first_s, self.bus.settings.backoff_max_s)
        await self._no_rebuild(stop)
        while not stop.is_set():
            self._session = Session(self.taker, self.group)
            try:
                await self._session.run(stop)
            except (KafkaError, OSError) as error:
                _log.warning("the group could not be joined", group=self.group, error=type(error).__name__)
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), pauses.next())

    async def _no_rebuild(self, stop: asyncio.Event) -> None:
        ends = [asyncio.create_task(event.wait()) for event in (self.driver.listening, stop)]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for task in ends:
            task.cancel()

    def health(self) -> Health:
        """Whether facts are flowing: a quiet consumer is well, a stuck one is not."""
        session = self._session
        if session is None or session.client is None:
            return Health(ok=False, detail="not joined to its group")
        trouble = self._trouble(session)
        gaps = f", {self.driver.gaps} facts wait for a number that has not come" if self.driver.gaps else ""
        if trouble is not None:
            return Health(ok=False, detail=trouble + gaps)
        tps = session.client.assignment()
        lag = sum(session.lag(tp) for tp in tps)
        return Health(ok=True, detail=f"{len(tps)} partitions, lag {lag}{gaps}")

    def _trouble(self, session: Session) -> str | None:
        stuck_s, now = self.bus.settings.stuck_s, asyncio.get_running_loop().time()
        if session.lanes.stopped is not None:
            return f"stopped: {session.lanes.stopped}"
        lane = session.lanes.failing(min(_PATIENT_S, stuck_s))
        if lane is not None:
            return f"a transient failure goes on: {lane.failure}"
        client = session.client
        if client is None:
            return "not joined to its group"
        reading = client.assignment() - client.paused()
        polled = [at / 1000 for tp in reading if (at := client.last_poll_timestamp(tp)) is not None]
        if polled and time.time() - max(polled) > stuck_s:
            return f"no answer from Kafka for {time.time() - max(polled):.0f} s"
        still = [tp for tp, at in session.progress.items() if now - at > stuck_s and session.lag(tp) > 0]
        if still:
            return f"{still[0].topic}-{still[0].partition} does not move on, lag {session.lag(still[0])}"
        return None
