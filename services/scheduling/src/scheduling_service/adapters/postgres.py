"""Exams in PostgreSQL, inside the transaction of a fact or a command."""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, time
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from asyncpg import Range
from fj_bus import Tx
from fj_events import Fact, Identifier, PatientPhi, PatientVisitUpdated, Uid

from scheduling_service.adapters import awaited, noted, patients, visits
from scheduling_service.adapters import performed as performed_steps
from scheduling_service.adapters.locks import LOCK, hashed
from scheduling_service.adapters.occupied import free_again, hold, keep_free, occupy
from scheduling_service.adapters.performed import names_of
from scheduling_service.adapters.records import EXAMS, exam_columns, exam_of, worklist_rows
from scheduling_service.domain.exam import Exam
from scheduling_service.domain.news import News
from scheduling_service.domain.performed import PerformedStep
from scheduling_service.domain.slots import Block, Span
from scheduling_service.domain.step import ON_WORKLIST
from scheduling_service.domain.study import Study
from scheduling_service.domain.unordered import Noted
from scheduling_service.domain.worklist import Item, items
from scheduling_service.ports import Surroundings

# Locked first and read by the next statement: one that waits for a row and reads in one go sees the row as it is now,
# but what its subqueries find as it was when it began to wait.
_EXAM: Final = "SELECT exam_key FROM exam WHERE exam_key = $1 FOR UPDATE"
_LIKE: Final = """
SELECT exam_key FROM exam
 WHERE ordered IS NOT NULL
   AND (study_instance_uid = ANY($1) OR ordered_study_uid = ANY($1) OR accession_number = ANY($2)
        OR exam_key IN (SELECT exam_key FROM step WHERE step_id = ANY($3)))
 ORDER BY exam_key FOR UPDATE
"""
_NAMED: Final = """
SELECT exam_key FROM exam
 WHERE ordered #>> '{details,placer_order_number,value}' = $1
    OR ordered #>> '{details,filler_order_number,value}' = $2
    OR (accession_number = $2 AND ordered IS NOT NULL)
 ORDER BY exam_key FOR UPDATE
"""
_OPEN_OF: Final = """
SELECT exam_key FROM exam
 WHERE exam_key IN (SELECT exam_key FROM worklist WHERE patient_id = $1) ORDER BY exam_key FOR UPDATE
"""
_BOOKED_AT: Final = """
SELECT exam_key FROM exam
 WHERE exam_key IN (SELECT exam_key FROM occupied WHERE site = $1 AND station_ae_title = $2 AND period && $3)
 ORDER BY exam_key FOR UPDATE
"""
_OPEN_UNDER: Final = """
SELECT exam_key FROM exam
 WHERE patient_id = $1 AND EXISTS (SELECT FROM step WHERE step.exam_key = exam.exam_key AND step.state = 'SCHEDULED')
 ORDER BY exam_key FOR UPDATE
"""
_OF_PERFORMED: Final = """
SELECT exam_key FROM exam
 WHERE exam_key IN (SELECT exam_key FROM exam_performed WHERE sop_instance_uid = $1)
 ORDER BY exam_key FOR UPDATE
"""
_PERFORMED_IN: Final = """
SELECT exam_key FROM exam
 WHERE ordered IS NOT NULL
   AND exam_key IN (SELECT l.exam_key FROM performed_step p JOIN exam_performed l USING (sop_instance_uid)
                     WHERE p.study_uids && ARRAY[$1::text])
 ORDER BY exam_key FOR UPDATE
"""
_READ: Final = f"{EXAMS} WHERE e.exam_key = ANY($1) ORDER BY e.exam_key"
# All that an exam is, in one statement: its row, steps, links to performed steps, and what it has on the worklist.
_SAVE: Final = """
WITH kept AS (
    INSERT INTO exam (exam_key, site, order_id, study_instance_uid, ordered_study_uid, accession_number, patient_id,
                      state, linked_to, ordered, waits_since, waits_urgency, recorded_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $18, $19, $21)
    ON CONFLICT (exam_key) DO UPDATE
       SET study_instance_uid = excluded.study_instance_uid, ordered_study_uid = excluded.ordered_study_uid,
           accession_number = excluded.accession_number, patient_id = excluded.patient_id, state = excluded.state,
           linked_to = excluded.linked_to, ordered = excluded.ordered, waits_since = excluded.waits_since,
           waits_urgency = excluded.waits_urgency, changed_at = now()
), steps_gone AS (
    DELETE FROM step WHERE exam_key = $1 AND number >= cardinality($11::text[])
), steps AS (
    INSERT INTO step (exam_key, number, site, step_id, state, station_ae_title, modality, starts_at, plan)
    SELECT $1, n - 1, $2, step_id, state, station_ae_title, modality, starts_at, plan::jsonb
      FROM unnest($11::text[], $12::text[], $13::text[], $14::text[], $15::timestamptz[], $16::text[])
           WITH ORDINALITY AS s(step_id, state, station_ae_title, modality, starts_at, plan, n)
    ON CONFLICT (exam_key, number) DO UPDATE
       SET step_id = excluded.step_id, state = excluded.state, station_ae_title = excluded.station_ae_title,
           modality = excluded.modality, starts_at = excluded.starts_at, plan = excluded.plan
), linked AS (
    INSERT INTO exam_performed (exam_key, sop_instance_uid) SELECT $1, unnest($17::text[]) ON CONFLICT DO NOTHING
), given_back AS (
    DELETE FROM occupied WHERE exam_key = $1 AND number <> ALL($22::smallint[])
), ordered AS (
    UPDATE performed_step SET is_ordered = true WHERE sop_instance_uid = ANY($17::text[]) AND $10::jsonb IS NOT NULL
)
DELETE FROM worklist WHERE exam_key = $1 AND number >= $20
"""
_FILL_WORKLIST: Final = """
INSERT INTO worklist (exam_key, number, site, urgency, starts_local, station_ae_title, modality, step_id, patient_id,
                      patient_id_value, patient_id_issuer, patient_names, accession_number, requested_procedure_id,
                      study_instance_uid, item, visit_value, visit_issuer)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
ON CONFLICT (exam_key, number) DO UPDATE
   SET urgency = excluded.urgency, starts_local = excluded.starts_local, station_ae_title = excluded.station_ae_title,
       modality = excluded.modality, step_id = excluded.step_id, patient_id = excluded.patient_id,
       patient_id_value = excluded.patient_id_value, patient_id_issuer = excluded.patient_id_issuer,
       patient_names = excluded.patient_names, accession_number = excluded.accession_number,
       requested_procedure_id = excluded.requested_procedure_id, study_instance_uid = excluded.study_instance_uid,
       item = excluded.item, visit_value = excluded.visit_value, visit_issuer = excluded.visit_issuer
"""
_OPEN_STEPS: Final = """
SELECT station_ae_title, count(*) AS steps FROM worklist
 WHERE site = $1 AND station_ae_title = ANY($2) AND starts_local >= $3 AND starts_local < $3 + interval '1 day'
 GROUP BY 1
"""


