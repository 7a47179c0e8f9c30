"""Holds, retirements and removals in PostgreSQL, inside a transaction."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from fj_events import Fact, RecallCause, StudyRemovalDelayed

from storage_service.adapters import doomed, erasing, exceptions, hiding
from storage_service.adapters.moves import put_removed
from storage_service.adapters.rejections import hide, show
from storage_service.adapters.sql import UNDATED, Database, lock_studies
from storage_service.adapters.thinnings import PostgresThinnings
from storage_service.domain.exceptional import ExceptionKind, of_delay
from storage_service.domain.rejection import Code, Named, Rejection, Shown
from storage_service.domain.retention import Retained
from storage_service.domain.retirement import Hold, Packed, Retirement, Tombstone
from storage_service.domain.thinning import Sentence

RETAINED: Final = """
SELECT r.study_instance_uid, r.site, coalesce(s.study_description, '') AS description, s.study_date,
       r.last_instance_at AS received_at, a.accessed_at, s.patient_birth_date AS birth_date,
       ARRAY(SELECT DISTINCT e.modality FROM series e
              WHERE e.study_instance_uid = r.study_instance_uid AND e.modality IS NOT NULL) AS modalities
  FROM study_route r JOIN study s USING (study_instance_uid, study_date)
  LEFT JOIN study_access a USING (study_instance_uid)
 WHERE r.available_at IS NOT NULL
"""
_LOCK: Final = (
    "SELECT FROM study_route WHERE study_instance_uid = ANY($1::text[]) ORDER BY study_instance_uid FOR UPDATE"
)
_REJECTED: Final = """
SELECT array_agg(DISTINCT code) AS codes, max(rejected_at) AS since FROM rejected x
 WHERE x.study_instance_uid = $1 AND NOT EXISTS (
       SELECT FROM retirement t WHERE t.study_instance_uid = $1 AND t.retirement_id::text = x.rejection_id)
"""
_COUNT: Final = """
SELECT s.number_of_instances FROM study s JOIN study_route r USING (study_instance_uid, study_date)
 WHERE s.study_instance_uid = $1
"""
# Whoever it is known to be: the images' patient and the order's, under all numbers that stand for them.
_HOLDS: Final = """
WITH whose AS (
    SELECT names_of(ARRAY(SELECT persons_of(r.patient_id, r.received_at)
                           UNION SELECT persons_of(r.order_patient_id, now()))) AS patient_id
      FROM study_route r WHERE r.study_instance_uid = $1
)
SELECT h.* FROM legal_hold h
 WHERE h.lifted_at IS NULL AND (h.study_instance_uid = $1 OR h.patient_id IN (SELECT patient_id FROM whose))
 ORDER BY h.held_at
"""
_HELD_BY: Final = """
SELECT study_instance_uid FROM study_route WHERE received_at IS NOT NULL AND (study_instance_uid = $1
    OR patient_id = ANY(ARRAY(SELECT names_of(ARRAY(SELECT persons_of($2, now())))))
    OR order_patient_id = ANY(ARRAY(SELECT names_of(ARRAY(SELECT persons_of($2, now()))))))
"""
_PUT_HOLD: Final = """
INSERT INTO legal_hold (hold_id, study_instance_uid, patient_id, reason, actor, held_at, lifted_at, lifted_by,
                        lifted_because)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (hold_id) DO UPDATE
   SET lifted_at = excluded.lifted_at, lifted_by = excluded.lifted_by, lifted_because = excluded.lifted_because
"""
RETIREMENTS: Final = """
SELECT retirement_id, study_instance_uid, site, rule, reason, actor, retired_at, removal_at, partial,
       forgotten_at
  FROM retirement
 WHERE recalled_at IS NULL AND removed_at IS NULL
