"""Which facts `order` listens to, and the handler of each."""

from collections.abc import Callable

from fj_bus import Consumer, Tx
from fj_events import (
    DeliveryDelivered,
    ExamCancelRefused,
    ExamCompleted,
    ExamDiscontinued,
    ExamPutBack,
    ExamStarted,
    PatientVisitMoved,
    PatientVisitRenumbered,
    ReportAmended,
    ReportFinalized,
    ReportRetracted,
    StudyRelinked,
)
from fj_survivors import Moved, follow

from order_service import commands, handlers, visits
from order_service.domain.life import Act
from order_service.ports import Orders


def subscribe(consumer: Consumer, orders: Callable[[Tx], Orders], wanted_by: tuple[str, ...]) -> None:
    """Bind every fact. `wanted_by`: the destinations that an order waits for."""
    _whose_it_is(consumer, orders)
    _what_becomes_of_the_exam(consumer, orders)
    _what_was_not_its_own(consumer, orders)
    _what_completes_it(consumer, orders, wanted_by)


def _whose_it_is(consumer: Consumer, orders: Callable[[Tx], Orders]) -> None:
    async def moved(fact: Moved, tx: Tx) -> None:
        await visits.on_patient_moved(fact, orders(tx))

    follow(consumer, moved)

    @consumer.on(PatientVisitMoved)
    async def _(fact: PatientVisitMoved, tx: Tx) -> None:
        await visits.on_visit_moved(fact, consumer.bus.service, orders(tx))

    @consumer.on(PatientVisitRenumbered)
    async def _(fact: PatientVisitRenumbered, tx: Tx) -> None:
        await visits.on_visit_renumbered(fact, consumer.bus.service, orders(tx))


def _what_was_not_its_own(consumer: Consumer, orders: Callable[[Tx], Orders]) -> None:
    @consumer.on(ExamPutBack)
    async def _(fact: ExamPutBack, tx: Tx) -> None:
        await handlers.on_exam_put_back(fact, orders(tx))

    @consumer.on(StudyRelinked)
    async def _(fact: StudyRelinked, tx: Tx) -> None:
        await handlers.on_study_relinked(fact, orders(tx))

    @consumer.on(ReportRetracted)
    async def _(fact: ReportRetracted, tx: Tx) -> None:
        await handlers.on_report_retracted(fact, orders(tx))


def _what_becomes_of_the_exam(consumer: Consumer, orders: Callable[[Tx], Orders]) -> None:
    @consumer.on(ExamStarted)
    async def _(fact: ExamStarted, tx: Tx) -> None:
        await handlers.on_exam_moved(fact.order_id, Act.START, orders(tx))

    @consumer.on(ExamCompleted)
    async def _(fact: ExamCompleted, tx: Tx) -> None:
        await handlers.on_exam_moved(fact.order_id, Act.PERFORM, orders(tx))

    @consumer.on(ExamDiscontinued)
    async def _(fact: ExamDiscontinued, tx: Tx) -> None:
        await handlers.on_exam_moved(fact.order_id, Act.DISCONTINUE, orders(tx))

    @consumer.on(ExamCancelRefused)
    async def _(fact: ExamCancelRefused, tx: Tx) -> None:
        refused_fact = tx.cause.causation_id if tx.cause else None
        await handlers.on_exam_cancel_refused(fact, refused_fact, orders(tx))


def _what_completes_it(consumer: Consumer, orders: Callable[[Tx], Orders], wanted_by: tuple[str, ...]) -> None:
    @consumer.on(ReportFinalized)
    async def _(fact: ReportFinalized, tx: Tx) -> None:
        await handlers.on_report_final(fact, wanted_by, orders(tx))

    @consumer.on(ReportAmended)
    async def _(fact: ReportAmended, tx: Tx) -> None:
        await handlers.on_report_final(fact, wanted_by, orders(tx))

    @consumer.on(DeliveryDelivered)
    async def _(fact: DeliveryDelivered, tx: Tx) -> None:
        await handlers.on_delivered(fact, wanted_by, orders(tx))
        await commands.take_number(fact, orders(tx))
