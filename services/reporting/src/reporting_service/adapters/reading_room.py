"""Looking at exams and reports in PostgreSQL."""

from asyncpg import Pool, Record
from fj_events import OrderDetails, PatientPhi, Priority

from reporting_service.adapters import rows, sql
from reporting_service.domain.report import Reading
from reporting_service.ports import ReadingItem, ReportView


class PostgresReadingRoom:
    """See `reporting_service.ports.ReadingRoom`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def reading_list(self, *, site: str | None, modality: str | None, limit: int) -> list[ReadingItem]:
        return [_item(row) for row in await self._pool.fetch(sql.READING_LIST, site, modality, limit)]

    async def read(self, exam_key: str) -> ReportView | None:
        row = await self._pool.fetchrow(sql.ORDER_BY_KEY, exam_key)
        subject = rows.order_subject(row) if row else None
        if subject is None and (row := await self._pool.fetchrow(sql.STUDY_BY_KEY, exam_key)):
            subject = rows.study_subject(row)
        if subject is None:
            return None
        report = await self._pool.fetchrow(
            sql.REPORT.replace("FOR UPDATE", ""), subject.order_id, list(subject.study_instance_uids)
        )
        draft = await self._pool.fetchval(sql.DRAFT_OF, subject.exam_key)
        return ReportView(
            subject=subject,
            report=rows.report(report) if report else None,
            draft=rows.content(draft) if draft else None,
        )

    async def waiting(self, limit: int) -> list[Reading]:
        return [Reading.model_validate_json(row["reading"]) for row in await self._pool.fetch(sql.WAITING_LIST, limit)]


def _item(row: Record) -> ReadingItem:
    order = OrderDetails.model_validate_json(row["details"], extra="ignore") if row["details"] else None
    studied = rows.identifier(row["study_accession"], row["study_accession_issuer"])
    wishes = [(Priority(row["priority"]), row["priority_reason"])] if row["priority"] else []
    if order is not None:
        wishes.append((order.priority, f"the order is {order.priority}"))
    priority, reason = min(wishes, key=lambda wish: wish[0].rank, default=(Priority.ROUTINE, None))
    return ReadingItem(
        exam_key=row["exam_key"],
        site=row["site"],
        order_id=row["order_id"],
        study_instance_uids=(row["study_instance_uid"],),
        accession_number=order.accession_number if order else studied,
        patient=_patient(row, order),
        procedure=order.procedure if order else None,
        description=row["description"],
        modalities=tuple(row["modalities"]),
        priority=priority,
        priority_reason=reason,
        available_at=row["available_at"],
        number_of_instances=row["number_of_instances"],
        report_status=row["status"],
        has_draft=row["has_draft"],
        exam_state=row["exam_state"],
        contradicted_by=tuple(row["contradicted_by"]),
        unconfirmed_order_id=row["unconfirmed_order_id"],
    )


def _patient(row: Record, order: OrderDetails | None) -> PatientPhi:
    """As registered now, else as the order names them: its images may still name whom its visit was taken from."""
    known = row["current_patient"]
    if known is None and order is not None and order.patient.id is not None:
        return order.patient
    named = known or row["patient"]
    return PatientPhi.model_validate_json(named, extra="ignore") if named else PatientPhi()
