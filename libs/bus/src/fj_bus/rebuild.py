"""Making projection tables anew from the log: the same handlers, with emitting off and the inbox untouched."""

import heapq
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from fj_bus.consumer import Consumer
from fj_bus.errors import ConsumersRunning, Stranger
from fj_bus.incoming import Incoming, read
from fj_bus.postgres import Connection
from fj_bus.tail import log_reader
from fj_bus.tx import Tx
from fj_bus.work import lock_of

Key: TypeAlias = tuple[str, str]
_POLL_MS: Final = 500
_SLICE: Final = 200
_TAKEN: Final = """
SELECT i.topic, i.key, i.last FROM bus.inbox AS i
JOIN unnest($2::text[], $3::text[]) AS k(topic, key) USING (topic, key) WHERE i.consumer = $1"""
_NOT_HANDLED: Final = """
SELECT topic, key, sequence FROM bus.held WHERE consumer = $1 AND sequence IS NOT NULL
UNION SELECT topic, key, sequence FROM bus.operation WHERE consumer = $1 AND act = 'drop' AND sequence IS NOT NULL"""
_BEGAN: Final = "SELECT topic, partition, at_offset FROM bus.began WHERE consumer = $1"
_log = structlog.get_logger("fj_bus.rebuild")


@dataclass(slots=True)
class Rebuilt:
    """What a rebuild did."""

    handled: int = 0
    left_out: int = 0
    """Facts that the live consumer has not handled either: it will, or they are held or were dropped."""
    parked: int = 0
    """Facts that met a stranger and never found it."""


async def rebuild(consumer: Consumer, tables: Sequence[str]) -> Rebuilt:
    """Empty these tables and hand every fact that the group has handled to the consumer's handlers again.

    Then the tables are what the live consumer made of the same facts, and it goes on where it was. Readers see the
    tables grow meanwhile. Raises ConsumersRunning; what a handler raises ends the rebuild, which may be begun again.
    """
    async with alone(consumer):
        await consumer.bus.pool.execute(f"TRUNCATE {', '.join(tables)}")
        again = _Rebuild(consumer)
        await again.prepare()
        async with log_reader(consumer.bus.settings) as reader:
            async for facts in again.rounds(reader):
                for start in range(0, len(facts), _SLICE):
                    await again.take(facts[start : start + _SLICE])
        await again.finish()
        _log.info("rebuilt", consumer=consumer.group, count=again.result.handled)
        return again.result


@asynccontextmanager
async def alone(consumer: Consumer) -> AsyncIterator[None]:
    """While no consumer of this group runs, and no rebuild. Raises ConsumersRunning."""
    lock = lock_of("rebuild", consumer.group)
    async with consumer.bus.pool.acquire() as connection:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", lock):
            raise ConsumersRunning(f"consumers of {consumer.group} (or another rebuild) run: stop them first")
        try:
            yield
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", lock)


