"""Exams in PostgreSQL, inside the transaction of a fact or a command."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from fj_bus import Tx
from fj_events import Fact, PatientPhi, Uid

from scheduling_service.adapters.records import EXAMS, Planned, exam_of, worklist_rows
from scheduling_service.domain.exam import Exam
from scheduling_service.domain.performed import PerformedStep
from scheduling_service.domain.study import Study
from scheduling_service.domain.worklist import items

_LOCK: Final = "SELECT pg_advisory_xact_lock(h) FROM unnest($1::bigint[]) AS h"
_EXAM: Final = f"{EXAMS} WHERE e.exam_key = $1 FOR UPDATE OF e"
_LIKE: Final = f"""{EXAMS}
 WHERE e.ordered IS NOT NULL
   AND (e.study_instance_uid = ANY($1) OR e.ordered_study_uid = ANY($1) OR e.accession_number = ANY($2)
        OR e.exam_key IN (SELECT exam_key FROM step WHERE step_id = ANY($3)))
 ORDER BY e.exam_key FOR UPDATE OF e
"""
_OPEN_OF: Final = f"""{EXAMS}
 WHERE e.exam_key IN (SELECT exam_key FROM worklist WHERE patient_id = $1) ORDER BY e.exam_key FOR UPDATE OF e
"""
_OF_PERFORMED: Final = f"""{EXAMS}
 WHERE e.linked_to IS NULL AND e.exam_key IN (SELECT exam_key FROM exam_performed WHERE sop_instance_uid = $1)
 ORDER BY e.exam_key FOR UPDATE OF e
"""
_LOOSE: Final = """
SELECT performed::text FROM performed_step
 WHERE NOT is_ordered AND (study_uids && $1 OR accession_numbers && $2 OR step_ids && $3)
 ORDER BY created_at, sop_instance_uid
"""
_SAVE: Final = """
INSERT INTO exam (exam_key, site, order_id, study_instance_uid, ordered_study_uid, accession_number, patient_id, state,
                  linked_to, ordered)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (exam_key) DO UPDATE
   SET study_instance_uid = excluded.study_instance_uid, ordered_study_uid = excluded.ordered_study_uid,
       accession_number = excluded.accession_number, patient_id = excluded.patient_id, state = excluded.state,
       linked_to = excluded.linked_to, ordered = excluded.ordered, changed_at = now()
"""
_SAVE_STEPS: Final = """
WITH gone AS (DELETE FROM step WHERE exam_key = $1 AND number >= cardinality($2::text[]))
INSERT INTO step (exam_key, number, site, step_id, state, station_ae_title, modality, starts_at, plan)
SELECT $1, n - 1, $8, step_id, state, station_ae_title, modality, starts_at, plan::jsonb
  FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[])
       WITH ORDINALITY AS s(step_id, state, station_ae_title, modality, starts_at, plan, n)
ON CONFLICT (exam_key, number) DO UPDATE
   SET step_id = excluded.step_id, state = excluded.state, station_ae_title = excluded.station_ae_title,
       modality = excluded.modality, starts_at = excluded.starts_at, plan = excluded.plan
"""
_SAVE_LINKS: Final = """
WITH linked AS (
    INSERT INTO exam_performed (exam_key, sop_instance_uid) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING)
UPDATE performed_step SET is_ordered = is_ordered OR $3 WHERE sop_instance_uid = ANY($2::text[])
"""
_CLEAR_WORKLIST: Final = "DELETE FROM worklist WHERE exam_key = $1"
_FILL_WORKLIST: Final = """
INSERT INTO worklist (exam_key, number, site, urgency, starts_local, station_ae_title, modality, step_id, patient_id,
                      patient_id_value, patient_id_issuer, patient_names, accession_number, requested_procedure_id,
                      study_instance_uid, item)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
