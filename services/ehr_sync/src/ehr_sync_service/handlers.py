"""When this happens, do that: one function per fact, command or outcome."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from uuid import UUID

from fj_events import (
    DeliveryKind,
    Envelope,
    ExamCompleted,
    ExamDiscontinued,
    ExamPutBack,
    ExamStarted,
    Fact,
    OrderCancelled,
    OrderChanged,
    OrderCompleted,
    OrderHeld,
    OrderPlaced,
    OrderReinstated,
    OrderReleased,
    OrderReopened,
    PatientMerged,
    PatientPhi,
    PatientRegistered,
    PatientUnmerged,
    PatientUpdated,
    Source,
    StudyAvailable,
    StudyMatched,
    StudyReceived,
    StudyRelinked,
    StudyRemoved,
    StudyRetired,
    StudyUnmatched,
    StudyUpdated,
    WorkSettledAs,
)

from ehr_sync_service.domain import delivery as domain
from ehr_sync_service.domain import records
from ehr_sync_service.domain.correction import Result, corrections, misnamed
from ehr_sync_service.domain.delivery import Accepted, Delivery, Failure, Policy, State
from ehr_sync_service.domain.errors import NoSuchDelivery
from ehr_sync_service.domain.given_up import given_up, settled
from ehr_sync_service.domain.records import OrderRecord, Report, StudyShown
from ehr_sync_service.domain.repetition import repetitions
from ehr_sync_service.domain.telling import telling_of
from ehr_sync_service.ports import Ledger, Projection
from ehr_sync_service.post import Post


async def on_patient(
    fact: PatientRegistered | PatientUpdated, cause: Envelope, projection: Projection, post: Post
) -> None:
    """A patient became known or changed. Of a change those are told who follow patients (IHE RAD-12)."""
    await projection.save_patient(records.patient_of(fact, cause))
    if isinstance(fact, PatientUpdated) and not fact.provisional:
        await post.tell(telling_of(fact), fact, cause)


async def on_patient_merged(fact: PatientMerged, cause: Envelope, projection: Projection, post: Post) -> None:
    """A number is somebody else's now. Of one that was given away since, a merge would drag its new owner along."""
    if fact.until is None and fact.survivor_id != fact.patient_id:
        await post.tell(telling_of(fact), fact, cause)
        await _correct_misnamed(fact.patient_id, None, cause, projection, post)


async def on_patient_unmerged(fact: PatientUnmerged, cause: Envelope, projection: Projection, post: Post) -> None:
    """A number stands for itself again. Of one that was given to somebody else its registration has told.

    Results of the number that were told of whom it was merged into are taken back there, and told anew; image managers
    hear once more of the plans of its orders.
    """
    if fact.until is not None:
        return
    await post.tell(telling_of(fact), fact, cause)
    await _correct_misnamed(fact.patient_id, fact.survivor_id, cause, projection, post)
    receivers = post.wishes.get(DeliveryKind.PROCEDURES, ())
    procedures = await post.ledger.procedures(fact.patient_id) if receivers else ()
    for each in repetitions(procedures, cause, receivers, datetime.now(UTC)):
        await post.ledger.add(each)


async def _correct_misnamed(
    patient_id: UUID, unsure: UUID | None, cause: Envelope, projection: Projection, post: Post
) -> None:
    """Results of a number that were told of somebody who it does not stand for any more; see `misnamed`."""
    for order_id in await post.ledger.with_results(patient_id):
        for named, results in misnamed(await post.ledger.results(order_id), unsure).items():
            former = await projection.whom(named, cause.time)
            if former is not None:
                await _correct(results, former.patient, cause, post)


