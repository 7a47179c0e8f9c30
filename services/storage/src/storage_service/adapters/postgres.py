"""Assembly and matching in PostgreSQL, inside the transaction of a message or of the clock."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final
from uuid import UUID

from asyncpg import Record
from fj_bus import Tx
from fj_events import (
    ExamRescheduled,
    ExamScheduled,
    ExamStarted,
    Fact,
    Identifier,
    InstancesStored,
    OrderChanged,
    OrderPlaced,
    PatientPhi,
    PatientRegistered,
    PatientUpdated,
    SeriesSummary,
)

from storage_service.adapters import folding
from storage_service.adapters.sql import UNDATED, lock_study
from storage_service.domain.assembly import Progress, StepState
from storage_service.domain.matching import OrderKeys, StudyKeys
from storage_service.domain.study import Arrival, PerformedEnd, Study

_GET: Final = """
SELECT r.*, s.study_description, s.modalities, s.number_of_series, s.number_of_instances, s.patient,
       ARRAY(SELECT same_patient(r.patient_id)) AS patient_ids
  FROM study_route r JOIN study s USING (study_instance_uid, study_date)
 WHERE r.study_instance_uid = $1
"""
_SAVE: Final = """
UPDATE study_route
   SET order_id = $2, order_patient_id = $3, matched_by = $4, match_reason = $5, unmatched_reason = $6,
       available_at = $7, completeness = $8, completeness_reason = $9, due_at = $10
 WHERE study_instance_uid = $1
"""
_STEPS: Final = """
SELECT state, ended_at, listed FROM exam
 WHERE (study_instance_uid = $1 OR order_id = $2) AND state <> 'SCHEDULED'
"""
_HERE: Final = """
SELECT count(*) FROM unnest($1::text[]) AS wanted
 WHERE EXISTS (SELECT FROM instance WHERE sop_instance_uid = wanted COLLATE "C")
"""
_SERIES: Final = """
SELECT series_instance_uid, modality, series_number, series_description, body_part_examined, number_of_instances
  FROM series WHERE study_instance_uid = $1 ORDER BY series_number NULLS LAST, series_instance_uid
"""
_CANDIDATES: Final = """
WITH found AS (
    SELECT * FROM known_order WHERE study_instance_uid = $1
     UNION SELECT * FROM known_order WHERE accession_number = $2 AND accession_issuer = $3
     UNION SELECT * FROM known_order WHERE open AND $2::text IS NULL AND patient_id = ANY($4::uuid[])
)
SELECT found.*, coalesce(exam.modalities, '{}') AS planned,
       open AND NOT EXISTS (SELECT FROM study_route r WHERE r.order_id = found.order_id) AS free
  FROM found LEFT JOIN exam ON exam.order_id = found.order_id
