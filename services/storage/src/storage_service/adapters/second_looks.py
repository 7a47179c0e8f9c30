"""A match and a change of its order's patient at one instant: neither sees the other's rows (decision 17).

Whoever changes a patient or an order has its lock (`sql.lock_known`) and then asks for that of each of its studies.
Whoever matches has the study's, and must not wait for the patient's: they would wait for each other.
"""

from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Final

from fj_bus import Tx
from fj_events import WorkSettledAs

from storage_service.adapters import current
from storage_service.adapters.sql import Database, Pool, lock_known, lock_studies
from storage_service.domain import given_up
from storage_service.domain.second_look import Overview, SecondLook

_TRY: Final = """
SELECT r.study_instance_uid, bool_and(pg_try_advisory_xact_lock(hashtextextended(known.id::text, 0))) AS held
  FROM study_route r JOIN known_order o USING (order_id)
       CROSS JOIN LATERAL (VALUES (o.patient_id), (o.order_id)) AS known (id)
 WHERE r.study_instance_uid = ANY($1::text[]) GROUP BY r.study_instance_uid
"""
# One that was given up has its turn again; that somebody need not look any more is said when it has succeeded.
_MARK: Final = """
INSERT INTO second_look (study_instance_uid) SELECT unnest($1::text[])
ON CONFLICT (study_instance_uid) DO UPDATE SET due_at = clock_timestamp(), attempts = 0
"""
_CLAIM: Final = """
UPDATE second_look SET due_at = $1 + interval '1 minute', attempts = attempts + 1
 WHERE study_instance_uid = (
       SELECT study_instance_uid FROM second_look WHERE due_at <= $1 ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING study_instance_uid, attempts, due_at
"""
_KNOWN: Final = """
SELECT o.patient_id, o.order_id FROM study_route r JOIN known_order o USING (order_id) WHERE r.study_instance_uid = $1
"""
# Whoever is changing something for so long is not waited for any longer: others have their turn.
_PATIENCE: Final = "SET LOCAL lock_timeout = '10s'"
_DONE: Final = """
DELETE FROM second_look WHERE study_instance_uid = $1 AND due_at = $2 RETURNING given_up_at IS NOT NULL AS was_given_up
"""
_FAILED: Final = """
UPDATE second_look SET due_at = $3, last_error = $4, given_up_at = CASE WHEN $3::timestamptz IS NULL THEN now() END
 WHERE study_instance_uid = $1 AND due_at = $2
"""
_READ: Final = """
SELECT study_instance_uid, attempts, due_at, last_error, given_up_at FROM second_look WHERE study_instance_uid = $1
"""
_REPEAT: Final = """
UPDATE second_look SET due_at = now(), attempts = 0, given_up_at = NULL
 WHERE study_instance_uid = $1 AND given_up_at IS NOT NULL RETURNING study_instance_uid
"""
_CANCEL: Final = """
DELETE FROM second_look WHERE study_instance_uid = $1 AND given_up_at IS NOT NULL RETURNING study_instance_uid
"""
_SITE: Final = "SELECT site FROM study_route WHERE study_instance_uid = $1"


async def see_now_or_again(db: Database, study_instance_uids: Collection[str]) -> None:
    """Compare these studies, which the transaction has locked and moved, with what is known of patient and order.

    Where somebody is changing that at this instant, it is done once more when they have committed.
    """
    uids = list(study_instance_uids)
    if busy := [row["study_instance_uid"] for row in await db.fetch(_TRY, uids) if not row["held"]]:
        await db.execute(_MARK, sorted(busy))
    await current.see(db, uids)


class PostgresSecondLooks:
    """See `storage_service.ports.second_looks.SecondLooks` and `SecondLookBook`."""

    def __init__(self, pool: Pool, unit: Callable[..., AbstractAsyncContextManager[Tx]]) -> None:
        self._pool = pool
        self._unit = unit

    async def claim(self, now: datetime) -> SecondLook | None:
        row = await self._pool.fetchrow(_CLAIM, now)
        return SecondLook(row["study_instance_uid"], row["attempts"], row["due_at"]) if row else None

    async def look(self, look: SecondLook) -> None:
        uid = look.study_instance_uid
        async with self._unit() as tx:
            await tx.connection.execute(_PATIENCE)
            known = await tx.connection.fetchrow(_KNOWN, uid)
            await lock_known(tx.connection, known.values() if known else ())
            await lock_studies(tx.connection, [uid])
            done = await tx.connection.fetchrow(_DONE, uid, look.leased_until)
            await current.see(tx.connection, [uid])
            if done is not None and done["was_given_up"]:
                work = await _work(tx, uid)
                tx.emit(work.settled(WorkSettledAs.REPEATED, None, "it was matched once more, and could be compared"))

    async def failed(self, look: SecondLook, error: str, due_at: datetime | None) -> None:
        uid = look.study_instance_uid
        async with self._unit() as tx:
            kept = await tx.connection.execute(_FAILED, uid, look.leased_until, due_at, error)
            if kept == "UPDATE 1" and due_at is None:
                work = await _work(tx, uid)
                tx.emit(work.given_up(f"{error}, {look.attempts} times"))

    async def read(self, study_instance_uid: str) -> Overview | None:
        row = await self._pool.fetchrow(_READ, study_instance_uid)
        return Overview(**dict(row)) if row else None

    async def repeat(self, study_instance_uid: str, actor: str, reason: str | None) -> bool:
        return await self._settle(_REPEAT, study_instance_uid, WorkSettledAs.REPEATED, actor, reason)

    async def cancel(self, study_instance_uid: str, actor: str, reason: str | None) -> bool:
        return await self._settle(_CANCEL, study_instance_uid, WorkSettledAs.CANCELLED, actor, reason)

    async def _settle(self, sql: str, uid: str, settled_as: WorkSettledAs, actor: str, reason: str | None) -> bool:
        async with self._unit(actor) as tx:
            if await tx.connection.fetchval(sql, uid) is None:
                return False
            tx.emit((await _work(tx, uid)).settled(settled_as, actor, reason))
        return True


async def _work(tx: Tx, uid: str) -> given_up.Work:
    return given_up.of_second_look(uid, await tx.connection.fetchval(_SITE, uid) or "MAIN")
