"""Facts that were taken from the log and are not handled yet: parked, behind, gap, dead."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias
from uuid import uuid4

import asyncpg

from fj_bus import metrics
from fj_bus.bus import Bus
from fj_bus.failures import detail_of, name_of
from fj_bus.incoming import Incoming, headers_to_json
from fj_bus.postgres import Connection
from fj_bus.tail import DEAD_LETTER_ID

HeldState: TypeAlias = Literal["parked", "behind", "gap", "dead"]

_COPIED: Final = frozenset({"content-type", "traceparent"})
_HEADER_MAX: Final = 256

_HOLD: Final = """
INSERT INTO bus.held (consumer, topic, partition, log_offset, key, sequence, event_id, type, headers, body, state,
                      awaits_kind, awaits_id, error, detail, attempts, due)
SELECT $1, h.topic, h.partition, h.log_offset, h.key, h.sequence, h.event_id, h.type, h.headers::jsonb, h.body, h.state,
       h.awaits_kind, h.awaits_id, h.error, h.detail, h.attempts,
       coalesce(clock_timestamp() + make_interval(secs => h.due_s), 'infinity')
FROM unnest($2::text[], $3::int[], $4::bigint[], $5::text[], $6::bigint[], $7::uuid[], $8::text[], $9::text[],
            $10::bytea[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::int[], $17::float8[])
     AS h(topic, partition, log_offset, key, sequence, event_id, type, headers, body, state, awaits_kind, awaits_id,
          error, detail, attempts, due_s)
ON CONFLICT (consumer, topic, partition, log_offset) DO NOTHING"""

_PUBLISH: Final = """
INSERT INTO bus.outbox (topic, partition, key, event_id, headers, body) VALUES ($1, 0, $2, $3, $4::json, $5)"""

_HEAD: Final = """
SELECT *, due <= clock_timestamp() AS is_due FROM bus.held
WHERE consumer = $1 AND topic = $2 AND key = $3 AND sequence IS NOT NULL ORDER BY sequence, id LIMIT 1"""

_DONE: Final = "DELETE FROM bus.held WHERE id = $1"

# Its number was taken when it came; but for one behind a gap that an operator closes.
_TAKEN: Final = """
INSERT INTO bus.inbox AS i (consumer, topic, key, last, skipped) VALUES ($1, $2, $3, $4, false)
ON CONFLICT (consumer, topic, key) DO UPDATE SET last = greatest(i.last, excluded.last) RETURNING last"""

# Whoever handles or drops the first held fact of a key makes the next one due, unless a gap lies between.
_NEXT: Final = """
UPDATE bus.held SET due = '-infinity' WHERE id = (
    SELECT h.id FROM bus.held AS h
    WHERE h.consumer = $1 AND h.topic = $2 AND h.key = $3 AND h.sequence IS NOT NULL
    ORDER BY h.sequence, h.id LIMIT 1)
AND (state = 'behind' OR (state = 'gap' AND sequence = $4 + 1))"""


@dataclass(frozen=True, slots=True)
class Hold:
    """One fact to be held, and why."""

    fact: Incoming
    state: HeldState
    due_s: float | None = None
    """Seconds until it is looked at; None: not before something makes it due."""
    awaits: tuple[str | None, str | None] = (None, None)
    error: BaseException | None = None
    attempts: int = 0


async def hold(connection: Connection, consumer: str, holds: Sequence[Hold]) -> None:
    """Keep these facts. One that is held already stays as it is."""
    if not holds:
        return
    rows = [_row(each) for each in holds]
    await connection.execute(_HOLD, consumer, *(list(column) for column in zip(*rows, strict=True)))


def _row(each: Hold) -> tuple[Any, ...]:
    fact, envelope, error = each.fact, each.fact.envelope, each.error
    return (
        fact.topic,
        fact.partition,
        fact.offset,
        fact.key,
        envelope.sequence if envelope else None,
        envelope.id if envelope else None,
        envelope.type if envelope else None,
        headers_to_json(fact.headers),
        fact.body,
        each.state,
        *each.awaits,
        name_of(error) if error else None,
        detail_of(error) if error else None,
        each.attempts,
        each.due_s,
    )


@dataclass(frozen=True, slots=True)
class Death:
    """Why a fact is given up."""

    error: BaseException
    attempts: int
    first_seen: datetime


async def publish_dead(connection: Connection, bus: Bus, consumer: str, fact: Incoming, death: Death) -> None:
    """Put a copy of a dead letter on the service's dead-letter topic, through the outbox."""
    record_id = uuid4()
    headers = {name: text for name, value in fact.headers if (text := _copied(name, value)) is not None}
    headers |= {
        DEAD_LETTER_ID: str(record_id),
        "dlq_topic": fact.topic,
        "dlq_partition": str(fact.partition),
        "dlq_offset": str(fact.offset),
        "dlq_consumer": consumer,
        "dlq_error": name_of(death.error),
        "dlq_attempts": str(death.attempts),
        "dlq_first_seen": death.first_seen.isoformat(),
    }
    key = fact.key if fact.envelope is not None else f"{fact.topic}-{fact.partition}-{fact.offset}"
    await connection.execute(_PUBLISH, bus.dead_letter_topic, key, record_id, json.dumps(headers), fact.body)
    metrics.DEAD.labels(consumer, fact.topic, name_of(death.error)).inc()


def _copied(name: str, value: bytes) -> str | None:
    """A header of ours, if its value is what ours are: a foreign one may hold anything."""
    known = name.startswith("ce_") or name in _COPIED
    if not known or len(value) > _HEADER_MAX or not value.isascii():
        return None
    return value.decode()


async def head(connection: Connection, consumer: str, topic: str, key: str) -> asyncpg.Record | None:
    """The first held fact of a key. Its lock is held."""
    return await connection.fetchrow(_HEAD, consumer, topic, key)


async def done(connection: Connection, row: asyncpg.Record) -> None:
    """Forget a held fact whose key's lock is held, and make the next one of its key due."""
    await connection.execute(_DONE, row["id"])
    if row["sequence"] is not None:
        key = (row["consumer"], row["topic"], row["key"])
        last = await connection.fetchval(_TAKEN, *key, row["sequence"])
        await connection.execute(_NEXT, *key, last)
