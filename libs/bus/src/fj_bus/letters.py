"""What operators see of held facts, and do with them. Bodies are not shown: they hold what a patient is called."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from fj_events import Envelope, LetterDropped, LetterReplayed
from pydantic import BaseModel

from fj_bus import held
from fj_bus.bus import Bus
from fj_bus.errors import NoSuchDeadLetter
from fj_bus.incoming import headers_of
from fj_bus.postgres import Connection
from fj_bus.work import lock_keys

_LIST: Final = """
SELECT h.id, h.topic, h.partition, h.log_offset AS "offset", h.key, h.sequence, h.event_id, h.type, h.state, h.error,
       h.detail, h.attempts, h.first_seen, h.since, h.awaits_kind, h.awaits_id,
       (SELECT count(*) FROM bus.held AS b WHERE b.consumer = h.consumer AND b.topic = h.topic AND b.key = h.key
        AND h.sequence IS NOT NULL AND b.sequence > h.sequence) AS behind
FROM bus.held AS h WHERE h.consumer = $1 AND h.state = ANY($2::text[]) AND h.id > $3 ORDER BY h.id LIMIT $4"""

_ROW: Final = "SELECT * FROM bus.held WHERE id = $1 AND consumer = $2 AND state <> 'behind'"
_RELEASE: Final = "UPDATE bus.held SET due = '-infinity', attempts = 0 WHERE id = $1"
_OPERATION: Final = """
INSERT INTO bus.operation (actor, act, consumer, topic, key, sequence, event_id, error)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"""

_SITE: Final = "MAIN"
"""Of a record that does not say it: the site that is taken wherever nothing says which."""

STATES: Final = ("dead", "gap")
"""What waits for an operator."""


class Letter(BaseModel):
    """A held fact."""

    id: int
    topic: str
    partition: int
    offset: int
    key: str
    sequence: int | None
    event_id: UUID | None
    type: str | None
    state: str
    error: str | None
    detail: str | None
    attempts: int
    first_seen: datetime
    since: datetime
    awaits_kind: str | None
    awaits_id: str | None
    behind: int
    """How many later facts of its key wait for it."""


class Letters:
    """The held facts of one consumer group."""

    def __init__(self, bus: Bus, consumer: str) -> None:
        self._bus = bus
        self._consumer = consumer

    async def list(self, states: Sequence[str] = STATES, after: int = 0, limit: int = 100) -> list[Letter]:
        """Those in these states, in the order of their coming; `after` is the id of the last one seen."""
        rows = await self._bus.pool.fetch(_LIST, self._consumer, list(states), after, limit)
        return [Letter.model_validate(dict(row)) for row in rows]

    async def count(self, states: Sequence[str] = STATES) -> int:
        """How many there are in these states."""
        query = "SELECT count(*) FROM bus.held WHERE consumer = $1 AND state = ANY($2::text[])"
        number: int = await self._bus.pool.fetchval(query, self._consumer, list(states))
        return number

    async def replay(self, id_: int, actor: str, reason: str | None = None) -> None:
        """Have a fact handled again, here or in whatever process consumes; for a gap: accept it.

        It never goes back to the topic that all others read. The act is a fact. Raises NoSuchDeadLetter.
        """
        async with self._bus.unit(actor) as tx:
            row = await self._row(tx.connection, id_)
            await tx.connection.execute(_RELEASE, id_)
            await self._note(tx.connection, row, "replay", actor)
            tx.emit(LetterReplayed(**self._about(row), reason=reason))
        self._bus.hints.held()

    async def drop(self, id_: int, actor: str, reason: str | None = None) -> None:
        """Give a fact up for good; the next one of its key goes on. The act is a fact. Raises NoSuchDeadLetter."""
        async with self._bus.unit(actor) as tx:
            row = await self._row(tx.connection, id_)
            await held.done(tx.connection, row)
            await self._note(tx.connection, row, "drop", actor)
            tx.emit(LetterDropped(**self._about(row), reason=reason))
        self._bus.hints.held()

    async def _row(self, connection: Connection, id_: int) -> asyncpg.Record:
        """The row, read again under its key's lock: whoever drives it holds that lock too."""
        place = await connection.fetchrow("SELECT topic, key FROM bus.held WHERE id = $1", id_)
        if place is not None:
            await lock_keys(connection, self._consumer, place["topic"], [place["key"]])
        row = await connection.fetchrow(_ROW, id_, self._consumer)
        if row is None:
            raise NoSuchDeadLetter(f"{self._consumer} holds no fact {id_} that could be replayed or dropped")
        return row

    async def _note(self, connection: Connection, row: asyncpg.Record, act: str, actor: str) -> None:
        about = [row[name] for name in ("topic", "key", "sequence", "event_id", "error")]
        await connection.execute(_OPERATION, actor, act, self._consumer, *about)

    def _about(self, row: asyncpg.Record) -> dict[str, Any]:
        """What the facts say of a letter. Of a record that is none of ours only its place: it may hold anything."""
        ours = row["event_id"] is not None
        return {
            "site": Envelope.from_headers(headers_of(row)).site if ours else _SITE,
            "letter_id": f"{self._bus.service}.{row['topic']}.{row['partition']}.{row['log_offset']}",
            "room": self._bus.service,
            "state": row["state"],
            "event_topic": row["topic"],
            "event_key": row["key"] if ours else None,
            "event_id": row["event_id"],
            "event_type": row["type"],
            "sequence": row["sequence"],
            "error": row["error"],
        }
