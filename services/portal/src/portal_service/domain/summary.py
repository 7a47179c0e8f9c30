"""What a fact says, in a few words for a person, without PHI."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from fj_events import (
    DeliveryAbandoned,
    DeliveryDelayed,
    DeliveryDelivered,
    ExamArrived,
    ExamBookingRefused,
    ExamCancelled,
    ExamCancelRefused,
    ExamCompleted,
    ExamDiscontinued,
    ExamMissed,
    ExamNoted,
    ExamPutBack,
    ExamRescheduled,
    ExamScheduled,
    ExamStarted,
    ExamWaitlisted,
    ExamWaitlistLeft,
    ExceptionDismissed,
    ExceptionRestored,
    Fact,
    LetterDropped,
    LetterReplayed,
    MessageRefused,
    MessageSettled,
    OrderCancelled,
    OrderChanged,
    OrderCompleted,
    OrderHeld,
    OrderPlaced,
    OrderReinstated,
    OrderReleased,
    OrderReopened,
    PatientRegistered,
    PriorityRaised,
    ReportAmended,
    ReportFinalized,
    ReportPreliminary,
    ReportRetracted,
    StudyAvailable,
    StudyConflicted,
    StudyConflictSettled,
    StudyDamaged,
    StudyHeld,
    StudyHoldLifted,
    StudyMatched,
    StudyPackMoved,
    StudyRecalled,
    StudyReceived,
    StudyReinstated,
    StudyRejected,
    StudyRelinked,
    StudyRemovalDelayed,
    StudyRemoved,
    StudyRestored,
    StudyRetired,
    StudyUnmatched,
    StudyUpdated,
    StudyVerificationAsked,
    WorkGivenUp,
    WorkKind,
    WorkSettled,
)


def summary(fact: Fact) -> str:
    """One line about the fact; a fact that is not listed speaks by its type."""
    say = _WORDS.get(type(fact))
    return say(fact) if say else fact.fact_type


def _steps(fact: ExamScheduled | ExamRescheduled) -> str:
    return ", ".join(
        f"{step.modality} on {step.station_ae_title} at {step.starts_at:%Y-%m-%d %H:%M}" for step in fact.steps
    )


def _retired(fact: StudyRetired) -> str:
    what = "rejected instances are" if fact.number_left else "hidden, and"
    return f"{what} removed after {fact.removal_at:%Y-%m-%d}: {fact.reason}"


def _about(fact: DeliveryDelivered | DeliveryDelayed | DeliveryAbandoned) -> str:
    return f"{fact.message_type} {fact.status} to {fact.destination}"


def _refused(fact: MessageRefused) -> str:
    wrong = (f"{error.code} at {error.segment or 'the message'}-{error.field or 0}" for error in fact.errors)
    whose = f"{fact.application}/{fact.facility}"
    said = f"{fact.kind} {fact.control_id} of {whose} at {fact.room}: {fact.code} {', '.join(wrong)}".replace("-0", "")
    return f"tried again, {said}" if fact.actor else said


_WORK: Final[Mapping[str, str]] = MappingProxyType(
    {
        WorkKind.MPPS: "MPPS",
        WorkKind.IMAGES: "images",
        WorkKind.AVAILABILITY: "the news that images are here",
        WorkKind.COMMITMENT: "the result of a storage commitment request",
        WorkKind.DELIVERY: "HL7 message",
        WorkKind.REJECTION_NOTE: "a rejection note",
        WorkKind.SECOND_LOOK: "what a study says of patient and order",
        WorkKind.EARLY_CHANGE: "what a placer wanted of an order before it came",
        WorkKind.APPOINTMENT: "an appointment without an order",
    }
)


def _given_up(fact: WorkGivenUp) -> str:
    what = _WORK.get(fact.kind, fact.kind)
    return f"{what}{f' for {fact.destination}' if fact.destination else ''}: {fact.reason}"


def _settled(fact: WorkSettled) -> str:
    return f"{_WORK.get(fact.kind, fact.kind)} {fact.settled_as}{_because(fact.reason)}"


def _letter(fact: LetterReplayed | LetterDropped, done: str) -> str:
    which = f"{fact.event_type or 'a record'} #{fact.sequence or '?'} of {fact.event_topic}"
    return f"{done} at {fact.room}: {which}{_because(fact.reason)}"


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""


_WORDS: Final[Mapping[type[Fact], Callable[[Any], str]]] = MappingProxyType(
    {
        MessageRefused: _refused,
        MessageSettled: lambda f: f"a message refused at {f.room} {f.settled_as}{_because(f.reason)}",
        WorkGivenUp: _given_up,
        WorkSettled: _settled,
        LetterReplayed: lambda f: _letter(f, "replayed"),
        LetterDropped: lambda f: _letter(f, "given up"),
        ExceptionDismissed: lambda f: f"{f.kind} dismissed: {f.reason}",
        ExceptionRestored: lambda f: f"{f.kind} back on the list: {f.reason}",
        OrderPlaced: lambda f: f"{f.procedure.text or f.procedure.code}, {f.priority}, by {f.source}",
        OrderChanged: lambda f: f"changed: {', '.join(f.changed)}",
        OrderCancelled: lambda f: f"cancelled{f': {f.reason}' if f.reason else ''}",
        OrderHeld: lambda f: f"on hold{f': {f.reason}' if f.reason else ''}",
        OrderReleased: lambda f: f"released{f': {f.reason}' if f.reason else ''}",
        OrderReinstated: lambda f: f"{f.refused} refused: {f.reason}",
        OrderReopened: lambda f: f"waits again: {f.reason}",
        OrderCompleted: lambda f: f"report version {f.report_version} {f.reason}",
        ExamScheduled: _steps,
        ExamRescheduled: _steps,
        ExamArrived: lambda _: "the patient is here",
        ExamMissed: lambda f: f"the patient did not come: {f.reason}",
        ExamNoted: lambda _: "a note",
        ExamWaitlisted: lambda f: f"waits for a slot: {f.reason}",
        ExamWaitlistLeft: lambda f: f"waits no longer: {f.reason}",
        ExamBookingRefused: lambda f: f"{f.station_ae_title} at {f.starts_at:%Y-%m-%d %H:%M} not booked: {f.reason}",
        ExamPutBack: lambda f: f"{f.reason}, {f.number_of_instances} instances: on the worklist again",
        ExamStarted: lambda f: f"started on {f.station_ae_title or 'a station'}, evidence: {f.evidence}",
        ExamCompleted: lambda f: f"completed, {f.number_of_instances} instances, evidence: {f.evidence}",
        ExamDiscontinued: lambda f: f"discontinued{f': {f.reason.text or f.reason.code}' if f.reason else ''}",
        ExamCancelled: lambda f: f.reason,
        ExamCancelRefused: lambda f: f"{f.refused} refused: the exam is {f.state}",
        PatientRegistered: lambda _: "only images have named this patient: no registration knows the number",
        StudyReceived: lambda f: f"first images, {'/'.join(f.modalities) or 'modality unknown'}",
        StudyMatched: lambda f: f.reason,
        StudyUnmatched: lambda f: f.reason,
        StudyRelinked: lambda f: f"{f.act}: {f.reason}",
        StudyAvailable: lambda f: f"{f.number_of_instances} instances in {f.number_of_series} series: {f.reason}",
        StudyUpdated: lambda f: f"{f.added_instances} more instances: {f.reason}",
        StudyDamaged: lambda f: f"{f.number_of_instances} instances are {f.damage} in the object store",
        StudyRestored: lambda _: "all instances are again as they were stored",
        StudyVerificationAsked: lambda f: f"a look at its packs was asked for ({f.number_of_packs})",
        StudyRejected: lambda f: f"{f.number_rejected} instances: {f.code.text or f.code.code}",
        StudyReinstated: lambda f: f"shown again: {f.reason}",
        StudyHeld: lambda f: f"on hold: {f.reason}",
        StudyHoldLifted: lambda f: f"hold lifted: {f.reason}",
        StudyRetired: _retired,
        StudyRecalled: lambda f: f"shown again: {f.reason}",
        StudyRemovalDelayed: lambda f: f"to be removed after {f.removal_at:%Y-%m-%d}: {f.reason}",
        StudyRemoved: lambda f: f"{f.number_of_instances} instances removed: {f.reason}",
        StudyPackMoved: lambda f: f"a pack of {f.pack.size} bytes moved{f', {f.rule}' if f.rule else ''}",
        StudyConflictSettled: lambda f: f"looked at, the first stay: {f.reason}",
        StudyConflicted: lambda f: f"{len(f.instances)} instances came again with other bytes: kept beside the first",
        ReportPreliminary: lambda f: f"version {f.version}",
        ReportFinalized: lambda f: f"version {f.version}, signed{f' by {f.author.display}' if f.author else ''}",
        ReportAmended: lambda f: f"version {f.version}{f': {f.reason}' if f.reason else ''}",
        ReportRetracted: lambda f: f"version {f.version}, withdrawn: {f.reason}",
        PriorityRaised: lambda f: f"{f.previous} → {f.priority}: {f.reason} ({f.rule})",
        DeliveryDelivered: lambda f: f"{_about(f)}, attempt {f.attempts}",
        DeliveryDelayed: lambda f: f"{_about(f)}: {f.reason}",
        DeliveryAbandoned: lambda f: f"{_about(f)}: {f.reason}",
    }
)
