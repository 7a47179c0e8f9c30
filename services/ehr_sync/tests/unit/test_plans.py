"""What image managers and calendars are told of a plan, as it follows from the plan before it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import pytest
from ehr_sync_service import plans
from ehr_sync_service.domain.telling import Receiver
from ehr_sync_service.post import Post
from fj_events import (
    AppointmentNews,
    DeliveryKind,
    Envelope,
    ExamCancelled,
    ExamCompleted,
    ExamDiscontinued,
    ExamMissed,
    ExamRescheduled,
    ExamScheduled,
    ExamStarted,
    Fact,
)

from services.ehr_sync.tests.builders import Exam
from services.ehr_sync.tests.unit.stores import MemoryLedger, MemoryProjection

EXAM = Exam("PL1", order_id=UUID(int=11))
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
BOOKED, MOVED, KEPT, GIVEN_UP = (
    AppointmentNews.BOOKED,
    AppointmentNews.MOVED,
    AppointmentNews.KEPT,
    AppointmentNews.GIVEN_UP,
)
WISHES = {DeliveryKind.PROCEDURES: (Receiver("pacs", "2.3.1"),), DeliveryKind.APPOINTMENTS: (Receiver("calendar"),)}


async def told(*said: Fact) -> tuple[list[str], list[str]]:
    """What the image manager and the calendar are told by an exam's facts, in their order."""
    projection, ledger = MemoryProjection(), MemoryLedger()
    post = Post(ledger, WISHES)
    for number, fact in enumerate(said, start=1):
        cause = Envelope(
            id=uuid5(UUID(int=1), str(number)),
            type=fact.fact_type,
            source="/filmjacket/test",
            time=NOON + timedelta(seconds=number),
            subject=fact.key,
            site=fact.site,
            sequence=number,
        )
        match fact:
            case ExamScheduled() | ExamRescheduled():
                await plans.on_planned(fact, cause, projection, post)
            case ExamCancelled():
                await plans.on_plan_cancelled(fact, cause, projection, post)
            case ExamMissed():
                await plans.on_missed(fact, cause, projection, post)
            case ExamStarted() | ExamCompleted() | ExamDiscontinued():
                await plans.on_performed(fact, cause, projection, post)
    deliveries = list(ledger.deliveries.values())
    assert {one.queue for one in deliveries} <= {str(EXAM.order_id)}
    return (
        [f"{one.telling.control} {one.telling.status}" for one in deliveries if one.destination == "pacs"],
        [one.telling.control for one in deliveries if one.destination == "calendar"],
    )


@pytest.mark.parametrize(
    ("said", "procedures"),
    [
        ([EXAM.scheduled(), EXAM.rescheduled(hour=10)], ["NW SC", "XO SC"]),
        ([EXAM.scheduled(), EXAM.started(), EXAM.performed()], ["NW SC", "XO CM"]),
        ([EXAM.scheduled(), EXAM.started(), EXAM.discontinued()], ["NW SC", "DC CA"]),
        ([EXAM.scheduled(), EXAM.unscheduled()], ["NW SC", "CA CA"]),
        # The exam wins over a cancel: the image manager has to know the order again.
        (
            [EXAM.scheduled(), EXAM.unscheduled(), EXAM.started(), EXAM.performed()],
            ["NW SC", "CA CA", "NW IP", "XO CM"],
        ),
        # Another Study Instance UID is one that nobody was told of.
        ([EXAM.scheduled(), EXAM.rescheduled(study_instance_uid="2.25.77")], ["NW SC", "NW SC"]),
        # Of what nobody was told, nobody is told the end.
        ([EXAM.started(), EXAM.performed(), EXAM.unscheduled()], []),
    ],
)
async def test_image_managers_are_told_of_every_change(said: list[Fact], procedures: list[str]) -> None:
    assert (await told(*said))[0] == procedures


@pytest.mark.parametrize(
    ("said", "appointments"),
    [
        ([EXAM.scheduled(), EXAM.rescheduled(hour=10)], []),
        ([EXAM.scheduled(), EXAM.rescheduled(BOOKED)], ["S12"]),
        ([EXAM.scheduled(), EXAM.rescheduled(BOOKED), EXAM.rescheduled(MOVED, hour=10)], ["S12", "S13"]),
        ([EXAM.scheduled(), EXAM.rescheduled(BOOKED), EXAM.rescheduled(KEPT, priority="STAT")], ["S12", "S14"]),
        ([EXAM.scheduled(), EXAM.rescheduled(BOOKED), EXAM.rescheduled(GIVEN_UP)], ["S12", "S15"]),
        ([EXAM.scheduled(), EXAM.rescheduled(BOOKED), EXAM.unscheduled()], ["S12", "S15"]),
        ([EXAM.scheduled(), EXAM.rescheduled(KEPT), EXAM.missed(), EXAM.rescheduled(BOOKED)], ["S14", "S26", "S12"]),
        ([EXAM.scheduled(), EXAM.rescheduled(BOOKED), EXAM.missed(), EXAM.unscheduled()], ["S12", "S26"]),
        ([EXAM.scheduled(), EXAM.missed()], []),
    ],
)
async def test_calendars_are_told_of_appointments_and_of_no_plan_that_is_none(
    said: list[Fact], appointments: list[str]
) -> None:
    assert (await told(*said))[1] == appointments
