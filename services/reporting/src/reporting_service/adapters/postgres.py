"""Exams and their reports in PostgreSQL, inside the transaction of a message or command."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from fj_bus import Tx
from fj_events import (
    Fact,
    Identifier,
    LinkAct,
    OrderDetails,
    PatientPhi,
    Priority,
    ReportPhi,
    StudyAvailable,
    StudyReceived,
    StudyRelinked,
    StudyUnmatched,
    StudyUpdated,
)

from reporting_service.adapters import rows, sql
from reporting_service.domain.report import Reading, Report, Subject
from reporting_service.domain.subject import choose, numbers_of

_TURN: Final = "exam"
_TAKEN_OFF: Final = (LinkAct.UNLINK, LinkAct.UNMERGE)
"""Whoever joins an order, a study and a reading takes turns on their numbers, and then on the key of the exam that
they lead to. What is read in a later statement than the turn is what the others wrote; what was read before is not.
"""


class PostgresReports:
    """See `reporting_service.ports.Reports`."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._db = tx.connection

    @property
    def _said_at(self) -> datetime:
        """When the fact at hand became one."""
        return self._tx.cause.time if self._tx.cause else datetime.now(UTC)

    async def keep_order(self, order_id: UUID, site: str, details: OrderDetails) -> None:
        placer, accession = details.placer_order_number, details.accession_number
        numbers = (accession.value, placer.value if placer else None, details.study_instance_uid)
        await self._take_turn(*numbers, *await self._studies_of(order_id))
        await self._take_turn(str(order_id))
        # A study that found the order meanwhile: a reading about it may be on its way to those that wait.
        await self._take_turn(*await self._studies_of(order_id))
        await self._db.execute(
            sql.KEEP_ORDER,
            order_id,
            site,
            OrderDetails.model_validate(details.model_dump(include=set(OrderDetails.model_fields))).model_dump_json(),
            placer.value if placer else None,
            placer.issuer if placer else None,
            accession.value,
            accession.issuer,
            details.study_instance_uid,
            details.patient_id,
            self._said_at,
        )

    async def keep_study(self, study: StudyReceived | StudyAvailable | StudyUpdated) -> None:
        accession = study.accession_number
        await self._take_turn(study.study_instance_uid, accession.value if accession else None)
        counted = None if isinstance(study, StudyReceived) else study.number_of_instances
        available = study.last_evidence_at if isinstance(study, StudyAvailable) else None
        await self._db.execute(
            sql.KEEP_STUDY,
            study.study_instance_uid,
            study.site,
            accession.value if accession else None,
            accession.issuer if accession else None,
            study.patient_id,
            rows.plain(study.patient),
            list(study.modalities),
            study.description,
            counted,
            available,
            self._said_at,
        )

    async def link(self, study_instance_uid: str, site: str, order_id: UUID) -> None:
        await self._take_turn(study_instance_uid)
        accession = await self._db.fetchval(sql.ACCESSION_OF, study_instance_uid)
        await self._take_turn(str(order_id), accession)
        await self._db.execute(sql.LINK, study_instance_uid, site, order_id)
        await self._db.execute(sql.LINK_REPORT, study_instance_uid, order_id)

    async def relink(self, study: StudyRelinked, left: str) -> None:
        uid, order_id = study.study_instance_uid, study.order_id
        await self._take_turn(uid, left, str(order_id) if order_id else None)
        await self._db.execute(sql.RELINK, uid, study.site, order_id, study.act in _TAKEN_OFF)

    async def doubt(self, study: StudyUnmatched) -> None:
        order_id = study.unconfirmed_order_id
        await self._take_turn(study.study_instance_uid, str(order_id) if order_id else None)
        found = (study.study_instance_uid, study.site, list(study.contradicted_by), order_id)
        await self._db.execute(sql.DOUBT, *found)

    async def unconfirmed_of(self, subject: Subject) -> str | None:
        found: str | None = await self._db.fetchval(sql.UNCONFIRMED_OF, subject.order_id)
        return found

    async def exam_is(self, order_id: UUID, state: str) -> None:
        await self._db.execute(sql.EXAM_STATE, order_id, state)

    async def patient_is(self, patient_id: UUID, patient: PatientPhi) -> None:
        await self._db.execute(sql.KEEP_PATIENT, patient_id, rows.plain(patient))

    async def study_priority_is(self, study_instance_uid: str, site: str, priority: Priority, reason: str) -> None:
        await self._db.execute(sql.PRIORITY, study_instance_uid, site, priority, reason)

    async def subject_of(self, reading: Reading) -> Subject | None:
        await self._take_turn(*numbers_of(reading))
        found, sure = await self._look_up(reading), False
        while found is not None and not sure:  # the study that was found may be on its way to its order
            await self._take_turn(found.exam_key)
            before, found = found, await self._look_up(reading)
            sure = found is not None and found.exam_key == before.exam_key
        return found

    async def subject_with(self, exam_key: str) -> Subject | None:
        await self._take_turn(exam_key)
        row = await self._db.fetchrow(sql.ORDER_BY_KEY, exam_key)
        if row is not None:
            return rows.order_subject(row)
        row = await self._db.fetchrow(sql.STUDY_BY_KEY, exam_key)
        return rows.study_subject(row) if row else None

    async def wait(self, reading: Reading) -> None:
        await self._db.execute(sql.WAIT, list(numbers_of(reading)), rows.plain(reading))

    async def waiting_for(self, subject: Subject) -> Sequence[Reading]:
        known = (subject.accession_number, subject.placer_order_number, *subject.study_accession_numbers)
        numbers = [*(number.value for number in known if number), *subject.study_instance_uids]
        found = await self._db.fetch(sql.WAITING, numbers)
        readings = {row["number"]: Reading.model_validate_json(row["reading"]) for row in found}
        mine = [number for number, reading in readings.items() if choose(reading, [subject])]
        if mine:
            await self._db.execute(sql.WAITED, mine)
        return [readings[number] for number in sorted(mine)]

    async def addenda_to(self, document: Identifier) -> Sequence[Reading]:
        await self._take_turn(document.value)
        found = await self._db.fetch(sql.WAITING, [document.value])
        readings = {row["number"]: Reading.model_validate_json(row["reading"]) for row in found}
        mine = [number for number, reading in readings.items() if reading.addendum_to == document]
        if mine:
            await self._db.execute(sql.WAITED, mine)
        return [readings[number] for number in sorted(mine)]

    async def of(self, subject: Subject) -> Report | None:
        await self._take_turn(subject.exam_key)
        row = await self._db.fetchrow(sql.REPORT, subject.order_id, list(subject.study_instance_uids))
        return rows.report(row) if row else None

    async def keep(self, subject: Subject, report: Report) -> None:
        await self._db.execute(
            sql.KEEP_REPORT,
            report.report_id,
            report.exam_key,
            subject.order_id,
            None if subject.order_id else subject.study_instance_uids[0],
            report.version,
            report.status,
            rows.plain(report.content),
            report.at,
            rows.plain(report.author),
            report.signed_at,
            report.source,
        )

    async def retract(self, report: Report) -> None:
        await self._db.execute(sql.RETRACT_REPORT, report.report_id, report.version)

    async def last_version(self, exam_key: str) -> int:
        return int(await self._db.fetchval(sql.LAST_VERSION, exam_key))

    async def note(self, report_id: UUID, reading: Reading, version: int | None) -> None:
        await self._db.execute(sql.NOTE, report_id, version, rows.plain(reading))

    async def draft(self, subject: Subject, content: ReportPhi, actor: str) -> None:
        await self._db.execute(sql.DRAFT, subject.exam_key, rows.plain(content), actor)

    async def move_draft(self, exam_key: str, to: str) -> None:
        await self._db.execute(sql.MOVE_DRAFT, exam_key, to)

    async def take_draft(self, subject: Subject) -> ReportPhi | None:
        text = await self._db.fetchval(sql.TAKE_DRAFT, subject.exam_key)
        return rows.content(text) if text else None

    def emit(self, fact: Fact) -> None:
        self._tx.emit(fact)

    async def _look_up(self, reading: Reading) -> Subject | None:
        if reading.addendum_to is not None:
            document = reading.addendum_to
            exam_key = await self._db.fetchval(sql.EXAM_OF_DOCUMENT, document.value, document.issuer)
            subject = await self.subject_with(exam_key) if exam_key else None
            if subject is not None:
                return subject if subject.settled else None
        numbers = list(numbers_of(reading))
        orders = await self._db.fetch(sql.ORDERS_BY_NUMBERS, numbers)
        found = choose(reading, [rows.order_subject(row) for row in orders])
        if found is not None:
            return found
        studies = await self._db.fetch(sql.STUDIES_BY_NUMBERS, numbers)
        return choose(reading, [rows.study_subject(row) for row in studies])

    async def _studies_of(self, order_id: UUID) -> list[str]:
        return [row["study_instance_uid"] for row in await self._db.fetch(sql.STUDIES_OF, order_id)]

    async def _take_turn(self, *numbers: str | None) -> None:
        for number in sorted({number for number in numbers if number}):
            await self._tx.lock(_TURN, number)
