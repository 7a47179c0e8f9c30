"""Performed steps: what is planned and made of a study, and how much of it is here."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from fj_events import ExamRescheduled, ExamScheduled, ExamStarted

from storage_service.adapters.manifests import OF_STUDIES, fetch
from storage_service.adapters.sql import Database, Row, columns, lock_studies
from storage_service.domain.assembly import Progress, StepState
from storage_service.domain.manifest import uids_of
from storage_service.domain.study import PerformedEnd, Study

_STEPS: Final = """
WITH asked AS (SELECT * FROM unnest($1::text[], $2::uuid[]) AS a (uid, order_id)),
     found AS (
    SELECT a.uid, e.exam_key FROM asked a JOIN exam e ON e.study_instance_uid = a.uid
     UNION SELECT a.uid, e.exam_key FROM asked a JOIN exam e ON e.order_id = a.order_id)
SELECT f.uid, e.exam_key, e.study_instance_uid, e.state, e.ended_at, e.listed,
       e.order_id IS NOT NULL AND NOT EXISTS (SELECT FROM known_order o WHERE o.order_id = e.order_id) AS to_come
  FROM found f JOIN exam e USING (exam_key)
 WHERE e.state <> 'SCHEDULED'
"""
_PLAN: Final = """
INSERT INTO exam (exam_key, order_id, study_instance_uid, modalities, step_ids, stations, starts_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (exam_key) DO UPDATE
   SET modalities = excluded.modalities, step_ids = excluded.step_ids, stations = excluded.stations,
       starts_at = excluded.starts_at
"""
_STEP: Final = """
INSERT INTO exam (exam_key, order_id, study_instance_uid, state, ended_at, listed) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (exam_key) DO UPDATE
   SET order_id = coalesce(exam.order_id, excluded.order_id), study_instance_uid = excluded.study_instance_uid,
       state = excluded.state, ended_at = excluded.ended_at, listed = excluded.listed
"""
_ABOUT: Final = """
UPDATE study_route SET heard_at = greatest(heard_at, $3)
 WHERE received_at IS NOT NULL AND (study_instance_uid = $1 OR order_id = $2)
RETURNING study_instance_uid
"""


async def plan_exam(db: Database, fact: ExamScheduled | ExamRescheduled) -> None:
    """Keep what is planned for an order."""
    # The order and its plan decide together, and come in two topics: each has to see what the other wrote.
    await lock_studies(db, [fact.study_instance_uid])
    modalities = sorted({step.modality for step in fact.steps})
    starts_at = min((step.starts_at for step in fact.steps), default=None)
    stations = {title for step in fact.steps for title in step.group or (step.station_ae_title,)}
    planned = ([step.step_id for step in fact.steps], sorted(stations))
    about = (fact.exam_key, fact.order_id, fact.study_instance_uid)
    await db.execute(_PLAN, *about, modalities, *planned, starts_at)


async def start_exam(db: Database, fact: ExamStarted, heard_at: datetime) -> list[str]:
    """Keep that a performed step is in progress; the studies that it is about."""
    await lock_studies(db, [fact.study_instance_uid])
    named = fact.exam_key, fact.order_id, fact.study_instance_uid
    await db.execute(_STEP, *named, StepState.IN_PROGRESS, None, [])
    return await _about(db, fact.study_instance_uid, fact.order_id, heard_at)


async def end_exam(db: Database, end: PerformedEnd, heard_at: datetime) -> list[str]:
    """Keep that a performed step ended and what it lists; the studies that it is about."""
    await lock_studies(db, [end.study_instance_uid])
    named = end.exam_key, end.order_id, end.study_instance_uid
    await db.execute(_STEP, *named, end.state, end.ended_at, list(end.listed))
    return await _about(db, end.study_instance_uid, end.order_id, heard_at)


async def with_progress(db: Database, studies: Sequence[Study]) -> list[Study]:
    """The same studies with what is known now of their making."""
    asked = [(study.study_instance_uid, study.order_id) for study in studies]
    steps: dict[str, list[Row]] = defaultdict(list)
    for row in await db.fetch(_STEPS, *columns(asked, 2)):
        steps[row["uid"]].append(row)
    # What a step lists lies in the study that it names, or in the one that its order was matched to.
    places = {
        uid
        for rows in steps.values()
        for row in rows
        if row["listed"]
        for uid in (row["uid"], row["study_instance_uid"])
    }
    here = {
        uid
        for row in (await fetch(db, OF_STUDIES, sorted(places)) if places else ())
        for uid in uids_of(row["entries"])
    }
    return [replace(study, progress=_progress(study, steps[study.study_instance_uid], here)) for study in studies]


async def _about(db: Database, study_instance_uid: str, order_id: UUID | None, heard_at: datetime) -> list[str]:
    rows = await db.fetch(_ABOUT, study_instance_uid, order_id, heard_at)
    return [row["study_instance_uid"] for row in rows]


def _progress(study: Study, steps: Sequence[Row], here: Collection[str]) -> Progress:
    listed = {uid for step in steps for uid in step["listed"]}
    ends = [step["ended_at"] for step in steps if step["ended_at"] is not None]
    return replace(
        study.progress,
        steps=tuple(StepState(step["state"]) for step in steps),
        ended_at=max(ends, default=None),
        listed=len(listed),
        listed_here=len(listed.intersection(here)),
        order_to_come=study.order_id is None and any(step["to_come"] for step in steps),
    )
