"""What each fact adds to the picture of its exam: one function per fact, in one table."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from fj_events import (
    DeliveryAbandoned,
    DeliveryDelayed,
    DeliveryDelivered,
    ExamArrived,
    ExamCancelled,
    ExamCompleted,
    ExamDiscontinued,
    ExamNoted,
    ExamPutBack,
    ExamRescheduled,
    ExamScheduled,
    ExamStarted,
    Fact,
    OrderCancelled,
    OrderChanged,
    OrderCompleted,
    OrderDetails,
    OrderPlaced,
    OrderReinstated,
    PriorityRaised,
    RecallCause,
    ReportAmended,
    ReportFinalized,
    ReportPreliminary,
    ReportRetracted,
    StudyAvailable,
    StudyHeld,
    StudyHoldLifted,
    StudyMatched,
    StudyRecalled,
    StudyReceived,
    StudyReinstated,
    StudyRejected,
    StudyRemoved,
    StudyRetired,
    StudyUnmatched,
    StudyUpdated,
)

from portal_service.domain.exam import DELIVERED, DeliverySeen, Exam, Milestone, ReportSeen, StudySeen
from portal_service.domain.relinking import retracted

Fold = Callable[[Exam, Any], Exam]


def fold(exam: Exam, fact: Fact) -> Exam:
    """The picture after this fact. A fact that adds nothing to it only stands on the timeline."""
    return FOLDS.get(type(fact), _nothing)(exam, fact)


def _nothing(exam: Exam, _fact: Fact) -> Exam:
    return exam


def _with(exam: Exam, reached: Milestone = Milestone.NONE, **news: Any) -> Exam:
    return exam.model_copy(update={"reached": max(exam.reached, reached), **news})


def _ordered(exam: Exam, fact: OrderPlaced | OrderChanged) -> Exam:
    details = OrderDetails(**{name: getattr(fact, name) for name in OrderDetails.model_fields})
    return _with(exam, Milestone.ORDERED, site=fact.site, order_id=fact.order_id, order=details)


def _cancelled(exam: Exam, _fact: OrderCancelled | ExamCancelled) -> Exam:
    return _with(exam, cancelled=True)


def _reinstated(exam: Exam, _fact: OrderReinstated) -> Exam:
    return _with(exam, cancelled=False)


def _completed(exam: Exam, _fact: OrderCompleted) -> Exam:
    return _with(exam, completed=True)


def _scheduled(exam: Exam, fact: ExamScheduled | ExamRescheduled) -> Exam:
    return _with(exam, Milestone.SCHEDULED, steps=fact.steps)


def _started(exam: Exam, fact: ExamStarted) -> Exam:
    who = {"patient_id": fact.patient_id, "patient": fact.patient} if fact.patient else {}
    return _with(exam, Milestone.IN_PROGRESS, discontinued=False, waits_again=False, **who)


def _acquired(exam: Exam, _fact: ExamCompleted) -> Exam:
    return _with(exam, Milestone.ACQUIRED)


def _discontinued(exam: Exam, _fact: ExamDiscontinued) -> Exam:
    return _with(exam, discontinued=True)


def _arrived(exam: Exam, _fact: ExamArrived) -> Exam:
    return _with(exam, Milestone.ARRIVED)


def _noted(exam: Exam, fact: ExamNoted) -> Exam:
    return _with(exam, notes=(*exam.notes, f"{fact.actor}: {fact.note.text or 'erased'}"))


def _put_back(exam: Exam, fact: ExamPutBack) -> Exam:
    """What had begun was another exam. Images that are here already are a matter of their own."""
    back = exam.reached
    if fact.state == "SCHEDULED" and back <= Milestone.ACQUIRED:
        back = Milestone.IN_PROGRESS if exam.studies else Milestone.SCHEDULED
    return exam.model_copy(
        update={"reached": back, "discontinued": False, "steps": fact.steps, "waits_again": fact.state == "SCHEDULED"}
    )


def _study(exam: Exam, uid: str, reached: Milestone = Milestone.NONE, **news: Any) -> Exam:
    study = exam.studies.get(uid, StudySeen()).model_copy(update=news)
    return _with(exam, reached, studies={**exam.studies, uid: study})


def _named(fact: StudyReceived | StudyAvailable | StudyUpdated) -> dict[str, Any]:
    return {
        "modalities": fact.modalities,
        "description": fact.description,
        "accession_number": fact.accession_number,
        "patient_id": fact.patient_id,
        "patient": fact.patient,
    }


def _received(exam: Exam, fact: StudyReceived) -> Exam:
    uid = fact.study_instance_uid
    return _study(exam, uid, Milestone.IN_PROGRESS, received_at=fact.received_at, keeping=None, **_named(fact))


def _available(exam: Exam, fact: StudyAvailable) -> Exam:
    return _study(
        exam,
        fact.study_instance_uid,
        Milestone.AVAILABLE,
        available=True,
        number_of_series=fact.number_of_series,
        number_of_instances=fact.number_of_instances,
        completeness=fact.reason,
        **_named(fact),
    )


def _updated(exam: Exam, fact: StudyUpdated) -> Exam:
    return _study(
        exam,
        fact.study_instance_uid,
        number_of_series=fact.number_of_series,
        number_of_instances=fact.number_of_instances,
        **_named(fact),
    )


def _shown(exam: Exam, fact: StudyRejected | StudyReinstated) -> Exam:
    """Instances are those that are shown; how far the exam has come stays."""
    return _study(exam, fact.study_instance_uid, number_of_instances=fact.number_of_instances)


def _held(exam: Exam, fact: StudyHeld) -> Exam:
    return _study(exam, fact.study_instance_uid, keeping="on hold")


def _lifted(exam: Exam, fact: StudyHoldLifted) -> Exam:
    return _study(exam, fact.study_instance_uid, keeping="on hold" if fact.still_held else None)


def _retired(exam: Exam, fact: StudyRetired) -> Exam:
    """It is not shown any more; how far the exam has come stays."""
    day = None if fact.number_left else f"retired, removed after {fact.removal_at:%Y-%m-%d}"
    return _study(exam, fact.study_instance_uid, keeping=day, number_of_instances=fact.number_left)


def _recalled(exam: Exam, fact: StudyRecalled) -> Exam:
    held = "on hold" if fact.cause == RecallCause.HOLD else None
    return _study(exam, fact.study_instance_uid, keeping=held, number_of_instances=fact.number_of_instances)


def _removed(exam: Exam, fact: StudyRemoved) -> Exam:
    if fact.number_left:
        return _study(exam, fact.study_instance_uid, keeping=None)
    return _study(
        exam, fact.study_instance_uid, keeping="removed", available=False, number_of_series=0, number_of_instances=0
    )


def _matched(exam: Exam, fact: StudyMatched | StudyUnmatched) -> Exam:
    doubts = fact.contradicted_by if isinstance(fact, StudyUnmatched) else ()
    return _study(exam, fact.study_instance_uid, match=fact.reason, contradicted_by=doubts)


def _raised(exam: Exam, fact: PriorityRaised) -> Exam:
    return _with(exam, priority=fact.priority, priority_reason=fact.reason)


def _reporting(status: str, milestone: Milestone) -> Fold:
    def reported(exam: Exam, fact: ReportPreliminary | ReportFinalized | ReportAmended) -> Exam:
        signed = milestone is Milestone.REPORTED
        final = max(fact.version, exam.final_version or 0) if signed else exam.final_version
        if exam.report is not None and exam.report.version > fact.version:
            return _with(exam, milestone, final_version=final)
        seen = ReportSeen(
            report_id=fact.report_id,
            version=fact.version,
            status=status,
            author=fact.author,
            signed_at=fact.signed_at,
            content=fact.content,
        )
        return _with(exam, milestone, report=seen, final_version=final)

    return reported


def _delivering(state: str) -> Fold:
    def told(exam: Exam, fact: DeliveryDelivered | DeliveryDelayed | DeliveryAbandoned) -> Exam:
        seen = DeliverySeen(
            destination=fact.destination,
            kind=fact.kind,
            status=fact.status,
            state=state,
            attempts=fact.attempts,
            report_version=fact.report_version,
            reason=getattr(fact, "reason", None),
        )
        return _with(exam, deliveries={**exam.deliveries, fact.delivery_id: seen})

    return told


FOLDS: Final[Mapping[type[Fact], Fold]] = MappingProxyType(
    {
        OrderPlaced: _ordered,
        OrderChanged: _ordered,
        OrderCancelled: _cancelled,
        OrderReinstated: _reinstated,
        OrderCompleted: _completed,
        ExamScheduled: _scheduled,
        ExamRescheduled: _scheduled,
        ExamArrived: _arrived,
        ExamNoted: _noted,
        ExamStarted: _started,
        ExamCompleted: _acquired,
        ExamDiscontinued: _discontinued,
        ExamPutBack: _put_back,
        ExamCancelled: _cancelled,
        StudyReceived: _received,
        StudyAvailable: _available,
        StudyUpdated: _updated,
        StudyRejected: _shown,
        StudyReinstated: _shown,
        StudyHeld: _held,
        StudyHoldLifted: _lifted,
        StudyRetired: _retired,
        StudyRecalled: _recalled,
        StudyRemoved: _removed,
        StudyMatched: _matched,
        StudyUnmatched: _matched,
        PriorityRaised: _raised,
        ReportPreliminary: _reporting("preliminary", Milestone.PRELIMINARY),
        ReportFinalized: _reporting("final", Milestone.REPORTED),
        ReportAmended: _reporting("amended", Milestone.REPORTED),
        ReportRetracted: retracted,
        DeliveryDelivered: _delivering(DELIVERED),
        DeliveryDelayed: _delivering("delayed"),
        DeliveryAbandoned: _delivering("abandoned"),
    }
)
