"""Rejections in PostgreSQL: inside a transaction, and looked up; and the notes that are to be read."""

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Final
from uuid import UUID

from fj_bus import Tx
from fj_events import Fact, WorkSettledAs

from storage_service.adapters import hiding, sends
from storage_service.adapters.sql import Database, Pool, columns, lock_studies
from storage_service.adapters.summaries import series_of
from storage_service.domain import given_up
from storage_service.domain.rejection import Named, Note, NoteOverview, Overview, Rejection, Shown

_ADD: Final = """
INSERT INTO rejected (study_instance_uid, series_instance_uid, sop_instance_uid, rejection_id, code, reason, actor)
SELECT n.*, $4, $5, $6, $7 FROM unnest($1::text[], $2::text[], $3::text[]) AS n ON CONFLICT DO NOTHING
RETURNING study_instance_uid
"""
# What hides a retired study goes when that is recalled, by `retiring.recall`.
_WITHDRAW: Final = """
WITH gone AS (DELETE FROM rejected WHERE study_instance_uid = $1 AND ($2::text IS NULL OR rejection_id = $2)
                 AND rejection_id NOT IN (SELECT retirement_id::text FROM retirement
                                           WHERE study_instance_uid = $1 AND recalled_at IS NULL AND removed_at IS NULL)
              RETURNING rejection_id)
SELECT DISTINCT rejection_id FROM gone ORDER BY 1
"""
# Who is describing a series now describes what was shown before: without the lease that is not kept.
_DESCRIBE_ANEW: Final = """
UPDATE series SET metadata_instances = NULL, metadata_leased_until = NULL WHERE study_instance_uid = ANY($1::text[])
"""
_SHOWN: Final = """
SELECT r.study_instance_uid, r.site, coalesce(s.number_of_instances, 0) AS shown
  FROM study_route r LEFT JOIN study s USING (study_instance_uid, study_date)
 WHERE r.study_instance_uid = ANY($1::text[]) ORDER BY 1
"""
_OF_STUDY: Final = """
SELECT rejection_id, code, reason, actor, min(rejected_at) AS rejected_at, bool_or(series_instance_uid = '') AS whole,
       array_agg(series_instance_uid) FILTER (WHERE series_instance_uid <> '' AND sop_instance_uid = '') AS series,
       array_agg(sop_instance_uid) FILTER (WHERE sop_instance_uid <> '') AS instances
  FROM rejected WHERE study_instance_uid = $1 GROUP BY 1, 2, 3, 4 ORDER BY 5
"""
_EXPECT: Final = """
INSERT INTO key_object (study_instance_uid, series_instance_uid, sop_instance_uid, site)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) ON CONFLICT DO NOTHING
"""
# Whoever claims it has the time of the lease; if that process dies, or the object store is away, it is read then.
_CLAIM: Final = """
UPDATE key_object SET due_at = $1 + interval '1 minute'
 WHERE (study_instance_uid, series_instance_uid, sop_instance_uid) = (
       SELECT study_instance_uid, series_instance_uid, sop_instance_uid FROM key_object
        WHERE due_at <= $1 ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING study_instance_uid, series_instance_uid, sop_instance_uid, site
"""
_READ: Final = """
UPDATE key_object SET due_at = NULL, outcome = $4
 WHERE study_instance_uid = $1 AND series_instance_uid = $2 AND sop_instance_uid = $3 AND due_at IS NOT NULL
"""
_LOOK: Final = """
SELECT study_instance_uid, series_instance_uid, sop_instance_uid, site, outcome, due_at FROM key_object
 WHERE study_instance_uid = $1 AND series_instance_uid = $2 AND sop_instance_uid = $3
"""
_SETTLE: Final = """
UPDATE key_object SET due_at = CASE WHEN $4::text IS NULL THEN now() END, outcome = $4
 WHERE study_instance_uid = $1 AND series_instance_uid = $2 AND sop_instance_uid = $3 AND outcome = 'unreadable'
RETURNING site
"""


class PostgresRejections:
    """See `storage_service.ports.rejections.Rejections`."""

    def __init__(self, db: Database, emit: Callable[[Fact], UUID]) -> None:
        self._db = db
        self._emit = emit

    async def add(self, rejection: Rejection) -> list[Shown]:
        return await hide(self._db, rejection)

    async def withdraw(self, study_instance_uid: str, rejection_id: str | None) -> tuple[Shown, tuple[str, ...]]:
        return await show(self._db, study_instance_uid, rejection_id)

    async def read(self, note: Note, outcome: str) -> bool:
        return await self._db.execute(_READ, *_uids(note.place), outcome) == "UPDATE 1"

    def emit(self, fact: Fact) -> None:
        self._emit(fact)


