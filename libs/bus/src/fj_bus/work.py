"""What one transaction collects, and the few statements that write it at its end."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol, TypeVar
from uuid import UUID, uuid4

from fj_events import Envelope, Fact, Topic, to_body

from fj_bus.errors import BadKey, NotAProducer
from fj_bus.partitions import partition_of
from fj_bus.postgres import Connection
from fj_bus.tracing import current_traceparent

KEY_MAX: Final = 200
LOCK: Final = "SELECT pg_advisory_xact_lock(h) FROM unnest($1::bigint[]) AS h"
"""Takes the locks in the order given: pass them sorted, here and everywhere."""

_WAKE: Final = """
UPDATE bus.held SET due = '-infinity' FROM unnest($1::text[], $2::text[]) AS w(kind, id)
WHERE state = 'parked' AND awaits_kind = w.kind AND awaits_id = w.id"""

# One statement: counters in sorted order, then the rows with their numbers. `back` counts from the last fact of a key.
_EMIT: Final = """
WITH counted AS (
    INSERT INTO bus.counter AS c (topic, key, last)
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])
    ON CONFLICT (topic, key) DO UPDATE SET last = c.last + excluded.last
    RETURNING c.topic, c.key, c.last)
INSERT INTO bus.outbox (topic, partition, key, sequence, event_id, headers, body)
SELECT f.topic, f.partition, f.key, counted.last - f.back, f.event_id, f.headers::json, f.body
FROM unnest($4::text[], $5::integer[], $6::text[], $7::bigint[], $8::uuid[], $9::text[], $10::bytea[])
     WITH ORDINALITY AS f(topic, partition, key, back, event_id, headers, body, nth)
JOIN counted USING (topic, key)
ORDER BY f.nth"""


class Batch(Protocol):
    """Writes that the handlers of one transaction collect, so that one statement can carry them all."""

    async def flush(self, connection: Connection) -> None:
        """Write what was collected: called once, after the last handler and before the commit."""


B = TypeVar("B", bound=Batch)


@dataclass(frozen=True, slots=True)
class Emission:
    """One fact on its way into the outbox. Headers are complete but for `ce_sequence`."""

    topic: str
    partition: int
    key: str
    event_id: UUID
    headers: str
    body: bytes


class Work:
    """Everything that one transaction will have done beside its handlers' own statements.

    Discarding an attempt is forgetting its Work: nothing in it has touched the database before `finish`.
    """

    def __init__(self, connection: Connection, service: str, topics: Mapping[str, Topic]) -> None:
        self.connection = connection
        self.emissions: list[Emission] = []
        self.wakes: set[tuple[str, str]] = set()
        self.afterwards: list[Callable[[], None]] = []
        self._service = service
        self._topics = topics
        self._batches: dict[Callable[[], Batch], Batch] = {}

    def emit(self, fact: Fact, cause: Envelope | None) -> UUID:
        """Collect a fact. Raises NotAProducer, BadKey, TooBig."""
        topic = self._topics.get(fact.topic)
        if topic is None or self._service not in topic.producers:
            raise NotAProducer(f"{self._service} is no producer of {fact.topic}, the topic of {fact.fact_type}")
        key = checked_key(fact.key, fact.fact_type)
        envelope = Envelope(
            id=uuid4(),
            type=fact.fact_type,
            source=f"/filmjacket/{self._service}",
            time=_not_before(cause),
            subject=key,
            site=fact.site,
            sequence=0,  # known when the counter is locked; the relay writes it
            causation_id=cause.id if cause else None,
            traceparent=current_traceparent(),
        )
        headers = envelope.attributes()
        del headers["ce_sequence"]
        partition = partition_of(key, topic.partitions)
        self.emissions.append(Emission(fact.topic, partition, key, envelope.id, json.dumps(headers), to_body(fact)))
        return envelope.id

    def batch(self, make: Callable[[], B]) -> B:
        """The one object of this kind in this transaction."""
        found = self._batches.get(make)
        if found is None:
            found = self._batches[make] = make()
        return found  # type: ignore[return-value]  # the key makes the value's type

    async def finish(self) -> None:
        """Write it all: batches, then wakes, then, locked last, the counters with the outbox."""
        await self.flush()
        if self.wakes:
            await self._wake()
        if self.emissions:
            await self._store()

    async def flush(self) -> None:
        """Write the batches alone, once."""
        batches, self._batches = self._batches, {}
        for batch in batches.values():
            await batch.flush(self.connection)

    async def _wake(self) -> None:
        wakes = sorted(self.wakes)
        await self.connection.execute(LOCK, sorted(lock_of("stranger", *wake) for wake in wakes))
        # A new statement: it sees what was parked by whoever held the lock before.
        await self.connection.execute(_WAKE, [kind for kind, _ in wakes], [id_ for _, id_ in wakes])

    async def _store(self) -> None:
        left: dict[tuple[str, str], int] = defaultdict(int)
        for emission in self.emissions:
            left[emission.topic, emission.key] += 1
        counters = sorted(left.items())
        rows = []
        for emission in self.emissions:
            left[emission.topic, emission.key] -= 1
            rows.append((emission, left[emission.topic, emission.key]))
        await self.connection.execute(
            _EMIT,
            [topic for (topic, _), _ in counters],
            [key for (_, key), _ in counters],
            [count for _, count in counters],
            [e.topic for e, _ in rows],
            [e.partition for e, _ in rows],
            [e.key for e, _ in rows],
            [back for _, back in rows],
            [e.event_id for e, _ in rows],
            [e.headers for e, _ in rows],
            [e.body for e, _ in rows],
        )


def checked_key(key: str, fact_type: str) -> str:
    """The key, if it may stand in headers. Raises BadKey."""
    if not key or len(key) > KEY_MAX or not key.isascii() or not key.isprintable():
        raise BadKey(f"the key of {fact_type} must be 1 to {KEY_MAX} printable ASCII characters, not {len(key)}")
    return key


def lock_of(*names: str) -> int:
    """The number of the advisory lock of a thing with this name, the same in every process."""
    digest = hashlib.blake2b("\0".join(names).encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def lock_of_key(consumer: str, topic: str, key: str) -> int:
    """The lock that taking a fact and replaying one of the same key share."""
    return lock_of("key", consumer, topic, key)


async def lock_keys(connection: Connection, consumer: str, topic: str, keys: Iterable[str]) -> None:
    """Take the locks of these keys until the end of the transaction, in the order that everybody uses."""
    await connection.execute(LOCK, sorted(lock_of_key(consumer, topic, key) for key in keys))


def _not_before(cause: Envelope | None) -> datetime:
    now = datetime.now(UTC)
    return max(now, cause.time) if cause else now