async def on_order(fact: OrderPlaced | OrderChanged, cause: Envelope, projection: Projection, post: Post) -> None:
    """An order was placed or changed. Deliveries that waited for it are found by the couriers.

    For one that was born here a placer is asked for its number (IHE RAD-3, SN).
    """
    known = await projection.order(fact.order_id)
    await projection.save_order(records.order_of(known, fact, cause))
    if known is not None and known.details.patient_id != fact.patient_id:
        await _correct_results(known, cause, projection, post)
    if isinstance(fact, OrderPlaced) and fact.placer_order_number is None:
        await post.tell(telling_of(fact), fact, cause)


async def _correct_results(before: OrderRecord, cause: Envelope, projection: Projection, post: Post) -> None:
    """An order went to another patient: who has its results of the former one hears that they are not theirs."""
    former = await projection.whom(before.details.patient_id, before.placed_at)
    named = former.patient if former and not former.provisional else before.details.patient
    await _correct(await post.ledger.results(before.order_id), named, cause, post)


async def _correct(results: Iterable[Result], former: PatientPhi, cause: Envelope, post: Post) -> None:
    receivers = post.wishes.get(DeliveryKind.RESULTS, ())
    for each in corrections(results, former, cause, receivers, datetime.now(UTC)):
        await post.ledger.add(each)


async def on_order_cancelled(fact: OrderCancelled, cause: Envelope, projection: Projection, post: Post) -> None:
    """The order was taken back. The placer is told where it did not do so itself."""
    known = await _move_order(fact, cause, projection)
    if _is_news(fact.actor, known):
        await post.tell(telling_of(fact), fact, cause)


async def on_order_reinstated(fact: OrderReinstated, cause: Envelope, projection: Projection, post: Post) -> None:
    """The exam won over a cancel, change or hold: the placer is told that it could not be done."""
    await _move_order(fact, cause, projection)
    await post.tell(telling_of(fact), fact, cause)


async def on_order_paused(fact: OrderHeld | OrderReleased, cause: Envelope, projection: Projection, post: Post) -> None:
    """An order is on hold or released. The placer is told where it did not do so itself."""
    known = await _move_order(fact, cause, projection)
    if _is_news(fact.actor, known):
        await post.tell(telling_of(fact), fact, cause)


async def on_order_moved(fact: OrderCompleted | OrderReopened, cause: Envelope, projection: Projection) -> None:
    """An order is complete or open again: what the placer is not told by a message."""
    await _move_order(fact, cause, projection)


async def on_exam_moved(
    fact: ExamStarted | ExamCompleted | ExamDiscontinued | ExamPutBack, cause: Envelope, post: Post
) -> None:
    """The exam started, ended, or did not start after all: the placer of its order is told, where there is one."""
    if fact.order_id is not None:
        await post.tell(telling_of(fact), fact, cause)


async def on_study(
    fact: StudyReceived | StudyAvailable | StudyUpdated, cause: Envelope, projection: Projection
) -> None:
    """Images arrived, or their study is complete."""
    known = await projection.study(fact.study_instance_uid)
    await projection.save_study(records.study_of(known, fact, cause))


async def on_study_shown(fact: StudyShown, cause: Envelope, projection: Projection) -> None:
    """More or less of the study is shown than before."""
    known = await projection.study(fact.study_instance_uid)
    if known is not None:
        await projection.save_study(records.study_shown(known, fact, cause))


async def on_study_withdrawn(fact: StudyRetired | StudyRemoved, cause: Envelope, projection: Projection) -> None:
    """The study is hidden or gone. Where some of it is left, only that goes which was rejected before."""
    known = await projection.study(fact.study_instance_uid)
    if known is not None and not fact.number_left:
        await projection.save_study(records.study_withdrawn(known, cause))


async def on_study_matched(fact: StudyMatched, cause: Envelope, projection: Projection) -> None:
    """The study belongs to an order."""
    known = await projection.study(fact.study_instance_uid)
    if known is not None:
        await projection.save_study(records.study_matched(known, fact, cause))


async def on_study_unmatched(fact: StudyUnmatched, cause: Envelope, projection: Projection) -> None:
    """No order fits the study; one that shows somebody else than its number is of is in no record."""
    known = await projection.study(fact.study_instance_uid)
    if known is not None:
        await projection.save_study(records.study_unmatched(known, fact, cause))