"""
_RETIRE: Final = """
INSERT INTO retirement (retirement_id, study_instance_uid, site, rule, reason, actor, retired_at, removal_at, partial)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_MARK: Final = "UPDATE study_route SET retired_at = $2 WHERE study_instance_uid = $1"
_UNHIDE: Final = "DELETE FROM rejected WHERE study_instance_uid = $1 AND rejection_id = $2"
_FORGOTTEN: Final = "UPDATE retirement SET forgotten_at = $2 WHERE retirement_id = $1"
_TOLD: Final = "UPDATE retirement SET delay_told_at = $2 WHERE retirement_id = $1"
_RECALL: Final = "UPDATE retirement SET recalled_at = $2, recall_cause = $3 WHERE retirement_id = $1"
_REMOVE: Final = "UPDATE retirement SET removed_at = $2 WHERE retirement_id = $1"
_TOMBSTONE: Final = "INSERT INTO tombstone VALUES ($1, $2, $3, $4, $5, $6, $7)"


class PostgresKeepings:
    """See `storage_service.ports.keeping.Keepings`. `bucket`: where metadata objects lie."""

    def __init__(self, db: Database, emit: Callable[[Fact], UUID], bucket: str) -> None:
        self._db = db
        self._emit = emit
        self._bucket = bucket

    async def lock(self, study_instance_uids: Iterable[str]) -> None:
        await lock_known(self._db, study_instance_uids)

    async def retained(self, study_instance_uid: str) -> Retained | None:
        row = await self._db.fetchrow(f"{RETAINED} AND r.study_instance_uid = $1", study_instance_uid)
        return retained(dict(row)) if row else None

    async def rejected(self, study_instance_uid: str) -> tuple[frozenset[str], datetime] | None:
        row = await self._db.fetchrow(_REJECTED, study_instance_uid)
        if row is None or not row["codes"] or await self._would_show(study_instance_uid):
            return None
        return frozenset(row["codes"]), row["since"]

    async def removable(self, study_instance_uid: str, sentence: Sentence) -> bool:
        return bool(await PostgresThinnings(self._db).plan(study_instance_uid, sentence))

    async def holds(self, study_instance_uid: str) -> list[Hold]:
        return [Hold(**row) for row in await self._db.fetch(_HOLDS, study_instance_uid)]

    async def patient(self, study_instance_uid: str) -> UUID | None:
        whose = "SELECT coalesce(order_patient_id, patient_id) FROM study_route WHERE study_instance_uid = $1"
        found: UUID | None = await self._db.fetchval(whose, study_instance_uid)
        return found

    async def lock_held_by(self, hold: Hold) -> list[tuple[str, str]]:
        rows = await self._db.fetch(_HELD_BY, hold.study_instance_uid, hold.patient_id)
        routes = await lock_studies(self._db, (row["study_instance_uid"] for row in rows))
        return [(uid, route["site"]) for uid, route in sorted(routes.items()) if route["received_at"]]

    async def put_hold(self, hold: Hold) -> None:
        lifted = (hold.lifted_at, hold.lifted_by, hold.lifted_because)
        asked = (hold.study_instance_uid, hold.patient_id, hold.reason, hold.actor, hold.held_at)
        await self._db.execute(_PUT_HOLD, hold.hold_id, *asked, *lifted)

    async def hold(self, hold_id: UUID) -> Hold | None:
        row = await self._db.fetchrow("SELECT * FROM legal_hold WHERE hold_id = $1 FOR UPDATE", hold_id)
        return Hold(**row) if row else None

    async def retirement(self, study_instance_uid: str) -> Retirement | None:
        return await _retirement(self._db, study_instance_uid)

    async def retire(self, retirement: Retirement) -> Shown:
        uid = retirement.study_instance_uid
        told = (retirement.site, retirement.rule, retirement.reason, retirement.actor)
        times = (retirement.retired_at, retirement.removal_at, retirement.partial)
        await self._db.execute(_RETIRE, retirement.retirement_id, uid, *told, *times)
        await self._db.execute(_MARK, uid, retirement.retired_at)
        if retirement.partial:
            return (await show(self._db, uid, str(retirement.retirement_id)))[0]  # nothing that it hides
        (shown,) = await hide(self._db, _hiding(retirement))
        return shown

    async def recall(self, retirement: Retirement, cause: RecallCause, now: datetime) -> Shown:
        return await _recall(self._db, retirement, cause, now)

    async def forgotten(self, retirement: Retirement, now: datetime) -> None:
        await self._db.execute(_FORGOTTEN, retirement.retirement_id, now)
        await exceptions.resolve(self._db, retirement.study_instance_uid, ExceptionKind.DELAYED_REMOVAL)

    async def report(self, delayed: StudyRemovalDelayed, now: datetime) -> None:
        await self._db.execute(_TOLD, delayed.retirement_id, now)
        await exceptions.put(self._db, delayed, of_delay(delayed), self._emit(delayed))

    async def content(self, study_instance_uid: str) -> Packed:
        return await erasing.content(self._db, study_instance_uid)

    async def remove(self, tombstone: Tombstone, deletion_at: datetime) -> None:
        packs, metadata = await erasing.erase(self._db, tombstone.study_instance_uid)
        await put_removed(self._db, packs)
        await doomed.put(self._db, [*packs, *((self._bucket, key) for key in metadata)], deletion_at)
        await self.bury(tombstone)

    async def bury(self, tombstone: Tombstone) -> None:
        counts = (tombstone.number_of_series, tombstone.number_of_instances, tombstone.number_of_packs, tombstone.bytes)
        told = (*counts, tombstone.content_sha256, tombstone.number_left)
        await self._db.execute(_REMOVE, tombstone.retirement_id, tombstone.removed_at)
        await self._db.execute(_MARK, tombstone.study_instance_uid, None)
        await self._db.execute(_TOMBSTONE, tombstone.retirement_id, *told)

    def emit(self, fact: Fact) -> None:
        self._emit(fact)

    async def _would_show(self, uid: str) -> bool:
        """Whether anything would be shown if the study were not retired."""
        hidden = await self.retirement(uid)
        if hidden is not None and not hidden.partial:
            await self._db.execute(_UNHIDE, uid, str(hidden.retirement_id))
            await hiding.count_shown(self._db, [uid])
        count: int = await self._db.fetchval(_COUNT, uid)
        if hidden is not None and not hidden.partial:
            await hide(self._db, _hiding(hidden))
        return count > 0


