"""What came before its order, in PostgreSQL."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Final

from asyncpg import Pool, Record
from fj_bus import Tx
from fj_events import Identifier, WorkSettledAs
from pydantic import TypeAdapter

from order_service.domain.early import EARLY_MAX, EarlyEntry, given_up, settled
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
# Locked: what is done now cannot be given up at the same time.
_WAITING: Final = """
SELECT wish_id, wish FROM early
  JOIN unnest($1::text[], $2::text[]) AS n (value, issuer) ON placer_value = value AND placer_issuer = issuer
 WHERE refused IS NULL
 ORDER BY wish_id FOR UPDATE OF early
"""
_ENTRY: Final = """wish_id, placer_value, placer_issuer, wish ->> 'control' AS control,
    wish -> 'request' ->> 'site' AS site, received_at, refused"""
_NEWEST: Final = f"SELECT {_ENTRY} FROM early ORDER BY received_at DESC, wish_id DESC LIMIT $1"
_ONE: Final = f"SELECT {_ENTRY} FROM early WHERE wish_id = $1"
_REFUSE: Final = f"UPDATE early SET refused = $2 WHERE wish_id = $1 RETURNING {_ENTRY}"
_WAIT_AGAIN: Final = """
UPDATE early SET refused = NULL, received_at = now() WHERE wish_id = $1 AND refused IS NOT NULL RETURNING wish
"""
_EXPIRE: Final = f"""
UPDATE early SET refused = 'its order did not come'
 WHERE wish_id IN (SELECT wish_id FROM early WHERE refused IS NULL AND received_at < $1 FOR UPDATE SKIP LOCKED)
RETURNING {_ENTRY}
"""
_FORGET: Final = f"""
DELETE FROM early
 WHERE wish_id IN (SELECT wish_id FROM early WHERE refused IS NOT NULL AND received_at < $1 FOR UPDATE SKIP LOCKED)
RETURNING {_ENTRY}
"""
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
        waiting = [(row["wish_id"], _wish(row)) for row in rows]
        return sorted(waiting, key=lambda pair: _time(pair[1]))

    async def forget_early(self, wish_id: int) -> None:
        await self._tx.connection.execute("DELETE FROM early WHERE wish_id = $1", wish_id)

    async def refuse_early(self, wish_id: int, reason: str) -> EarlyEntry:
        [row] = await self._tx.connection.fetch(_REFUSE, wish_id, reason)
        return _entry(row)

    async def early_entry(self, wish_id: int) -> EarlyEntry | None:
        row = await self._tx.connection.fetchrow(f"{_ONE} FOR UPDATE", wish_id)
        return _entry(row) if row else None

    async def wait_again(self, wish_id: int) -> Wish | None:
        row = await self._tx.connection.fetchrow(_WAIT_AGAIN, wish_id)
        return _wish(row) if row else None


class EarlySweep:
    """Ends the waiting of what waited `wait`, and forgets after `keep` what was refused; both is told."""

    def __init__(self, unit: Callable[[], AbstractAsyncContextManager[Tx]], wait: timedelta, keep: timedelta) -> None:
        self._unit = unit
        self._wait = wait
        self._keep = keep

    async def run(self) -> None:
        now = datetime.now(UTC)
        async with self._unit() as tx:
            for row in await tx.connection.fetch(_EXPIRE, now - self._wait):
                tx.emit(given_up(_entry(row)))
        async with self._unit() as tx:
            for row in await tx.connection.fetch(_FORGET, now - self._keep):
                tx.emit(settled(_entry(row), WorkSettledAs.CANCELLED, "forgotten: nobody said anything"))


async def newest(pool: Pool, limit: int) -> list[EarlyEntry]:
    """What came last."""
    return [_entry(row) for row in await pool.fetch(_NEWEST, limit)]


async def one(pool: Pool, wish_id: int) -> EarlyEntry | None:
    """That one."""
    row = await pool.fetchrow(_ONE, wish_id)
    return _entry(row) if row else None


def _wish(row: Record) -> Wish:
    return _WISHES.validate_json(row["wish"], extra="ignore")


def _entry(row: Record) -> EarlyEntry:
    return EarlyEntry(
        wish_id=row["wish_id"],
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
