"""Which facts `reporting` listens to, and the handler of each."""

from collections.abc import Callable

from fj_bus import Consumer, Tx
from fj_events import (
    ExamCompleted,
    ExamDiscontinued,
    ExamPutBack,
    ExamStarted,
    OrderChanged,
    OrderPlaced,
    PatientRegistered,
    PatientUpdated,
    PriorityRaised,
    StudyAvailable,
    StudyMatched,
    StudyReceived,
    StudyRelinked,
    StudyUnmatched,
    StudyUpdated,
)
from fj_survivors import follow, follow_visit

from reporting_service import handlers
from reporting_service.ports import Reports


def subscribe(consumer: Consumer, reports: Callable[[Tx], Reports]) -> None:
    """Bind every fact."""
    _what_is_asked_for(consumer, reports)
    _what_was_made(consumer, reports)
    _how_far_the_exam_is(consumer, reports)
    follow(consumer)


def _what_is_asked_for(consumer: Consumer, reports: Callable[[Tx], Reports]) -> None:
    @consumer.on(OrderPlaced)
    async def _(fact: OrderPlaced, tx: Tx) -> None:
        await handlers.on_order(fact, reports(tx))

    @consumer.on(OrderChanged)
    async def _(fact: OrderChanged, tx: Tx) -> None:
        await handlers.on_order(fact, reports(tx))
        follow_visit(fact, consumer, tx)

    @consumer.on(PatientRegistered)
    async def _(fact: PatientRegistered, tx: Tx) -> None:
        await handlers.on_patient(fact, reports(tx))

    @consumer.on(PatientUpdated)
    async def _(fact: PatientUpdated, tx: Tx) -> None:
        await handlers.on_patient(fact, reports(tx))


def _what_was_made(consumer: Consumer, reports: Callable[[Tx], Reports]) -> None:
    @consumer.on(StudyReceived)
    async def _(fact: StudyReceived, tx: Tx) -> None:
        await handlers.on_study(fact, reports(tx))

    @consumer.on(StudyAvailable)
    async def _(fact: StudyAvailable, tx: Tx) -> None:
        await handlers.on_study(fact, reports(tx))

    @consumer.on(StudyUpdated)
    async def _(fact: StudyUpdated, tx: Tx) -> None:
        await handlers.on_study(fact, reports(tx))

    @consumer.on(StudyMatched)
    async def _(fact: StudyMatched, tx: Tx) -> None:
        await handlers.on_matched(fact, reports(tx))

    @consumer.on(StudyUnmatched)
    async def _(fact: StudyUnmatched, tx: Tx) -> None:
        await handlers.on_unmatched(fact, reports(tx))

    @consumer.on(StudyRelinked)
    async def _(fact: StudyRelinked, tx: Tx) -> None:
        await handlers.on_relinked(fact, reports(tx))

    @consumer.on(PriorityRaised)
    async def _(fact: PriorityRaised, tx: Tx) -> None:
        await handlers.on_priority_raised(fact, reports(tx))


def _how_far_the_exam_is(consumer: Consumer, reports: Callable[[Tx], Reports]) -> None:
    @consumer.on(ExamStarted)
    async def _(fact: ExamStarted, tx: Tx) -> None:
        await handlers.on_exam_moved(fact.order_id, "started", reports(tx))

    @consumer.on(ExamCompleted)
    async def _(fact: ExamCompleted, tx: Tx) -> None:
        await handlers.on_exam_moved(fact.order_id, "completed", reports(tx))

    @consumer.on(ExamDiscontinued)
    async def _(fact: ExamDiscontinued, tx: Tx) -> None:
        await handlers.on_exam_moved(fact.order_id, "discontinued", reports(tx))

    @consumer.on(ExamPutBack)
    async def _(fact: ExamPutBack, tx: Tx) -> None:
        if fact.state == "SCHEDULED":
            await handlers.on_exam_moved(fact.order_id, "scheduled", reports(tx))
