"""Digests of what was shipped, in PostgreSQL."""

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Final
from uuid import UUID

from fj_bus import Tx
from fj_events import Fact

from ingest_service.domain.pack import Member

if TYPE_CHECKING:
    from asyncpg import Pool, Record

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
_UNKNOWN: Final = """
SELECT EXISTS (
    SELECT FROM unnest($1::uuid[]) AS m(digest)
    WHERE NOT EXISTS (SELECT FROM digests d WHERE d.digest = m.digest))
"""
_REFERS: Final = "SELECT EXISTS (SELECT FROM digests WHERE pack = $1)"
_ADD: Final = """
INSERT INTO digests (digest, pack) SELECT DISTINCT digest, $2::uuid FROM unnest($1::uuid[]) AS m(digest) ORDER BY digest
ON CONFLICT DO NOTHING RETURNING digest
"""


def digest_of(member: Member) -> UUID:
    """The digest of an instance: which one it is, and what its data set holds."""
    named = f"{member.identity.sop_instance_uid}\0{member.place.sha256}"
    return UUID(bytes=hashlib.sha256(named.encode()).digest()[:16])


class PostgresDigests:
    """See `ports.Digests`. `begin` is the bus's unit of work."""

    def __init__(self, pool: "Pool[Record]", begin: Callable[[], AbstractAsyncContextManager[Tx]]) -> None:
        self._pool = pool
        self._begin = begin

    async def all_known(self, members: Sequence[Member]) -> bool:
        """See `ports.Digests.all_known`."""
        unknown: bool = await self._pool.fetchval(_UNKNOWN, [digest_of(member) for member in members])
        return not unknown

    async def refers_to(self, pack: UUID) -> bool:
        """See `ports.Digests.refers_to`."""
        found: bool = await self._pool.fetchval(_REFERS, pack)
        return found

    @asynccontextmanager
    async def unit(self, study_instance_uid: str) -> AsyncIterator["PostgresUnit"]:
        """See `ports.Digests.unit`."""
        async with self._begin() as tx:
            await tx.connection.execute(_LOCK, study_instance_uid)
            yield PostgresUnit(tx)


class PostgresUnit:
    """See `ports.DigestUnit`."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    async def add(self, members: Sequence[Member], pack: UUID) -> list[Member]:
        """See `ports.DigestUnit.add`. Of two members with one digest the first is kept."""
        by_digest: dict[UUID, Member] = {}
        for member in members:
            by_digest.setdefault(digest_of(member), member)
        added = {row["digest"] for row in await self._tx.connection.fetch(_ADD, list(by_digest), pack)}
        return [member for digest, member in by_digest.items() if digest in added]

    def emit(self, fact: Fact) -> None:
        """See `ports.DigestUnit.emit`."""
        self._tx.emit(fact)