"""
_ADD_PERFORMED: Final = """
INSERT INTO performed_step (sop_instance_uid, study_uids, accession_numbers, step_ids, performed)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
"""
_PERFORMED: Final = "SELECT performed::text FROM performed_step WHERE sop_instance_uid = $1 FOR NO KEY UPDATE"
_SAVE_PERFORMED: Final = "UPDATE performed_step SET performed = $2, changed_at = now() WHERE sop_instance_uid = $1"
_SAVE_STUDY: Final = """
INSERT INTO study (study_instance_uid, order_id, study) VALUES ($1, $2, $3)
ON CONFLICT (study_instance_uid) DO UPDATE SET order_id = excluded.order_id, study = excluded.study
"""
_STUDIES_OF: Final = "SELECT study::text FROM study WHERE order_id = $1 ORDER BY study_instance_uid"
_SAVE_PATIENT: Final = """
INSERT INTO patient (patient_id, patient) VALUES ($1, $2)
ON CONFLICT (patient_id) DO UPDATE SET patient = excluded.patient
"""
_OPEN_STEPS: Final = "SELECT station_ae_title, count(*) AS steps FROM worklist WHERE site = $1 GROUP BY 1"


class PostgresSchedule:
    """See `scheduling_service.ports.Schedule`. `zone_of` gives the time zone of a site."""

    def __init__(self, tx: Tx, zone_of: Callable[[str], ZoneInfo]) -> None:
        self._tx = tx
        self._zone_of = zone_of

    async def lock(self, *names: str) -> None:
        await self._tx.connection.execute(_LOCK, sorted(map(_hash, set(names))))

    async def exam(self, key: str) -> Exam | None:
        row = await self._tx.connection.fetchrow(_EXAM, key)
        return None if row is None else exam_of(row)

    async def exams_like(self, performed: PerformedStep) -> list[Exam]:
        return await self._exams(_LIKE, *_names_of(performed))

    async def open_exams_of(self, patient_id: UUID) -> list[Exam]:
        return await self._exams(_OPEN_OF, patient_id)

    async def exams_of(self, performed: PerformedStep) -> list[Exam]:
        return await self._exams(_OF_PERFORMED, performed.sop_instance_uid)

    async def loose_ends(self, exam: Exam, study_uids: Collection[Uid]) -> list[PerformedStep]:
        if exam.ordered is None:
            return []
        details = exam.ordered.details
        rows = await self._tx.connection.fetch(
            _LOOSE,
            [*study_uids, details.study_instance_uid],
            [details.accession_number.value],
            [step.step_id for step in exam.steps],
        )
        return [_performed(row[0]) for row in rows]

    async def save(self, exam: Exam) -> None:
        details = None if exam.ordered is None else exam.ordered.details
        await self._tx.connection.execute(
            _SAVE,
            exam.key,
            exam.site,
            None if exam.ordered is None else exam.ordered.order_id,
            exam.study_instance_uid,
            details and details.study_instance_uid,
            details and details.accession_number.value,
            details and details.patient_id,
            exam.state,
            exam.linked_to,
            None if exam.ordered is None else Planned.of(exam.ordered).model_dump_json(exclude_none=True),
        )
        await self._save_steps(exam)
        if exam.performed:
            uids = [each.sop_instance_uid for each in exam.performed]
            await self._tx.connection.execute(_SAVE_LINKS, exam.key, uids, exam.ordered is not None)
        if exam.ordered is not None:
            await self._save_worklist(exam, exam.ordered.details.patient_id)

    async def performed(self, sop_instance_uid: Uid) -> PerformedStep | None:
        text = await self._tx.connection.fetchval(_PERFORMED, sop_instance_uid)
        return None if text is None else _performed(text)

    async def add_performed(self, performed: PerformedStep) -> bool:
        status = await self._tx.connection.execute(
            _ADD_PERFORMED, performed.sop_instance_uid, *_names_of(performed), _json(performed)
        )
        return bool(status == "INSERT 0 1")

    async def save_performed(self, performed: PerformedStep) -> None:
        await self._tx.connection.execute(_SAVE_PERFORMED, performed.sop_instance_uid, _json(performed))

    async def study(self, study_instance_uid: Uid) -> Study:
        text = await self._tx.connection.fetchval(
            "SELECT study::text FROM study WHERE study_instance_uid = $1 FOR UPDATE", study_instance_uid
        )
        return Study(study_instance_uid=study_instance_uid) if text is None else _study(text)

    async def save_study(self, study: Study) -> None:
        text = study.model_dump_json(exclude_none=True)
        await self._tx.connection.execute(_SAVE_STUDY, study.study_instance_uid, study.order_id, text)

    async def studies_of(self, order_id: UUID) -> list[Study]:
        return [_study(row[0]) for row in await self._tx.connection.fetch(_STUDIES_OF, order_id)]

    async def save_patient(self, patient_id: UUID, patient: PatientPhi) -> None:
        await self._tx.connection.execute(_SAVE_PATIENT, patient_id, patient.model_dump_json(exclude_none=True))

    async def open_steps(self, site: str) -> Mapping[str, int]:
        rows = await self._tx.connection.fetch(_OPEN_STEPS, site)
        return {row["station_ae_title"]: row["steps"] for row in rows}

    def emit(self, fact: Fact) -> None:
        self._tx.emit(fact)

    async def _exams(self, query: str, *arguments: object) -> list[Exam]:
        return [exam_of(row) for row in await self._tx.connection.fetch(query, *arguments)]

    async def _save_steps(self, exam: Exam) -> None:
        await self._tx.connection.execute(
            _SAVE_STEPS,
            exam.key,
            [step.step_id for step in exam.steps],
            [step.state for step in exam.steps],
            [step.plan.station_ae_title for step in exam.steps],
            [step.plan.modality for step in exam.steps],
            [step.plan.starts_at for step in exam.steps],
            [step.plan.model_dump_json(exclude_none=True) for step in exam.steps],
            exam.site,
        )

    async def _save_worklist(self, exam: Exam, patient_id: UUID) -> None:
        connection = self._tx.connection
        await connection.execute(_CLEAR_WORKLIST, exam.key)
        text = await connection.fetchval("SELECT patient::text FROM patient WHERE patient_id = $1", patient_id)
        current = None if text is None else PatientPhi.model_validate_json(text, extra="ignore")
        if waiting := items(exam, current, self._zone_of(exam.site)):
            await connection.executemany(_FILL_WORKLIST, worklist_rows(exam.key, waiting))


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), signed=True)


def _names_of(performed: PerformedStep) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    references = performed.references
    return (
        [uid for each in references for uid in each.study_uids],
        [each.accession_number for each in references if each.accession_number],
        [each.step_id for each in references if each.step_id],
    )


def _json(performed: PerformedStep) -> str:
    return performed.model_dump_json(exclude_none=True)


def _performed(text: str) -> PerformedStep:
    return PerformedStep.model_validate_json(text, extra="ignore")


def _study(text: str) -> Study:
    return Study.model_validate_json(text, extra="ignore")
