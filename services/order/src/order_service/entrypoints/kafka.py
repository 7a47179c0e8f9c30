"""Which facts `order` listens to, and the handler of each."""

from collections.abc import Callable

from fj_bus import Consumer, Tx
from fj_events import (
    DeliveryDelivered,
    ExamCancelRefused,
    ExamCompleted,
    ExamDiscontinued,
    ExamStarted,
    ReportAmended,
    ReportFinalized,
)

from order_service import handlers
from order_service.domain.life import Act
from order_service.ports import Orders


def subscribe(consumer: Consumer, orders: Callable[[Tx], Orders], wanted_by: tuple[str, ...]) -> None:
    """Bind every fact. `wanted_by`: the destinations that an order waits for."""

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

    @consumer.on(ReportFinalized)
    async def _(fact: ReportFinalized, tx: Tx) -> None:
        await handlers.on_report_final(fact, wanted_by, orders(tx))

    @consumer.on(ReportAmended)
    async def _(fact: ReportAmended, tx: Tx) -> None:
        await handlers.on_report_final(fact, wanted_by, orders(tx))

    @consumer.on(DeliveryDelivered)
    async def _(fact: DeliveryDelivered, tx: Tx) -> None:
        await handlers.on_delivered(fact, wanted_by, orders(tx))
