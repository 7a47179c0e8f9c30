"""Which facts `ehr_sync` listens to, and the handler of each."""

from collections.abc import Callable

from fj_bus import Consumer, Tx
from fj_events import (
    Envelope,
    ExamCancelled,
    ExamCompleted,
    ExamDiscontinued,
    ExamMissed,
    ExamPutBack,
    ExamRescheduled,
    ExamScheduled,
    ExamStarted,
    OrderCancelled,
    OrderChanged,
    OrderCompleted,
    OrderHeld,
    OrderPlaced,
    OrderReinstated,
    OrderReleased,
    OrderReopened,
    PatientMerged,
    PatientRegistered,
    PatientUnmerged,
    PatientUpdated,
    ReportAmended,
    ReportFinalized,
    ReportPreliminary,
    ReportRetracted,
    StudyAvailable,
    StudyMatched,
    StudyRecalled,
    StudyReceived,
    StudyReinstated,
    StudyRejected,
    StudyRelinked,
    StudyRemoved,
    StudyRetired,
    StudyUnmatched,
    StudyUpdated,
)
from fj_survivors import follow, follow_links, follow_visit

from ehr_sync_service import handlers, plans
from ehr_sync_service.domain.plan import Performed
from ehr_sync_service.domain.records import Report, StudyShown
from ehr_sync_service.ports import Ledger, Projection
from ehr_sync_service.post import Post, Wishes


def subscribe(
    consumer: Consumer, projection: Callable[[Tx], Projection], ledger: Callable[[Tx], Ledger], wishes: Wishes
) -> None:
    """Bind every fact. `wishes`: which destinations want which kind of message."""

    def post(tx: Tx) -> Post:
        return Post(ledger(tx), wishes)

    _subscribe_to_records(consumer, projection)
    _subscribe_to_patients(consumer, projection, post)
    _subscribe_to_exams(consumer, projection, post)

    async def order(fact: OrderPlaced | OrderChanged, tx: Tx) -> None:
        await handlers.on_order(fact, _cause(tx), projection(tx), post(tx))

    consumer.on(OrderPlaced)(order)

    @consumer.on(OrderChanged)
    async def _(fact: OrderChanged, tx: Tx) -> None:
        await order(fact, tx)
        follow_visit(fact, consumer, tx)

    @consumer.on(OrderCancelled)
    async def _(fact: OrderCancelled, tx: Tx) -> None:
        await handlers.on_order_cancelled(fact, _cause(tx), projection(tx), post(tx))

    @consumer.on(OrderReinstated)
    async def _(fact: OrderReinstated, tx: Tx) -> None:
        await handlers.on_order_reinstated(fact, _cause(tx), projection(tx), post(tx))

    async def order_paused(fact: OrderHeld | OrderReleased, tx: Tx) -> None:
        await handlers.on_order_paused(fact, _cause(tx), projection(tx), post(tx))

    consumer.on(OrderHeld)(order_paused)
    consumer.on(OrderReleased)(order_paused)

    async def report(fact: Report, tx: Tx) -> None:
        await handlers.on_report(fact, _cause(tx), projection(tx), post(tx))

    consumer.on(ReportPreliminary)(report)
    consumer.on(ReportFinalized)(report)
    consumer.on(ReportAmended)(report)
    consumer.on(ReportRetracted)(report)


def _subscribe_to_patients(
    consumer: Consumer, projection: Callable[[Tx], Projection], post: Callable[[Tx], Post]
) -> None:
    async def patient(fact: PatientRegistered | PatientUpdated, tx: Tx) -> None:
        await handlers.on_patient(fact, _cause(tx), projection(tx), post(tx))

    consumer.on(PatientRegistered)(patient)
    consumer.on(PatientUpdated)(patient)

    async def followed(fact: PatientMerged | PatientUnmerged, tx: Tx) -> None:
        if isinstance(fact, PatientMerged):
            await handlers.on_patient_merged(fact, _cause(tx), projection(tx), post(tx))
        else:
            await handlers.on_patient_unmerged(fact, _cause(tx), projection(tx), post(tx))

    follow(consumer, followed)
    follow_links(consumer)


def _subscribe_to_exams(consumer: Consumer, projection: Callable[[Tx], Projection], post: Callable[[Tx], Post]) -> None:
    async def planned(fact: ExamScheduled | ExamRescheduled, tx: Tx) -> None:
        await plans.on_planned(fact, _cause(tx), projection(tx), post(tx))

    consumer.on(ExamScheduled)(planned)
    consumer.on(ExamRescheduled)(planned)

    async def performed(fact: Performed, tx: Tx) -> None:
        await handlers.on_exam_moved(fact, _cause(tx), post(tx))
        await plans.on_performed(fact, _cause(tx), projection(tx), post(tx))

    consumer.on(ExamStarted)(performed)
    consumer.on(ExamCompleted)(performed)
    consumer.on(ExamDiscontinued)(performed)

    @consumer.on(ExamPutBack)
    async def _(fact: ExamPutBack, tx: Tx) -> None:
        await handlers.on_exam_moved(fact, _cause(tx), post(tx))
        await plans.on_planned(fact, _cause(tx), projection(tx), post(tx))

    @consumer.on(ExamCancelled)
    async def _(fact: ExamCancelled, tx: Tx) -> None:
        await plans.on_plan_cancelled(fact, _cause(tx), projection(tx), post(tx))

    @consumer.on(ExamMissed)
    async def _(fact: ExamMissed, tx: Tx) -> None:
        await plans.on_missed(fact, _cause(tx), projection(tx), post(tx))


def _subscribe_to_records(consumer: Consumer, projection: Callable[[Tx], Projection]) -> None:
    """The facts that are only kept to be read."""

    async def order_moved(fact: OrderCompleted | OrderReopened, tx: Tx) -> None:
        await handlers.on_order_moved(fact, _cause(tx), projection(tx))

    consumer.on(OrderCompleted)(order_moved)
    consumer.on(OrderReopened)(order_moved)

    async def study(fact: StudyReceived | StudyAvailable | StudyUpdated, tx: Tx) -> None:
        await handlers.on_study(fact, _cause(tx), projection(tx))

    consumer.on(StudyReceived)(study)
    consumer.on(StudyAvailable)(study)
    consumer.on(StudyUpdated)(study)

    async def shown(fact: StudyShown, tx: Tx) -> None:
        await handlers.on_study_shown(fact, _cause(tx), projection(tx))

    consumer.on(StudyRejected)(shown)
    consumer.on(StudyReinstated)(shown)
    consumer.on(StudyRecalled)(shown)

    async def withdrawn(fact: StudyRetired | StudyRemoved, tx: Tx) -> None:
        await handlers.on_study_withdrawn(fact, _cause(tx), projection(tx))

    consumer.on(StudyRetired)(withdrawn)
    consumer.on(StudyRemoved)(withdrawn)

    @consumer.on(StudyMatched)
    async def _(fact: StudyMatched, tx: Tx) -> None:
        await handlers.on_study_matched(fact, _cause(tx), projection(tx))

    @consumer.on(StudyUnmatched)
    async def _(fact: StudyUnmatched, tx: Tx) -> None:
        await handlers.on_study_unmatched(fact, _cause(tx), projection(tx))

    @consumer.on(StudyRelinked)
    async def _(fact: StudyRelinked, tx: Tx) -> None:
        await handlers.on_study_relinked(fact, _cause(tx), projection(tx))


def _cause(tx: Tx) -> Envelope:
    if tx.cause is None:
        raise ValueError("a fact from the log has an envelope")
    return tx.cause
