"""Storage commitment requests in PostgreSQL: a ledger that survives restarts."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Final

from fj_bus import Tx
from fj_events import CommitmentRequested, Fact, WorkSettledAs

from storage_service.adapters.directory import Directory
from storage_service.adapters.sql import Database, Pool
from storage_service.domain import given_up
from storage_service.domain.commitment import Commitment, Overview, Part, Reason, Reference, State
from storage_service.domain.retrieval import Stored

_PUT: Final = """
INSERT INTO commitment (transaction_uid, calling_ae_title, site, requested_at, parts) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING
"""
_PUT_PART: Final = """
INSERT INTO commitment_part (transaction_uid, part, sop_class_uids, sop_instance_uids) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING
"""
_WHOLE: Final = """
UPDATE commitment c SET state = 'WAITING', due_at = now()
 WHERE transaction_uid = $1 AND state = 'ARRIVING'
   AND parts = (SELECT count(*) FROM commitment_part p WHERE p.transaction_uid = c.transaction_uid)
"""
# Whoever claims it has the time of the lease; if that process dies, another one goes on then.
_CLAIM: Final = """
UPDATE commitment SET due_at = $1 + interval '10 minutes'
 WHERE transaction_uid = (SELECT transaction_uid FROM commitment WHERE due_at <= $1
                           ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING *
"""
_PARTS: Final = """
SELECT sop_class_uids, sop_instance_uids, reasons FROM commitment_part WHERE transaction_uid = $1 ORDER BY part
"""
_OVERVIEW: Final = """
SELECT transaction_uid, calling_ae_title, site, requested_at, state, attempts, due_at, answered_at, closed_at,
       last_error, coalesce(sum(cardinality(sop_instance_uids)), 0)::int AS "references",
       coalesce(sum(cardinality(array_remove(reasons, 0))), 0)::int AS failed
  FROM commitment LEFT JOIN commitment_part USING (transaction_uid)"""
_NEWEST: Final = f"{_OVERVIEW} GROUP BY transaction_uid ORDER BY requested_at DESC LIMIT $1"
_READ: Final = f"{_OVERVIEW} WHERE transaction_uid = $1 GROUP BY transaction_uid"
_REPEAT: Final = """
UPDATE commitment SET state = 'ANSWERED', due_at = now(), closed_at = NULL
 WHERE transaction_uid = $1 AND state = 'ABANDONED' RETURNING calling_ae_title, site
"""
_CANCEL: Final = """
UPDATE commitment SET state = 'CANCELLED', due_at = NULL, closed_at = now()
 WHERE transaction_uid = $1 AND state IN ('ANSWERED', 'ABANDONED') RETURNING calling_ae_title, site
"""


class PostgresCommitments:
    """See `storage_service.ports.commitment.Commitments`."""

    def __init__(self, pool: Pool, unit: Callable[..., AbstractAsyncContextManager[Tx]]) -> None:
        self._pool = pool
        self._unit = unit

    async def claim(self, now: datetime) -> Commitment | None:
        row = await self._pool.fetchrow(_CLAIM, now)
        if row is None:
            return None
        parts = [
            Part(
                tuple(map(Reference, part["sop_class_uids"], part["sop_instance_uids"])),
                tuple(map(Reason, part["reasons"] or ())),
            )
            for part in await self._pool.fetch(_PARTS, row["transaction_uid"])
        ]
        return Commitment(
            transaction_uid=row["transaction_uid"],
            calling_ae_title=row["calling_ae_title"],
            site=row["site"],
            requested_at=row["requested_at"],
            state=State(row["state"]),
            attempts=row["attempts"],
            parts=tuple(parts),
        )

    async def wait(self, commitment: Commitment, until: datetime, why: str) -> None:
        sql = "UPDATE commitment SET due_at = $2, last_error = $3 WHERE transaction_uid = $1"
        await self._pool.execute(sql, commitment.transaction_uid, until, why)

    async def answer(self, commitment: Commitment, facts: Sequence[Fact]) -> None:
        async with self._unit() as tx:
            sql = (
                "UPDATE commitment SET state = 'ANSWERED', answered_at = now(), last_error = NULL"
                " WHERE transaction_uid = $1 AND state = 'WAITING' RETURNING 1"
            )
            if not await tx.connection.fetchval(sql, commitment.transaction_uid):
                return  # another process was quicker, after our lease
            for number, part in enumerate(commitment.parts, start=1):
                sql = "UPDATE commitment_part SET reasons = $3 WHERE transaction_uid = $1 AND part = $2"
                await tx.connection.execute(sql, commitment.transaction_uid, number, list(part.reasons))
            for fact in facts:
                tx.emit(fact)

    async def retry(self, commitment: Commitment, at: datetime, why: str) -> None:
        sql = (
            "UPDATE commitment SET due_at = $2, last_error = $3, attempts = attempts + 1"
            " WHERE transaction_uid = $1 AND state = 'ANSWERED'"
        )
        await self._pool.execute(sql, commitment.transaction_uid, at, why)

    async def close(self, commitment: Commitment, state: State, why: str | None) -> None:
        sql = (
            "UPDATE commitment SET state = $2, last_error = $3, attempts = attempts + 1, due_at = NULL,"
            " closed_at = now() WHERE transaction_uid = $1 AND state = 'ANSWERED' RETURNING 1"
        )
        async with self._unit() as tx:
            closed = await tx.connection.fetchval(sql, commitment.transaction_uid, state, why)
            if closed and state is State.ABANDONED:
                about = (commitment.transaction_uid, commitment.calling_ae_title, commitment.site)
                tx.emit(given_up.of_commitment(*about).given_up(why or ""))

    async def newest(self, limit: int) -> list[Overview]:
        return [Overview(**{**row, "state": State(row["state"])}) for row in await self._pool.fetch(_NEWEST, limit)]

    async def read(self, transaction_uid: str) -> Overview | None:
        row = await self._pool.fetchrow(_READ, transaction_uid)
        return Overview(**{**row, "state": State(row["state"])}) if row else None

    async def repeat(self, transaction_uid: str, actor: str, reason: str | None) -> bool:
        return await self._settle(_REPEAT, transaction_uid, WorkSettledAs.REPEATED, actor, reason)

    async def cancel(self, transaction_uid: str, actor: str, reason: str | None) -> bool:
        return await self._settle(_CANCEL, transaction_uid, WorkSettledAs.CANCELLED, actor, reason)

    async def _settle(
        self, sql: str, transaction_uid: str, settled_as: WorkSettledAs, actor: str, reason: str | None
    ) -> bool:
        async with self._unit(actor) as tx:
            row = await tx.connection.fetchrow(sql, transaction_uid)
            if row is not None:
                work = given_up.of_commitment(transaction_uid, row["calling_ae_title"], row["site"])
                tx.emit(work.settled(settled_as, actor, reason))
        return row is not None


async def put(db: Database, fact: CommitmentRequested) -> None:
    """Keep one fact of a request, in the transaction of its handling."""
    await db.execute(_PUT, fact.transaction_uid, fact.calling_ae_title, fact.site, fact.requested_at, fact.parts)
    classes = [reference.sop_class_uid for reference in fact.references]
    instances = [reference.sop_instance_uid for reference in fact.references]
    await db.execute(_PUT_PART, fact.transaction_uid, fact.part, classes, instances)
    await db.execute(_WHOLE, fact.transaction_uid)


class PostgresEvidence:
    """See `storage_service.ports.commitment.Evidence`."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def known(self, sop_instance_uids: Sequence[str]) -> dict[Stored, bytes]:
        return {
            manifest.stored(entry): entry.sha256
            for manifest in await self._directory.manifests_with(sop_instance_uids)
            for entry in manifest.named(sop_instance_uids)
        }
