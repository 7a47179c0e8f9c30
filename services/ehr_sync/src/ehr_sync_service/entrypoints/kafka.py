"""Which facts `ehr_sync` listens to, and the handler of each."""

from collections.abc import Callable

from fj_bus import Consumer, Tx
from fj_events import (
    Envelope,
    ExamCompleted,
    ExamDiscontinued,
    ExamPutBack,
    ExamStarted,
    OrderCancelled,
    OrderChanged,
    OrderCompleted,
    OrderHeld,
    OrderPlaced,
    OrderReinstated,
    OrderReleased,
    OrderReopened,
    PatientRegistered,
    PatientUpdated,
    ReportAmended,
    ReportFinalized,
    ReportPreliminary,
    ReportRetracted,
    StudyAvailable,
    StudyMatched,
    StudyReceived,
    StudyRelinked,
    StudyUpdated,
)
from fj_survivors import follow

from ehr_sync_service import handlers
from ehr_sync_service.domain.records import Report
from ehr_sync_service.handlers import Wishes
from ehr_sync_service.ports import Ledger, Projection


def subscribe(
    consumer: Consumer, projection: Callable[[Tx], Projection], ledger: Callable[[Tx], Ledger], wishes: Wishes
) -> None:
    """Bind every fact. `wishes`: which destinations want which kind of message."""
    _subscribe_to_records(consumer, projection)
    follow(consumer)

    @consumer.on(OrderCancelled)
    async def _(fact: OrderCancelled, tx: Tx) -> None:
        await handlers.on_order_cancelled(fact, _cause(tx), projection(tx), ledger(tx), wishes)

    @consumer.on(OrderReinstated)
    async def _(fact: OrderReinstated, tx: Tx) -> None:
        await handlers.on_order_reinstated(fact, _cause(tx), projection(tx), ledger(tx), wishes)

    async def exam_moved(fact: ExamStarted | ExamCompleted | ExamDiscontinued | ExamPutBack, tx: Tx) -> None:
        await handlers.on_exam_moved(fact, _cause(tx), ledger(tx), wishes)

    consumer.on(ExamStarted)(exam_moved)
    consumer.on(ExamCompleted)(exam_moved)
    consumer.on(ExamDiscontinued)(exam_moved)
    consumer.on(ExamPutBack)(exam_moved)

    async def report(fact: Report, tx: Tx) -> None:
        await handlers.on_report(fact, _cause(tx), projection(tx), ledger(tx), wishes)

    consumer.on(ReportPreliminary)(report)
    consumer.on(ReportFinalized)(report)
    consumer.on(ReportAmended)(report)
    consumer.on(ReportRetracted)(report)


def _subscribe_to_records(consumer: Consumer, projection: Callable[[Tx], Projection]) -> None:
    """The facts that are only kept to be read."""

    async def patient(fact: PatientRegistered | PatientUpdated, tx: Tx) -> None:
        await handlers.on_patient(fact, _cause(tx), projection(tx))

    consumer.on(PatientRegistered)(patient)
    consumer.on(PatientUpdated)(patient)

    async def order(fact: OrderPlaced | OrderChanged, tx: Tx) -> None:
        await handlers.on_order(fact, _cause(tx), projection(tx))

    consumer.on(OrderPlaced)(order)
    consumer.on(OrderChanged)(order)

    async def order_moved(fact: OrderHeld | OrderReleased | OrderCompleted | OrderReopened, tx: Tx) -> None:
        await handlers.on_order_moved(fact, _cause(tx), projection(tx))

    consumer.on(OrderHeld)(order_moved)
    consumer.on(OrderReleased)(order_moved)
    consumer.on(OrderCompleted)(order_moved)
    consumer.on(OrderReopened)(order_moved)

    async def study(fact: StudyReceived | StudyAvailable | StudyUpdated, tx: Tx) -> None:
        await handlers.on_study(fact, _cause(tx), projection(tx))

    consumer.on(StudyReceived)(study)
    consumer.on(StudyAvailable)(study)
    consumer.on(StudyUpdated)(study)

    @consumer.on(StudyMatched)
    async def _(fact: StudyMatched, tx: Tx) -> None:
        await handlers.on_study_matched(fact, _cause(tx), projection(tx))

    @consumer.on(StudyRelinked)
    async def _(fact: StudyRelinked, tx: Tx) -> None:
        await handlers.on_study_relinked(fact, _cause(tx), projection(tx))


def _cause(tx: Tx) -> Envelope:
    if tx.cause is None:
        raise ValueError("a fact from the log has an envelope")
    return tx.cause
