"""Orders of two patients under one accession number: told when the second one comes, gone when one of them goes.

Two patients who turn out to be one have nothing that must be told apart; two who are told apart again have.
"""

from typing import Final
from uuid import UUID, uuid5

from fj_events import Envelope, Fact, Identifier, PatientMerged, PatientUnmerged

from portal_service.domain.exam import Exam
from portal_service.domain.exceptions import Kind, Raised
from portal_service.ports import Exams

SUMMARY: Final = "an order of another patient has the same accession number"


async def look(before: Exam, after: Exam, fact: Fact, envelope: Envelope, exams: Exams) -> None:
    """An order came or changed: look at those that share its number, and at those that shared the one it had."""
    if fact.topic != "order-events":
        return
    for number in dict.fromkeys((_number(before), _number(after))):
        if number is not None:
            await _compare(number, after, fact, envelope, exams)


async def look_again(fact: PatientMerged | PatientUnmerged, envelope: Envelope, exams: Exams) -> None:
    """A number is somebody else's now: look at what shares an accession number with one of its orders."""
    for exam_id, number in (await exams.ordered_for(fact.patient_id)).items():
        shared = await exams.with_accession(number, fact.patient_id)
        if len(set(shared.values())) > 1:
            # One fact may part several pairs of orders: each is an entry of its own.
            await exams.raise_once(_entry(uuid5(envelope.id, exam_id), exam_id, fact, envelope))
        else:
            for other in sorted(shared):
                await exams.end_exception(Kind.DUPLICATE_ACCESSION, other)


async def _compare(number: Identifier, exam: Exam, fact: Fact, envelope: Envelope, exams: Exams) -> None:
    shared = await exams.with_accession(number, exam.whose)
    crowded = len(set(shared.values())) > 1
    if crowded and exam.exam_id in shared:
        await exams.raise_once(_entry(envelope.id, exam.exam_id, fact, envelope))
        return
    for exam_id in sorted({exam.exam_id} if crowded else {exam.exam_id, *shared}):
        await exams.end_exception(Kind.DUPLICATE_ACCESSION, exam_id)


def _entry(event_id: UUID, exam_id: str, fact: Fact, envelope: Envelope) -> Raised:
    return Raised(
        event_id=event_id,
        kind=Kind.DUPLICATE_ACCESSION,
        key=exam_id,
        site=fact.site,
        since=envelope.time,
        summary=SUMMARY,
    )


def _number(exam: Exam) -> Identifier | None:
    return exam.order.accession_number if exam.order else None
