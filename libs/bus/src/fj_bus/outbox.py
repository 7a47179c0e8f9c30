"""The relay's side of the outbox: all statements run on the connection whose session owns the partitions."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import asyncpg

from fj_bus.postgres import Connection
from fj_bus.publisher import Record
from fj_bus.tail import Tail

Place: TypeAlias = tuple[str, int]
"""Topic, by the name that services use, and partition."""

_BYTES_MAX: Final = 4 * 1024 * 1024

# The first rows of each free partition, as many as fit; the first one always does.
_FETCH: Final = """
SELECT o.topic, o.partition, o.id, o.key, o.sequence, o.event_id, o.headers, o.body
FROM unnest($1::text[], $2::integer[]) AS p(topic, partition)
CROSS JOIN LATERAL (
    SELECT r.*, sum(length(r.body)) OVER (ORDER BY r.id) - length(r.body) AS before
    FROM (SELECT * FROM bus.outbox AS b
          WHERE b.topic = p.topic AND b.partition = p.partition ORDER BY b.id LIMIT $3) AS r) AS o
WHERE o.before < $4
ORDER BY o.topic, o.partition, o.id"""

_SENT: Final = """
WITH gone AS (
    DELETE FROM bus.outbox AS o USING unnest($1::text[], $2::integer[], $3::bigint[]) AS d(topic, partition, id)
    WHERE o.topic = d.topic AND o.partition = d.partition AND o.id = d.id)
UPDATE bus.reached AS r SET next = greatest(r.next, n.next)
FROM unnest($4::text[], $5::integer[], $6::bigint[]) AS n(topic, partition, next)
WHERE r.topic = n.topic AND r.partition = n.partition"""

_FOUND: Final = """
WITH gone AS (
    DELETE FROM bus.outbox WHERE topic = $1 AND partition = $2 AND event_id = ANY($3::uuid[]) RETURNING 1),
moved AS (UPDATE bus.reached SET next = $4 WHERE topic = $1 AND partition = $2)
SELECT count(*) FROM gone"""

_KNOWN: Final = """
INSERT INTO bus.reached (topic, partition, settled)
SELECT topic, partition, true FROM unnest($1::text[], $2::integer[]) AS p(topic, partition)
ON CONFLICT DO NOTHING"""

# Marks the partitions as in use before the first send, and says what the last owner has left.
_TAKE_OVER: Final = """
UPDATE bus.reached AS r SET settled = false
FROM (SELECT b.topic, b.partition, b.settled FROM bus.reached AS b
      JOIN unnest($1::text[], $2::integer[]) AS p(topic, partition) USING (topic, partition) FOR UPDATE OF b) AS old
WHERE r.topic = old.topic AND r.partition = old.partition
RETURNING r.topic, r.partition, r.next, old.settled, EXISTS (
    SELECT FROM bus.outbox AS o WHERE o.topic = r.topic AND o.partition = r.partition) AS waiting"""

_LEAVE: Final = """
UPDATE bus.reached AS r SET settled = true FROM unnest($1::text[], $2::integer[]) AS p(topic, partition)
WHERE r.topic = p.topic AND r.partition = p.partition"""

_OLDEST: Final = """
SELECT extract(epoch FROM clock_timestamp() - min(f.created))::float8
FROM unnest($1::text[], $2::integer[]) AS p(topic, partition)
CROSS JOIN LATERAL (SELECT created FROM bus.outbox AS o
    WHERE o.topic = p.topic AND o.partition = p.partition ORDER BY o.id LIMIT 1) AS f"""


# A queue is empty when a statement is planned and long when it runs: these plans, and no others, suit both. With any
# other one each delete read the whole table, dead rows too.
_BY_INDEX: Final = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off"


@dataclass(frozen=True, slots=True)
class Left:
    """What the last owner of a partition left behind."""

    next: int | None
    unsure: bool


async def prepare(connection: Connection) -> None:
    """Make the session fit for all of these; it is good for nothing else after that."""
    await connection.execute(_BY_INDEX)


async def fetch(connection: Connection, places: Iterable[Place], most: int) -> dict[Place, list[Record]]:
    """The first rows of these partitions, in order."""
    rows = await connection.fetch(_FETCH, *_columns(places), most, _BYTES_MAX)
    found: dict[Place, list[Record]] = {}
    for row in rows:
        found.setdefault((row["topic"], row["partition"]), []).append(_record(row))
    return found


async def delete_sent(
    connection: Connection, sent: Sequence[tuple[Place, Sequence[Record]]], reached: Mapping[Place, int]
) -> None:
    """Forget what stands on the log, and save the offsets reached in the same breath."""
    gone = [(topic, partition, record.id) for (topic, partition), records in sent for record in records]
    topics, partitions, ids = zip(*gone, strict=True)
    await connection.execute(_SENT, topics, partitions, ids, *_columns(reached), list(reached.values()))


async def delete_found(connection: Connection, place: Place, tail: Tail) -> int:
    """Forget what the tail showed to be on the log. Returns how many rows that were."""
    found: int = await connection.fetchval(_FOUND, *place, list(tail.event_ids), tail.next)
    return found


async def take_over(connection: Connection, places: Sequence[Place]) -> dict[Place, Left]:
    """Begin to own these partitions. Durable before it returns: nothing may be sent earlier.

    A partition is unsure if its last owner did not leave in peace and rows are waiting that it may have sent.
    """
    await connection.execute(_KNOWN, *_columns(places))
    rows = await connection.fetch(_TAKE_OVER, *_columns(places))
    return {
        (row["topic"], row["partition"]): Left(row["next"], unsure=row["waiting"] and not row["settled"])
        for row in rows
    }


async def leave(connection: Connection, places: Sequence[Place]) -> None:
    """Say that nothing of these partitions is on its way."""
    await connection.execute(_LEAVE, *_columns(places))


async def oldest(connection: Connection, places: Iterable[Place]) -> float:
    """Seconds since the oldest waiting fact was stored, 0 when none waits."""
    return await connection.fetchval(_OLDEST, *_columns(places)) or 0.0


def _columns(places: Iterable[Place]) -> tuple[list[str], list[int]]:
    pairs = list(places)
    return [topic for topic, _ in pairs], [partition for _, partition in pairs]


def _record(row: asyncpg.Record) -> Record:
    headers = [(name, value.encode()) for name, value in json.loads(row["headers"]).items()]
    if row["sequence"] is not None:
        headers.append(("ce_sequence", str(row["sequence"]).encode()))
    return Record(row["id"], row["event_id"], row["key"].encode(), headers, row["body"])