class PostgresNotes:
    """See `storage_service.ports.rejections.Notes` and `RejectionBook`, and what operators need."""

    def __init__(self, pool: Pool, unit: Callable[..., AbstractAsyncContextManager[Tx]]) -> None:
        self._pool = pool
        self._unit = unit

    async def claim(self, now: datetime) -> Note | None:
        row = await self._pool.fetchrow(_CLAIM, now)
        return Note(Named(*list(row.values())[:3]), row["site"]) if row else None

    async def of_study(self, study_instance_uid: str) -> list[Overview]:
        return [
            Overview(
                rejection_id=row["rejection_id"],
                code=row["code"],
                reason=row["reason"],
                actor=row["actor"],
                rejected_at=row["rejected_at"],
                series=tuple(row["series"] or ()),
                instances=tuple(row["instances"] or ()),
                whole_study=row["whole"],
            )
            for row in await self._pool.fetch(_OF_STUDY, study_instance_uid)
        ]

    async def look(self, place: Named) -> NoteOverview | None:
        row = await self._pool.fetchrow(_LOOK, *_uids(place))
        return NoteOverview(**dict(row)) if row else None

    async def repeat(self, place: Named, actor: str, reason: str | None) -> bool:
        return await self._settle(place, None, WorkSettledAs.REPEATED, actor, reason)

    async def cancel(self, place: Named, actor: str, reason: str | None) -> bool:
        return await self._settle(place, "dismissed", WorkSettledAs.CANCELLED, actor, reason)

    async def _settle(
        self, place: Named, outcome: str | None, settled_as: WorkSettledAs, actor: str, reason: str | None
    ) -> bool:
        async with self._unit(actor) as tx:
            site = await tx.connection.fetchval(_SETTLE, *_uids(place), outcome)
            if site is not None:
                tx.emit(given_up.of_note(Note(place, site)).settled(settled_as, actor, reason))
        return site is not None


def _uids(place: Named) -> tuple[str, str, str]:
    return place.study_instance_uid, place.series_instance_uid, place.sop_instance_uid


async def hide(db: Database, rejection: Rejection) -> list[Shown]:
    """See `storage_service.ports.rejections.Rejections.add`."""
    uids = sorted({named.study_instance_uid for named in rejection.named})
    before = await _shown(db, uids)
    said = (rejection.rejection_id, rejection.code, rejection.reason, rejection.actor)
    added = {row["study_instance_uid"] for row in await db.fetch(_ADD, *_places(rejection.named), *said)}
    await _recount(db, added)
    return [shown for shown in await _since(db, before) if shown.study_instance_uid in added]


async def show(db: Database, study_instance_uid: str, rejection_id: str | None) -> tuple[Shown, tuple[str, ...]]:
    """See `storage_service.ports.rejections.Rejections.withdraw`."""
    before = await _shown(db, [study_instance_uid])
    withdrawn = tuple(row["rejection_id"] for row in await db.fetch(_WITHDRAW, study_instance_uid, rejection_id))
    if withdrawn:
        await _recount(db, [study_instance_uid])
        await sends.mark(db, [study_instance_uid])
    (shown,) = await _since(db, before)
    return shown, withdrawn


async def _recount(db: Database, uids: Iterable[str]) -> None:
    changed = list(uids)
    await hiding.count_shown(db, changed)
    await db.execute(_DESCRIBE_ANEW, changed)


async def _shown(db: Database, uids: list[str]) -> list[Shown]:
    await lock_studies(db, uids)
    rows = await db.fetch(_SHOWN, uids)
    return [Shown(row["study_instance_uid"], row["site"], row["shown"], row["shown"]) for row in rows]


async def _since(db: Database, before: list[Shown]) -> list[Shown]:
    now = await _shown(db, [shown.study_instance_uid for shown in before])
    series = await series_of(db, [shown.study_instance_uid for shown in before])
    return [
        Shown(new.study_instance_uid, new.site, old.after, new.after, tuple(series[new.study_instance_uid]))
        for old, new in zip(before, now, strict=True)
    ]


async def expect(db: Database, notes: Iterable[Note]) -> None:
    """These are to be read, once they are committed; those that are known have been."""
    rows = [
        (note.place.study_instance_uid, note.place.series_instance_uid, note.place.sop_instance_uid, note.site)
        for note in sorted(notes, key=lambda note: note.place)
    ]
    await db.execute(_EXPECT, *columns(rows, 4))


def _places(named: Iterable[Named]) -> list[list[object]]:
    rows = [(one.study_instance_uid, one.series_instance_uid, one.sop_instance_uid) for one in sorted(set(named))]
    return columns(rows, 3)