async def lock_known(db: Database, study_instance_uids: Iterable[str]) -> None:
    """Lock these studies until the end. Unlike `lock_studies`: of one that has gone nothing is left behind."""
    await db.execute(_LOCK, sorted(set(study_instance_uids)))


async def recall_returned(db: Database, study_instance_uid: str, now: datetime) -> tuple[Retirement, Shown] | None:
    """Recall a study of which images came; None where it is not retired."""
    retirement = await _retirement(db, study_instance_uid)
    return (retirement, await _recall(db, retirement, RecallCause.IMAGES, now)) if retirement else None


async def _retirement(db: Database, study_instance_uid: str) -> Retirement | None:
    row = await db.fetchrow(f"{RETIREMENTS} AND study_instance_uid = $1", study_instance_uid)
    return Retirement(**row) if row else None


async def _recall(db: Database, retirement: Retirement, cause: RecallCause, now: datetime) -> Shown:
    await db.execute(_RECALL, retirement.retirement_id, now, cause)
    await exceptions.resolve(db, retirement.study_instance_uid, ExceptionKind.DELAYED_REMOVAL)
    await db.execute(_MARK, retirement.study_instance_uid, None)
    shown, _ = await show(db, retirement.study_instance_uid, str(retirement.retirement_id))
    return shown


def _hiding(retirement: Retirement) -> Rejection:
    """What hides a retired study."""
    return Rejection(
        str(retirement.retirement_id),
        Code.RETENTION,
        (Named(retirement.study_instance_uid),),
        retirement.site,
        retirement.reason,
        retirement.actor,
    )


def retained(row: Mapping[str, Any]) -> Retained:
    """A row of `RETAINED`."""
    undated = row["study_date"] == UNDATED
    return Retained(
        **{**row, "modalities": tuple(row["modalities"]), "study_date": None if undated else row["study_date"]}
    )
