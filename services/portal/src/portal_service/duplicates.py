"""Orders of two patients under one accession number: told when the second one comes, gone when one of them goes."""

from fj_events import Envelope, Fact, Identifier

from portal_service.domain.exam import Exam
from portal_service.domain.exceptions import Kind, Raised
from portal_service.ports import Exams

SUMMARY = "an order of another patient has the same accession number"


async def look(before: Exam, after: Exam, fact: Fact, envelope: Envelope, exams: Exams) -> None:
    """An order came or changed: look at those that share its number, and at those that shared the one it had."""
    if fact.topic != "order-events":
        return
    for number in dict.fromkeys((_number(before), _number(after))):
        if number is not None:
            await _compare(number, after, fact, envelope, exams)


async def _compare(number: Identifier, exam: Exam, fact: Fact, envelope: Envelope, exams: Exams) -> None:
    shared = await exams.with_accession(number)
    crowded = len(set(shared.values())) > 1
    if crowded and exam.exam_id in shared:
        await exams.raise_once(
            Raised(
                event_id=envelope.id,
                kind=Kind.DUPLICATE_ACCESSION,
                key=exam.exam_id,
                site=fact.site,
                since=envelope.time,
                summary=SUMMARY,
            )
        )
        return
    for exam_id in sorted({exam.exam_id} if crowded else {exam.exam_id, *shared}):
        await exams.end_exception(Kind.DUPLICATE_ACCESSION, exam_id)


def _number(exam: Exam) -> Identifier | None:
    return exam.order.accession_number if exam.order else None
