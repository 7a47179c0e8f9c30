"""Taking facts: one transaction of inbox, effects and outbox."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from fj_bus import metrics
from fj_bus.bus import Bus
from fj_bus.errors import Stranger
from fj_bus.failures import Ceiling, Kind, kind_of
from fj_bus.handlers import Handlers
from fj_bus.held import Death, Hold, hold, publish_dead
from fj_bus.inbox import Inbox, Verdict
from fj_bus.incoming import Incoming
from fj_bus.postgres import Connection
from fj_bus.tracing import consuming
from fj_bus.tx import Tx
from fj_bus.work import LOCK, Work, lock_of

_LOOKS: Final = 3
_WHY: Final = {Verdict.BEHIND: "behind", Verdict.GAP: "gap"}

_BEGAN: Final = """
INSERT INTO bus.began (consumer, topic, partition, at_offset) VALUES ($1, $2, $3, $4)
ON CONFLICT (consumer, topic, partition) DO UPDATE SET at_offset = bus.began.at_offset RETURNING at_offset"""


class SliceFailed(Exception):
    """A slice was rolled back. `nth` is the fact that failed; None where it failed as a whole."""

    def __init__(self, nth: int | None, cause: BaseException) -> None:
        super().__init__("a slice was rolled back")
        self.nth = nth
        self.cause = cause


class Taker:
    """Takes facts of one partition at a time. Any number of calls may run side by side, for different partitions."""

    def __init__(self, bus: Bus, consumer: str, handlers: Handlers) -> None:
        settings = bus.settings
        self.bus = bus
        self.consumer = consumer
        self.handlers = handlers
        self.ceiling = Ceiling(settings.dead_run, settings.dead_ratio, settings.dead_window)
        self._late: dict[tuple[str, int], bool] = {}

    async def take(self, facts: Sequence[Incoming]) -> None:
        """Take a slice in one transaction. Raises SliceFailed, and then nothing has happened."""
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self.bus.settings.slice_seconds_max):
                await self._take(facts)
        except SliceFailed:
            raise
        except Exception as error:
            raise SliceFailed(None, error) from error
        self.ceiling.good(len(facts))
        metrics.SLICES.labels(self.consumer).observe(time.perf_counter() - began)
        metrics.SLICE_FACTS.labels(self.consumer).observe(len(facts))

    async def _take(self, facts: Sequence[Incoming]) -> None:
        late = await self._began(facts[0])
        async with self.bus.pool.acquire() as connection, connection.transaction():
            inbox = await self._open(connection, facts, late=late)
            work = self.bus.work(connection)
            holds: list[Hold] = []
            verdicts = []
            for nth, fact in enumerate(facts):
                try:
                    verdict = self._judge(inbox, fact)
                    if verdict is Verdict.TAKE:
                        await self.handle(fact, work)
                except Exception as error:
                    raise SliceFailed(nth, error) from error
                if verdict in _WHY:
                    holds.append(self._waiting(fact, verdict))
                verdicts.append(verdict)
            filled = await self._finish(connection, inbox, work, holds)
        self._committed(work, facts, verdicts, filled=filled)

    async def take_one(self, fact: Incoming, attempts: int, *, last_try: bool) -> None:
        """Take one fact in a transaction of its own, and settle its fate where it cannot be handled.

        A stranger parks it, a permanent failure buries it; any other one is raised, unless this is the last try.
        Raises CeilingReached in place of burying too many.
        """
        async with asyncio.timeout(self.bus.settings.slice_seconds_max):
            await self._take_one(fact, attempts, last_try=last_try)

    async def _take_one(self, fact: Incoming, attempts: int, *, last_try: bool) -> None:
        late = await self._began(fact)
        async with self.bus.pool.acquire() as connection, connection.transaction():
            inbox = await self._open(connection, [fact], late=late)
            work, holds, verdict = self.bus.work(connection), [], Verdict.TAKE
            try:
                verdict = self._judge(inbox, fact)
                if verdict is Verdict.TAKE:
                    outcome = await self.attempt(connection, fact)
                    if isinstance(outcome, Work):
                        work = outcome
                    else:
                        holds = [self._parked(fact, outcome)]
            except Exception as error:
                kind = kind_of(error)
                if kind is Kind.TRANSIENT or (kind is Kind.UNKNOWN and not last_try):
                    raise
                holds = [await self._bury(connection, fact, error, attempts)]
            if verdict in _WHY:
                holds = [self._waiting(fact, verdict)]
            filled = await self._finish(connection, inbox, work, holds)
        if not holds or holds[0].state != "dead":
            self.ceiling.good(1)
        self._committed(work, [fact], [verdict], filled=filled, held=holds[0].state if holds else None)

    async def handle(self, fact: Incoming, work: Work) -> None:
        """Call the handler. Raises what it raises, and BadBody where the body could not be read."""
        if fact.fault is not None:
            raise fact.fault
        if fact.handler is None or fact.envelope is None or fact.fact is None:
            return
        envelope = fact.envelope
        with consuming(envelope.type, str(envelope.id), envelope.traceparent):
            await fact.handler(fact.fact, Tx(work, envelope))

    async def attempt(self, connection: Connection, fact: Incoming) -> Work | Stranger:
        """Handle under a savepoint. A stranger is looked for again under its lock, in new statements.

        So either it is here by then, or whoever brings it waits for this lock and finds the fact parked.
        """
        met: Stranger | None = None
        for _ in range(_LOOKS):
            try:
                async with connection.transaction():
                    work = self.bus.work(connection)
                    await self.handle(fact, work)
                    await work.flush()  # what fails in there is this fact's failure too
            except Stranger as stranger:
                if met is not None and (met.kind, met.id) == (stranger.kind, stranger.id):
                    return stranger
                met = stranger
                await connection.execute(LOCK, [lock_of("stranger", stranger.kind, stranger.id)])
            else:
                return work
        raise TimeoutError("a fact met another stranger at each look")

    def _judge(self, inbox: Inbox, fact: Incoming) -> Verdict:
        if fact.envelope is None and fact.fault is not None:
            raise fact.fault
        return inbox.judge(fact)

    @staticmethod
    def _waiting(fact: Incoming, verdict: Verdict) -> Hold:
        return Hold(fact, "gap" if verdict is Verdict.GAP else "behind")

    def _parked(self, fact: Incoming, stranger: Stranger) -> Hold:
        return Hold(fact, "parked", self.bus.settings.park_look_s, (stranger.kind, stranger.id))

    async def _bury(self, connection: Connection, fact: Incoming, error: Exception, attempts: int) -> Hold:
        self.ceiling.dead()
        await publish_dead(connection, self.bus, self.consumer, fact, Death(error, attempts, datetime.now(UTC)))
        return Hold(fact, "dead", error=error, attempts=attempts)

    async def _open(self, connection: Connection, facts: Sequence[Incoming], *, late: bool) -> Inbox:
        keys = [fact.key for fact in facts if fact.envelope is not None]
        return await Inbox.open(connection, self.consumer, facts[0].topic, keys, late=late)

    async def _finish(self, connection: Connection, inbox: Inbox, work: Work, holds: Sequence[Hold]) -> bool:
        await hold(connection, self.consumer, holds)
        filled = await inbox.close(connection)
        await work.finish()
        return filled

    async def _began(self, fact: Incoming) -> bool:
        """Whether this group began to read the partition behind its first record."""
        place = (fact.topic, fact.partition)
        if place not in self._late:
            at: int = await self.bus.pool.fetchval(_BEGAN, self.consumer, *place, fact.offset)
            self._late[place] = at > 0
        return self._late[place]

    def _committed(
        self,
        work: Work,
        facts: Sequence[Incoming],
        verdicts: Sequence[Verdict],
        *,
        filled: bool,
        held: str | None = None,
    ) -> None:
        self.bus.finished(work)
        if filled:
            self.bus.hints.held()
        if held == "dead":
            self.bus.hints.committed({0}, woke=False)
        now, age = time.time(), metrics.LOG_AGE.labels(self.consumer)
        outcomes = Counter(
            (fact.label, held or verdict.name.lower()) for fact, verdict in zip(facts, verdicts, strict=True)
        )
        for (label, outcome), count in outcomes.items():
            metrics.FACTS.labels(self.consumer, facts[0].topic, label, outcome).inc(count)
        for fact, verdict in zip(facts, verdicts, strict=True):
            if verdict is Verdict.TAKE and fact.envelope is not None:
                age.observe(max(now - fact.envelope.time.timestamp(), 0))