async def on_study_relinked(fact: StudyRelinked, cause: Envelope, projection: Projection) -> None:
    """A person said to which order the study belongs."""
    known = await projection.study(fact.study_instance_uid)
    if known is not None:
        await projection.save_study(records.study_relinked(known, fact, cause))


async def on_report(fact: Report, cause: Envelope, projection: Projection, post: Post) -> None:
    """A version of a report is there: every destination that wants results gets every version."""
    await projection.save_report(records.report_of(fact, cause))
    await post.tell(telling_of(fact), fact, cause)


async def conclude(
    delivery_id: UUID,
    outcome: Failure | Accepted,
    now: datetime,
    policy: Policy,
    ledger: Ledger,
) -> Delivery | None:
    """An attempt ended, without a failure or with one. None: the delivery was closed by somebody else meanwhile."""
    before = await ledger.take(delivery_id)
    if before is None or before.state is not State.PENDING:
        return None
    if isinstance(outcome, Failure):
        after = domain.failed(before, outcome, now, policy)
        fact = domain.said(before, after, outcome.reason)
    else:
        after = domain.succeeded(before)
        fact = domain.said(before, after, "", outcome)
    await _keep(after, fact, ledger)
    if after.state is State.ABANDONED:
        ledger.emit(given_up(after, outcome.reason if isinstance(outcome, Failure) else ""))
    return after


async def known_delivery(delivery_id: UUID, ledger: Ledger) -> Delivery:
    """A delivery, as it is now. Raises NoSuchDelivery."""
    found = await ledger.take(delivery_id)
    if found is None:
        raise NoSuchDelivery(delivery_id)
    return found


async def repeat(delivery_id: UUID, actor: str, reason: str | None, now: datetime, ledger: Ledger) -> Delivery:
    """A person wants a delivery sent again. Raises NoSuchDelivery, AlreadyPending, Superseded."""
    before = await known_delivery(delivery_id, ledger)
    newest = await ledger.newest_delivered(before.destination, before.report[0]) if before.report else None
    after = domain.resent(before, newest, actor, now)
    await ledger.save(after)
    ledger.emit(settled(delivery_id, before.fact.site, WorkSettledAs.REPEATED, reason, actor))
    return after


async def cancel(delivery_id: UUID, actor: str, reason: str | None, ledger: Ledger) -> Delivery:
    """A person says that nothing is to be done about what was given up. Raises NoSuchDelivery, NotAbandoned."""
    before = await known_delivery(delivery_id, ledger)
    after = domain.dismissed(before, actor)
    await ledger.save(after)
    ledger.emit(settled(delivery_id, before.fact.site, WorkSettledAs.CANCELLED, reason, actor))
    return after


async def give_up_lost(now: datetime, policy: Policy, served: Collection[str], ledger: Ledger) -> int:
    """Abandon what nobody could try for too long; how many."""
    lost = await ledger.take_lost(now - policy.age_max, served)
    for before in lost:
        known = before.destination in served
        reason = "what it is about did not become known" if known else "the destination is not configured"
        after = domain.expired(before, reason)
        await _keep(after, domain.said(before, after, reason), ledger)
        ledger.emit(given_up(after, reason))
    return len(lost)


async def _move_order(fact: records.OrderMoved, cause: Envelope, projection: Projection) -> OrderRecord | None:
    known = await projection.order(fact.order_id)
    if known is not None:
        await projection.save_order(records.order_moved(known, fact, cause))
    return known


def _is_news(actor: str | None, order: OrderRecord | None) -> bool:
    """Whether its placer does not know what a person here did to an order."""
    return actor is not None and order is not None and (order.details.source == Source.HL7 or order.adopted)


async def _keep(after: Delivery, fact: Fact | None, ledger: Ledger) -> None:
    await ledger.save(after)
    if fact is not None:
        ledger.emit(fact)