class _Rebuild:
    """The state of one rebuild: what was handled, and who waits for whom."""

    def __init__(self, consumer: Consumer) -> None:
        self.result = Rebuilt()
        self._bus = consumer.bus
        self._group = consumer.group
        self._handlers = consumer.handlers
        self._not_handled: set[tuple[str, str, int]] = set()
        self._began: dict[tuple[str, int], int] = {}
        self._last: dict[Key, int] = defaultdict(int)
        self._waiting: dict[Key, deque[Incoming]] = {}
        """By key: a parked fact and those behind it."""
        self._parked: dict[tuple[str, str], set[Key]] = defaultdict(set)

    async def prepare(self) -> None:
        """Read what the live consumer has not handled, and where it began."""
        self._not_handled = {tuple(row) for row in await self._bus.pool.fetch(_NOT_HANDLED, self._group)}
        self._began = {(t, p): at for t, p, at in await self._bus.pool.fetch(_BEGAN, self._group)}

    async def rounds(self, reader: AIOKafkaConsumer) -> AsyncIterator[list[Incoming]]:
        """All facts up to the present end, each partition in order, and all together about as they were written."""
        names = {
            TopicPartition(self._bus.kafka_name(topic), n): topic
            for topic in self._handlers.topics
            for n in range(self._bus.topics[topic].partitions)
        }
        ends, begins = await reader.end_offsets(list(names)), await reader.beginning_offsets(list(names))
        starts = {tp: max(begins[tp], self._began.get((topic, tp.partition), 0)) for tp, topic in names.items()}
        buffers: dict[TopicPartition, deque[Any]] = {tp: deque() for tp in names if starts[tp] < ends[tp]}
        if not buffers:
            return
        reader.assign(list(buffers))
        for tp in buffers:
            reader.seek(tp, starts[tp])
        open_ = set(buffers)
        while open_ or any(buffers.values()):
            while empty := [tp for tp in open_ if not buffers[tp]]:
                for tp, records in (await reader.getmany(*empty, timeout_ms=_POLL_MS)).items():
                    buffers[tp].extend(record for record in records if record.offset < ends[tp])
                open_ -= {tp for tp in empty if await reader.position(tp) >= ends[tp]}
            # No partition that may have more to come is run ahead of.
            horizon = min((buffers[tp][-1].timestamp for tp in open_), default=None)
            due = heapq.merge(*(_due(buffer, horizon) for buffer in buffers.values()), key=lambda item: item[0])
            yield [self._read(names, record) for _, record in due]

    def _read(self, names: dict[TopicPartition, str], record: Any) -> Incoming:
        return read(self._bus, self._handlers, names[TopicPartition(record.topic, record.partition)], record)

    async def take(self, facts: Sequence[Incoming]) -> None:
        """Hand a slice to the handlers, then everything that it woke."""
        wanted = await self._handled_live(facts)
        wakes: set[tuple[str, str]] = set()
        ready: list[Incoming] = []
        for fact in wanted:
            waiting = self._waiting.get((fact.topic, fact.key))
            if waiting is not None:
                waiting.append(fact)
            else:
                ready.append(fact)
        wakes |= await self._run(ready)
        while wakes:
            keys = {key for wake in wakes for key in self._parked.pop(wake, ())}
            wakes = await self._go_on(keys)

    async def finish(self) -> None:
        """Look once more at whoever still waits, for as long as that helps."""
        while self._waiting:
            before = sum(map(len, self._waiting.values()))
            self._parked.clear()
            await self._go_on(set(self._waiting))
            if sum(map(len, self._waiting.values())) == before:
                break
        self.result.parked = sum(map(len, self._waiting.values()))

    async def _handled_live(self, facts: Sequence[Incoming]) -> list[Incoming]:
        """Those facts that the live consumer has handled, once each."""
        known = [fact for fact in facts if fact.envelope is not None and fact.handler is not None]
        keys = {(fact.topic, fact.key) for fact in known}
        columns = [topic for topic, _ in keys], [key for _, key in keys]
        rows = await self._bus.pool.fetch(_TAKEN, self._group, *columns)
        taken = {(row["topic"], row["key"]): row["last"] for row in rows}
        wanted = []
        for fact in known:
            key, sequence = (fact.topic, fact.key), fact.envelope.sequence if fact.envelope else 0
            if sequence > taken.get(key, 0) or (*key, sequence) in self._not_handled:
                self.result.left_out += 1
            elif sequence > self._last[key]:
                self._last[key] = sequence
                wanted.append(fact)
        return wanted

    async def _go_on(self, keys: set[Key]) -> set[tuple[str, str]]:
        facts = [fact for key in sorted(keys) for fact in self._waiting.pop(key, ())]
        return await self._run(facts) if facts else set()

    async def _run(self, facts: Sequence[Incoming]) -> set[tuple[str, str]]:
        """One transaction; with a savepoint per fact only where a stranger was met. Returns the wakes."""
        try:
            async with self._bus.pool.acquire() as connection, connection.transaction():
                wakes = await self._slice(connection, facts)
            self.result.handled += len(facts)
        except Stranger:
            async with self._bus.pool.acquire() as connection, connection.transaction():
                wakes = await self._carefully(connection, facts)
        return wakes

    async def _slice(self, connection: Connection, facts: Sequence[Incoming]) -> set[tuple[str, str]]:
        work = self._bus.work(connection)
        for fact in facts:
            await self._handle(fact, Tx(work, fact.envelope, emits=False))
        await work.flush()
        return work.wakes

    async def _carefully(self, connection: Connection, facts: Sequence[Incoming]) -> set[tuple[str, str]]:
        wakes: set[tuple[str, str]] = set()
        for fact in facts:
            key = (fact.topic, fact.key)
            if key in self._waiting:
                self._waiting[key].append(fact)
                continue
            try:
                async with connection.transaction():
                    wakes |= await self._slice(connection, [fact])
            except Stranger as stranger:
                self._waiting[key] = deque([fact])
                self._parked[stranger.kind, stranger.id].add(key)
            else:
                self.result.handled += 1
        return wakes

    @staticmethod
    async def _handle(fact: Incoming, tx: Tx) -> None:
        if fact.fault is not None:
            raise fact.fault
        if fact.handler is not None and fact.fact is not None:
            await fact.handler(fact.fact, tx)


def _due(buffer: deque[Any], horizon: int | None) -> Iterator[tuple[int, Any]]:
    """Take from a buffer what was written up to the horizon, under times that never go back."""
    latest = 0
    while buffer and (horizon is None or buffer[0].timestamp <= horizon):
        record = buffer.popleft()
        latest = max(latest, record.timestamp)
        yield latest, record
