"""Digests of what was shipped, in PostgreSQL."""

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias
from uuid import UUID

from fj_bus import Tx
from fj_events import Fact
from fj_packs.pack import Member

if TYPE_CHECKING:
    from asyncpg import Connection, Pool, Record
    from asyncpg.pool import PoolConnectionProxy

    Database: TypeAlias = Connection[Record] | PoolConnectionProxy[Record] | Pool[Record]

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
_KNOWN: Final = "SELECT digests FROM digests WHERE study_instance_uid = $1"
_REFERS: Final = "SELECT EXISTS (SELECT FROM digests WHERE pack = $1)"
# A pack that is there already was told before its study was retired, by a segment that could not be deleted then.
_ADD: Final = """
INSERT INTO digests (pack, study_instance_uid, digests) VALUES ($1, $2, $3)
ON CONFLICT (pack) DO UPDATE SET study_instance_uid = excluded.study_instance_uid, digests = excluded.digests
"""
_FORGET: Final = "UPDATE digests SET study_instance_uid = NULL, digests = '' WHERE study_instance_uid = $1"
_AGAIN: Final = """
INSERT INTO received_again AS a (study_instance_uid, received_at) VALUES ($1, $2)
ON CONFLICT (study_instance_uid) DO UPDATE SET received_at = greatest(a.received_at, excluded.received_at)
"""
_TAKE_AGAIN: Final = "DELETE FROM received_again WHERE study_instance_uid = $1 RETURNING received_at"
SIZE: Final = 16
"""Of a digest, bytes."""


def digest_of(member: Member) -> bytes:
    """The first 128 bits of a SHA-256 of an instance: which one it is, and what its data set holds."""
    named = f"{member.identity.sop_instance_uid}\0{member.sha256}"
    return hashlib.sha256(named.encode()).digest()[:SIZE]


async def _known(db: "Database", study_instance_uid: str) -> set[bytes]:
    """The digests of all that was shipped of a study."""
    rows = await db.fetch(_KNOWN, study_instance_uid)
    return {row["digests"][start : start + SIZE] for row in rows for start in range(0, len(row["digests"]), SIZE)}


def _are_in(known: set[bytes], members: Sequence[Member]) -> bool:
    return {digest_of(member) for member in members} <= known


class PostgresDigests:
    """See `ports.Digests`. `begin` is the bus's unit of work."""

    def __init__(self, pool: "Pool[Record]", begin: Callable[[], AbstractAsyncContextManager[Tx]]) -> None:
        self._pool = pool
        self._begin = begin

    async def all_known(self, study_instance_uid: str, members: Sequence[Member]) -> bool:
        """See `ports.Digests.all_known`. Only what looks known without the lock is looked at under it."""
        if not _are_in(await _known(self._pool, study_instance_uid), members):
            return False
        async with self.unit(study_instance_uid) as unit:
            return await unit.all_known(members)

    async def refers_to(self, pack: UUID) -> bool:
        """See `ports.Digests.refers_to`."""
        found: bool = await self._pool.fetchval(_REFERS, pack)
        return found

    @asynccontextmanager
    async def unit(self, study_instance_uid: str) -> AsyncIterator["PostgresUnit"]:
        """See `ports.Digests.unit`."""
        async with self._begin() as tx:
            await tx.connection.execute(_LOCK, study_instance_uid)
            yield PostgresUnit(tx, study_instance_uid)


class PostgresUnit:
    """See `ports.DigestUnit`."""

    def __init__(self, tx: Tx, study_instance_uid: str) -> None:
        self._tx = tx
        self._study_instance_uid = study_instance_uid

    async def add(self, members: Sequence[Member], pack: UUID) -> list[Member]:
        """See `ports.DigestUnit.add`. Of two members with one digest the first is kept."""
        known = await _known(self._tx.connection, self._study_instance_uid)
        new: dict[bytes, Member] = {}
        for member in members:
            if (digest := digest_of(member)) not in known:
                new.setdefault(digest, member)
        if new:
            await self._tx.connection.execute(_ADD, pack, self._study_instance_uid, b"".join(new))
        await self._came_again([member for member in members if digest_of(member) in known])
        return list(new.values())

    async def all_known(self, members: Sequence[Member]) -> bool:
        """Whether every one of them was shipped before; then it is kept that they came again."""
        known = _are_in(await _known(self._tx.connection, self._study_instance_uid), members)
        if known:
            await self._came_again(members)
        return known

    async def forget(self) -> datetime | None:
        """See `ports.DigestUnit.forget`."""
        await self._tx.connection.execute(_LOCK, self._study_instance_uid)
        await self._tx.connection.execute(_FORGET, self._study_instance_uid)
        again: datetime | None = await self._tx.connection.fetchval(_TAKE_AGAIN, self._study_instance_uid)
        return again

    async def _came_again(self, members: Sequence[Member]) -> None:
        if members:
            latest = max(member.place.received_at for member in members)
            await self._tx.connection.execute(_AGAIN, self._study_instance_uid, latest)

    def emit(self, fact: Fact) -> None:
        """See `ports.DigestUnit.emit`."""
        self._tx.emit(fact)
