"""What came before its order, in PostgreSQL."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from asyncpg import Pool, Record
from fj_bus import Tx
from fj_events import Identifier
from pydantic import TypeAdapter

from order_service.domain.early import EARLY_MAX, EarlyEntry
from order_service.domain.wish import Wish

# Sorted: two transactions that lock the same numbers wait, and never for each other.
_LOCK: Final = """
SELECT pg_advisory_xact_lock(hashtextextended('early order', key))
  FROM (SELECT DISTINCT hashtextextended(value, hashtextextended(issuer, 0)) AS key
          FROM unnest($1::text[], $2::text[]) AS n (value, issuer) ORDER BY key) AS keys
"""
_KEEP: Final = """
INSERT INTO early (placer_value, placer_issuer, wish)
SELECT $1, $2, $3
 WHERE (SELECT count(*) FROM early WHERE placer_value = $1 AND placer_issuer = $2 AND refused IS NULL) < $4
RETURNING wish_id
"""
_WAITING: Final = """
SELECT wish_id, wish FROM early
  JOIN unnest($1::text[], $2::text[]) AS n (value, issuer) ON placer_value = value AND placer_issuer = issuer
 WHERE refused IS NULL
 ORDER BY wish_id
"""
_NEWEST: Final = """
SELECT placer_value, placer_issuer, wish ->> 'control' AS control, wish -> 'request' ->> 'site' AS site,
       received_at, refused
  FROM early ORDER BY received_at DESC, wish_id DESC LIMIT $1
"""
_EXPIRE: Final = "UPDATE early SET refused = 'its order did not come' WHERE refused IS NULL AND received_at < $1"
_FORGET: Final = "DELETE FROM early WHERE refused IS NOT NULL AND received_at < $1"
_WISHES: Final = TypeAdapter(Wish)


class PostgresEarly:
    """The part of `order_service.ports.Orders` that is about what came before its order."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    async def lock_numbers(self, numbers: Sequence[Identifier | None]) -> None:
        if columns := _columns(numbers):
            await self._tx.connection.execute(_LOCK, *columns)

    async def keep_early(self, wish: Wish) -> bool:
        number, text = wish.number, _WISHES.dump_json(wish, exclude_none=True).decode()
        row = await self._tx.connection.fetchrow(_KEEP, number.value, number.issuer, text, EARLY_MAX)
        return row is not None

    async def early(self, numbers: Sequence[Identifier | None]) -> list[tuple[int, Wish]]:
        columns = _columns(numbers)
        rows = await self._tx.connection.fetch(_WAITING, *columns) if columns else []
        waiting = [(row["wish_id"], _WISHES.validate_json(row["wish"], extra="ignore")) for row in rows]
        return sorted(waiting, key=lambda pair: _time(pair[1]))

    async def forget_early(self, wish_id: int) -> None:
        await self._tx.connection.execute("DELETE FROM early WHERE wish_id = $1", wish_id)

    async def refuse_early(self, wish_id: int, reason: str) -> None:
        await self._tx.connection.execute("UPDATE early SET refused = $2 WHERE wish_id = $1", wish_id, reason)


class EarlySweep:
    """Ends the waiting of what waited `wait`, and forgets after `keep` what was refused."""

    def __init__(self, pool: Pool, wait: timedelta, keep: timedelta) -> None:
        self._pool = pool
        self._wait = wait
        self._keep = keep

    async def run(self) -> None:
        now = datetime.now(UTC)
        await self._pool.execute(_EXPIRE, now - self._wait)
        await self._pool.execute(_FORGET, now - self._keep)


async def newest(pool: Pool, limit: int) -> list[EarlyEntry]:
    """What came last."""
    return [_entry(row) for row in await pool.fetch(_NEWEST, limit)]


def _entry(row: Record) -> EarlyEntry:
    return EarlyEntry(
        control=row["control"],
        placer_order_number=Identifier(value=row["placer_value"], issuer=row["placer_issuer"]),
        site=row["site"],
        received_at=row["received_at"],
        refused=row["refused"],
    )


def _time(wish: Wish) -> datetime:
    return wish.heard.transaction_at or wish.heard.said_at or datetime.max.replace(tzinfo=UTC)


def _columns(numbers: Sequence[Identifier | None]) -> tuple[list[str], list[str]] | None:
    known = [number for number in numbers if number is not None]
    return ([number.value for number in known], [number.issuer for number in known]) if known else None