"""
_NEXT_DUE: Final = """
SELECT study_instance_uid FROM study_route WHERE due_at <= $1 ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_PUT_ORDER: Final = """
INSERT INTO known_order (order_id, patient_id, accession_number, accession_issuer, study_instance_uid, modality, day,
                         placed_at, open)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, true)
ON CONFLICT (order_id) DO UPDATE
   SET patient_id = excluded.patient_id, accession_number = excluded.accession_number,
       accession_issuer = excluded.accession_issuer, study_instance_uid = excluded.study_instance_uid,
       modality = excluded.modality, day = excluded.day
"""
_WAITING_FOR_ORDER: Final = """
SELECT r.study_instance_uid FROM study_route r JOIN known_order o ON o.order_id = $1
 WHERE r.received_at IS NOT NULL AND r.order_id IS NULL
   AND (r.study_instance_uid = o.study_instance_uid
        OR (r.accession_number = o.accession_number AND r.accession_issuer = o.accession_issuer)
        OR (r.accession_number IS NULL AND r.patient_id = ANY(ARRAY(SELECT same_patient(o.patient_id)))))
"""
_WAITING_FOR_PATIENT: Final = """
SELECT study_instance_uid FROM study_route
 WHERE received_at IS NOT NULL AND order_id IS NULL AND accession_number IS NULL
   AND patient_id = ANY(ARRAY(SELECT same_patient($1)))
"""
_PLAN: Final = """
INSERT INTO exam (exam_key, order_id, study_instance_uid, modalities) VALUES ($1, $2, $3, $4)
ON CONFLICT (exam_key) DO UPDATE SET modalities = excluded.modalities
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


class PostgresStudies:
    """See `storage_service.ports.Studies`."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._db = tx.connection

    async def add_instances(self, fact: InstancesStored, heard_at: datetime) -> Arrival:
        return await folding.add_instances(self._db, fact, heard_at)

    async def get(self, study_instance_uid: str) -> Study | None:
        await lock_study(self._db, study_instance_uid)
        row = await self._db.fetchrow(_GET, study_instance_uid)
        return None if row is None else await self._study(row)

    async def save(self, study: Study) -> None:
        await self._db.execute(
            _SAVE,
            study.study_instance_uid,
            study.order_id,
            study.order_patient_id,
            study.matched_by,
            study.match_reason,
            study.unmatched_reason,
            study.available_at,
            study.completeness,
            study.completeness_reason,
            study.due_at,
        )

    async def progress(self, study: Study) -> Progress:
        known = study.progress
        return await self._progress(study.study_instance_uid, study.order_id, known.last_instance_at, known.heard_at)

    async def series(self, study_instance_uid: str) -> list[SeriesSummary]:
        return [
            SeriesSummary(
                series_instance_uid=row["series_instance_uid"],
                modality=row["modality"],
                number=row["series_number"],
                description=row["series_description"],
                body_part=row["body_part_examined"],
                number_of_instances=row["number_of_instances"],
            )
            for row in await self._db.fetch(_SERIES, study_instance_uid)
        ]

    async def candidates(self, keys: StudyKeys) -> list[OrderKeys]:
        accession = keys.accession_number
        rows = await self._db.fetch(
            _CANDIDATES,
            keys.study_instance_uid,
            accession.value if accession else None,
            accession.issuer if accession else None,
            list(keys.patient_ids),
        )
        return [_order_keys(row) for row in rows]

    async def next_due(self, now: datetime) -> str | None:
        uid: str | None = await self._db.fetchval(_NEXT_DUE, now)
        return uid

    async def put_order(self, fact: OrderPlaced | OrderChanged, placed_at: datetime, day: date) -> None:
        await lock_study(self._db, fact.study_instance_uid)
        await self._db.execute(
            _PUT_ORDER,
            fact.order_id,
            fact.patient_id,
            fact.accession_number.value,
            fact.accession_number.issuer,
            fact.study_instance_uid,
            fact.modality,
            day,
            placed_at,
        )

    async def set_order_open(self, order_id: UUID, *, open_: bool) -> None:
        await self._db.execute("UPDATE known_order SET open = $2 WHERE order_id = $1", order_id, open_)

    async def waiting_for_order(self, order_id: UUID) -> list[str]:
        return [row["study_instance_uid"] for row in await self._db.fetch(_WAITING_FOR_ORDER, order_id)]

    async def waiting_for_patient(self, patient_id: UUID) -> list[str]:
        return [row["study_instance_uid"] for row in await self._db.fetch(_WAITING_FOR_PATIENT, patient_id)]

    async def plan_exam(self, fact: ExamScheduled | ExamRescheduled) -> None:
        modalities = sorted({step.modality for step in fact.steps})
        await self._db.execute(_PLAN, fact.exam_key, fact.order_id, fact.study_instance_uid, modalities)

    async def start_exam(self, fact: ExamStarted, heard_at: datetime) -> list[str]:
        await lock_study(self._db, fact.study_instance_uid)
        await self._db.execute(
            _STEP, fact.exam_key, fact.order_id, fact.study_instance_uid, StepState.IN_PROGRESS, None, []
        )
        return await self._about(fact.study_instance_uid, fact.order_id, heard_at)

    async def end_exam(self, end: PerformedEnd, heard_at: datetime) -> list[str]:
        await lock_study(self._db, end.study_instance_uid)
        await self._db.execute(
            _STEP, end.exam_key, end.order_id, end.study_instance_uid, end.state, end.ended_at, list(end.listed)
        )
        return await self._about(end.study_instance_uid, end.order_id, heard_at)

    async def put_patient(self, fact: PatientRegistered | PatientUpdated, aliases: Sequence[UUID]) -> None:
        await self._db.execute("DELETE FROM patient_alias WHERE patient_id = $1", fact.patient_id)
        await self._db.execute(
            "INSERT INTO patient_alias (alias, patient_id) SELECT unnest($2::uuid[]), $1"
            " ON CONFLICT (alias) DO UPDATE SET patient_id = excluded.patient_id",
            fact.patient_id,
            aliases,
        )

    def emit(self, fact: Fact) -> None:
        self._tx.emit(fact)

    async def _about(self, study_instance_uid: str, order_id: UUID | None, heard_at: datetime) -> list[str]:
        rows = await self._db.fetch(_ABOUT, study_instance_uid, order_id, heard_at)
        return [row["study_instance_uid"] for row in rows]

    async def _progress(
        self, study_instance_uid: str, order_id: UUID | None, last_instance_at: datetime, heard_at: datetime
    ) -> Progress:
        steps = await self._db.fetch(_STEPS, study_instance_uid, order_id)
        listed = sorted({uid for step in steps for uid in step["listed"]})
        ends = [step["ended_at"] for step in steps if step["ended_at"] is not None]
        return Progress(
            last_instance_at=last_instance_at,
            heard_at=heard_at,
            steps=tuple(StepState(step["state"]) for step in steps),
            ended_at=max(ends, default=None),
            listed=len(listed),
            listed_here=await self._db.fetchval(_HERE, listed) if listed else 0,
        )

    async def _study(self, row: Record) -> Study:
        progress = await self._progress(
            row["study_instance_uid"], row["order_id"], row["last_instance_at"], row["heard_at"]
        )
        return Study(
            study_instance_uid=row["study_instance_uid"],
            site=row["site"],
            study_date=None if row["study_date"] == UNDATED else row["study_date"],
            description=row["study_description"],
            modalities=tuple(row["modalities"]),
            number_of_series=row["number_of_series"],
            number_of_instances=row["number_of_instances"],
            accession_number=_identifier(row["accession_number"], row["accession_issuer"]),
            patient_id=row["patient_id"],
            patient_ids=frozenset(row["patient_ids"]),
            patient=PatientPhi.model_validate_json(row["patient"], extra="ignore"),
            progress=progress,
            **{name: row[name] for name in _KEPT},
        )


_KEPT: Final = (
    "received_at",
    "order_id",
    "order_patient_id",
    "matched_by",
    "match_reason",
    "unmatched_reason",
    "available_at",
    "completeness",
    "completeness_reason",
    "due_at",
)


def _identifier(value: str | None, issuer: str | None) -> Identifier | None:
    return Identifier(value=value, issuer=issuer or "") if value else None


def _order_keys(row: Record) -> OrderKeys:
    return OrderKeys(
        order_id=row["order_id"],
        patient_id=row["patient_id"],
        accession_number=Identifier(value=row["accession_number"], issuer=row["accession_issuer"]),
        study_instance_uid=row["study_instance_uid"],
        modalities=(row["modality"],) if row["modality"] else tuple(row["planned"]),
        day=row["day"],
        placed_at=row["placed_at"],
        open=row["free"],
    )