class PostgresSchedule:
    """See `scheduling_service.ports.Schedule`. `zone_of` gives the time zone of a site."""

    def __init__(self, tx: Tx, zone_of: Callable[[str], ZoneInfo]) -> None:
        self._tx = tx
        self._zone_of = zone_of

    async def lock(self, *names: str) -> None:
        await self._tx.connection.execute(LOCK, sorted(map(hashed, set(names))))

    async def exam(self, key: str) -> Exam | None:
        return next(iter(await self._exams(_EXAM, key)), None)

    async def exams_like(self, performed: PerformedStep) -> list[Exam]:
        return await self._exams(_LIKE, *names_of(performed))

    async def open_exams_of(self, patient_id: UUID) -> list[Exam]:
        return await self._exams(_OPEN_OF, patient_id)

    async def open_exams_under(self, patient_id: UUID) -> list[Exam]:
        return await self._exams(_OPEN_UNDER, patient_id)

    async def exams_of(self, performed: PerformedStep) -> list[Exam]:
        return await self._exams(_OF_PERFORMED, performed.sop_instance_uid)

    async def performed_in(self, study_instance_uid: Uid) -> list[Exam]:
        return await self._exams(_PERFORMED_IN, study_instance_uid)

    async def surroundings(self, exam: Exam) -> Surroundings:
        if exam.ordered is None:
            return Surroundings([], [])
        connection, patient_id = self._tx.connection, exam.ordered.details.patient_id
        ids = await patients.named_as(connection, patient_id, exam.key, self._said_at)
        step_ids = [step.step_id for step in exam.steps]
        found = await performed_steps.surroundings(connection, exam.ordered, step_ids)
        made = [each.study_instance_uid for each in exam.performed]
        return Surroundings(*found, ids, await performed_steps.lost(connection, exam.ordered.order_id, made))

    async def save(self, exam: Exam) -> None:
        waiting = await self._waiting(exam)
        booked = [number for number, step in enumerate(exam.steps) if step.keeps_its_slot]
        await self._tx.connection.execute(_SAVE, *exam_columns(exam), len(waiting), self._said_at, booked)
        if waiting:
            await self._tx.connection.executemany(_FILL_WORKLIST, worklist_rows(exam.key, waiting))

    async def exams_named(self, news: News) -> list[Exam]:
        placer, filler = news.placer_order_number, news.accession_or_filler
        return await self._exams(_NAMED, placer and placer.value, filler and filler.value)

    async def is_news(self, exam_key: str, said_at: datetime | None) -> bool:
        return said_at is None or await awaited.is_news(self._tx.connection, exam_key, said_at)

    async def await_order(self, news: News) -> None:
        await awaited.keep(self._tx.connection, news)

    async def noted(self, names: tuple[str, ...]) -> Noted | None:
        return await noted.by_names(self._tx.connection, names)

    async def noted_as(self, appointment_id: int) -> Noted | None:
        return await noted.by_id(self._tx.connection, appointment_id)

    async def note(self, news: News, before: Noted | None, *, is_open: bool) -> Noted:
        return await noted.keep(self._tx.connection, news, before, is_open=is_open)

    async def awaiting(self, names: tuple[str, ...]) -> News | None:
        return await awaited.take(self._tx.connection, names)

    async def book(self, exam: Exam) -> bool:
        if not await occupy(self._tx.connection, exam):
            return False
        await self.save(exam)
        return True

    async def booked_at(self, station: Block) -> list[Exam]:
        period = Range(station.span.start, station.span.end)
        return await self._exams(_BOOKED_AT, station.site, station.station_ae_title, period)

    async def hold_stations(self, site: str, ae_titles: Collection[str], within: Span) -> Mapping[str, list[Span]]:
        return await hold(self._tx.connection, site, ae_titles, within)

    async def block(self, block: Block) -> bool:
        return await keep_free(self._tx.connection, block)

    async def unblock(self, block_id: UUID) -> bool:
        return await free_again(self._tx.connection, block_id)

    async def performed(self, sop_instance_uid: Uid) -> PerformedStep | None:
        return await performed_steps.read(self._tx.connection, sop_instance_uid)

    async def add_performed(self, performed: PerformedStep) -> bool:
        return await performed_steps.add(self._tx.connection, performed)

    async def save_performed(self, performed: PerformedStep) -> None:
        await performed_steps.save(self._tx.connection, performed)

    async def study(self, study_instance_uid: Uid) -> Study:
        return await performed_steps.read_study(self._tx.connection, study_instance_uid)

    async def save_study(self, study: Study) -> None:
        await performed_steps.save_study(self._tx.connection, study)

    async def hold_patients(self, *patient_ids: UUID) -> None:
        await patients.hold(self._tx.connection, *patient_ids)

    async def save_patient(self, patient_id: UUID, patient: PatientPhi) -> None:
        await patients.save(self._tx.connection, patient_id, patient)

    async def save_visit(self, number: Identifier, fact: PatientVisitUpdated) -> None:
        await visits.save(self._tx.connection, number, fact)

    async def open_steps(self, site: str, ae_titles: Collection[str], day: datetime) -> Mapping[str, int]:
        midnight = datetime.combine(day.astimezone(self._zone_of(site)), time.min)
        rows = await self._tx.connection.fetch(_OPEN_STEPS, site, list(ae_titles), midnight)
        return {row["station_ae_title"]: row["steps"] for row in rows}

    def emit(self, fact: Fact) -> None:
        self._tx.emit(fact)

    async def _exams(self, lock: str, *arguments: object) -> list[Exam]:
        keys = [row["exam_key"] for row in await self._tx.connection.fetch(lock, *arguments)]
        return [exam_of(row) for row in await self._tx.connection.fetch(_READ, keys)] if keys else []

    async def _waiting(self, exam: Exam) -> list[Item]:
        """What the exam has on the worklist."""
        if exam.ordered is None or not any(step.state in ON_WORKLIST for step in exam.steps):
            return []
        whose = exam.ordered.details.patient_id
        survivor_id, current = await patients.whose(self._tx.connection, whose, exam.key, self._said_at)
        return items(exam, current, self._zone_of(exam.site), survivor_id)

    @property
    def _said_at(self) -> datetime:
        """When the fact at hand became one."""
        return self._tx.cause.time if self._tx.cause else datetime.now(UTC)
