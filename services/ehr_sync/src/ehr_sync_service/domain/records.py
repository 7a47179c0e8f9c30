"""What is known of patients, orders, studies and reports: each folded from the facts of one topic and key.

Facts of one key arrive in order; a record depends on no other, so the order of arrival across topics does not matter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from fj_events import (
    Envelope,
    Fact,
    Identifier,
    OrderCancelled,
    OrderChanged,
    OrderCompleted,
    OrderDetails,
    OrderHeld,
    OrderPlaced,
    OrderReinstated,
    OrderReleased,
    OrderReopened,
    PatientPhi,
    PatientRegistered,
    PatientUpdated,
    ReportAmended,
    ReportFinalized,
    ReportPhi,
    ReportPreliminary,
    ReportRetracted,
    SeriesSummary,
    Staff,
    StudyAvailable,
    StudyMatched,
    StudyRecalled,
    StudyReceived,
    StudyReinstated,
    StudyRejected,
    StudyRelinked,
    StudyUnmatched,
    StudyUpdated,
    Uid,
)
from pydantic import BaseModel, ConfigDict

Report = ReportPreliminary | ReportFinalized | ReportAmended | ReportRetracted
StudyShown = StudyRejected | StudyReinstated | StudyRecalled
"""The facts that say what of a study can be had now."""
OrderMoved = OrderCancelled | OrderHeld | OrderReleased | OrderReinstated | OrderCompleted | OrderReopened
"""The facts that move an order without changing what is asked for."""


class OrderStatus(StrEnum):
    """FHIR R4 request-status, as far as an order here can have it."""

    ACTIVE = "active"
    ON_HOLD = "on-hold"
    REVOKED = "revoked"
    COMPLETED = "completed"


class StudyStatus(StrEnum):
    """FHIR R4 imagingstudy-status."""

    REGISTERED = "registered"
    """Images arrive."""
    AVAILABLE = "available"
    CANCELLED = "cancelled"
    """Nothing of it can be had: all of it was rejected, retired or removed."""


class ReportStatus(StrEnum):
    """FHIR R4 diagnostic-report-status."""

    PRELIMINARY = "preliminary"
    FINAL = "final"
    CORRECTED = "corrected"
    ENTERED_IN_ERROR = "entered-in-error"


class Record(BaseModel):
    """A row of the projection. `version` and `updated_at` are number and time of the newest fact in it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: int
    updated_at: datetime


class PatientRecord(Record):
    """A patient, as `patient` knows them."""

    patient_id: UUID
    provisional: bool
    patient: PatientPhi


class OrderRecord(Record):
    """An order with its newest details."""

    order_id: UUID
    site: str
    status: OrderStatus
    placed_at: datetime
    adopted: bool = False
    """It was born here, and a placer gave it a number later."""
    details: OrderDetails


class StudyRecord(Record):
    """A study. Once it is matched, order and patient are those of the order."""

    study_instance_uid: Uid
    site: str
    status: StudyStatus
    complete: bool = False
    """It was available once, whatever has been hidden since."""
    matched: bool = False
    contradicted_by: tuple[str, ...] = ()
    """Not empty: it shows somebody else than its number is of; it is nobody's until a person says so."""
    order_id: UUID | None = None
    patient_id: UUID | None = None
    accession_number: Identifier | None = None
    modalities: tuple[str, ...] = ()
    study_date: date | None = None
    description: str | None = None
    patient: PatientPhi
    series: tuple[SeriesSummary, ...] = ()
    number_of_series: int | None = None
    number_of_instances: int | None = None


class ReportRecord(Record):
    """The newest version of a report; `version` is the report's own."""

    report_id: UUID
    site: str
    exam_key: str
    status: ReportStatus
    issued_at: datetime
    order_id: UUID | None = None
    patient_id: UUID | None = None
    accession_number: Identifier | None = None
    placer_order_number: Identifier | None = None
    study_instance_uids: tuple[Uid, ...] = ()
    author: Staff | None = None
    content: ReportPhi


@dataclass(frozen=True, slots=True)
class Found:
    """A record with the order that it belongs to, which lends it procedure and patient."""

    record: PatientRecord | OrderRecord | StudyRecord | ReportRecord
    order: OrderRecord | None = None
    whose: UUID | None = None
    """Whose it is after merges, and after its order went to another patient."""
    patient: PatientRecord | None = None
    """Who that is."""
    replaces: tuple[UUID, ...] = ()
    """Of a patient: the numbers that were merged into this one."""
    linked: tuple[UUID, ...] = ()
    """Of a patient: the others in use that stand for the same person."""

    def moved_from(self, patient_id: UUID | None) -> bool:
        """Whether it is somebody else's than the facts said by now."""
        return patient_id is not None and self.whose is not None and self.whose != patient_id


_REPORT_STATUS = {
    ReportPreliminary: ReportStatus.PRELIMINARY,
    ReportFinalized: ReportStatus.FINAL,
    ReportAmended: ReportStatus.CORRECTED,
    ReportRetracted: ReportStatus.ENTERED_IN_ERROR,
}


def patient_of(fact: PatientRegistered | PatientUpdated, cause: Envelope) -> PatientRecord:
    """Each fact about a patient carries the whole state."""
    return PatientRecord(
        version=cause.sequence,
        updated_at=cause.time,
        patient_id=fact.patient_id,
        provisional=fact.provisional,
        patient=fact.patient,
    )


def order_of(known: OrderRecord | None, fact: OrderPlaced | OrderChanged, cause: Envelope) -> OrderRecord:
    """An order placed or changed; a change leaves its status."""
    details = OrderDetails.model_validate({name: getattr(fact, name) for name in OrderDetails.model_fields})
    return OrderRecord(
        version=cause.sequence,
        updated_at=cause.time,
        order_id=fact.order_id,
        site=fact.site,
        status=known.status if known else OrderStatus.ACTIVE,
        placed_at=known.placed_at if known else cause.time,
        adopted=known is not None and (known.adopted or _is_adopted(known.details, details)),
        details=details,
    )


def _is_adopted(before: OrderDetails, after: OrderDetails) -> bool:
    return before.placer_order_number is None and after.placer_order_number is not None


_ORDER_MOVES: Final[Mapping[type[Fact], OrderStatus]] = MappingProxyType(
    {
        OrderCancelled: OrderStatus.REVOKED,
        OrderHeld: OrderStatus.ON_HOLD,
        OrderReleased: OrderStatus.ACTIVE,
        OrderReinstated: OrderStatus.ACTIVE,
        OrderCompleted: OrderStatus.COMPLETED,
        OrderReopened: OrderStatus.ACTIVE,
    }
)


def order_moved(known: OrderRecord, fact: OrderMoved, cause: Envelope) -> OrderRecord:
    """An order after a move. Nothing undoes a completion but that it was another order's."""
    status = _ORDER_MOVES[type(fact)]
    if known.status is OrderStatus.COMPLETED and not isinstance(fact, OrderReopened):
        status = OrderStatus.COMPLETED
    return known.model_copy(update={"status": status, "version": cause.sequence, "updated_at": cause.time})


def study_of(
    known: StudyRecord | None, fact: StudyReceived | StudyAvailable | StudyUpdated, cause: Envelope
) -> StudyRecord:
    """A study received, available or updated."""
    matched = known is not None and known.matched
    doubts = known.contradicted_by if known else ()
    shown = None if isinstance(fact, StudyReceived) else fact.number_of_instances
    return StudyRecord(
        version=cause.sequence,
        updated_at=cause.time,
        study_instance_uid=fact.study_instance_uid,
        site=fact.site,
        status=_status(complete=shown is not None, shown=shown),
        complete=shown is not None,
        matched=matched,
        contradicted_by=doubts,
        order_id=known.order_id if known and matched else fact.order_id,
        patient_id=known.patient_id if known and (matched or doubts) else fact.patient_id,
        accession_number=known.accession_number if known and matched else fact.accession_number,
        modalities=fact.modalities,
        study_date=fact.study_date,
        description=fact.description,
        patient=fact.patient,
        series=fact.series if not isinstance(fact, StudyReceived) else (),
        number_of_series=fact.number_of_series if not isinstance(fact, StudyReceived) else None,
        number_of_instances=shown,
    )


def study_shown(known: StudyRecord, fact: StudyShown, cause: Envelope) -> StudyRecord:
    """Instances were rejected or reinstated, or a retired study is shown again: what of it can be had now.

    As long as images arrive nothing is counted, only whether there is any.
    """
    status = _status(complete=known.complete, shown=fact.number_of_instances)
    counts: dict[str, object] = {"series": (), "number_of_series": None, "number_of_instances": None}
    if known.complete or status == StudyStatus.CANCELLED:
        counts = {"number_of_instances": fact.number_of_instances}
        if fact.series is not None:
            counts |= {"series": fact.series, "number_of_series": fact.number_of_series}
    return known.model_copy(update={**counts, "status": status, "version": cause.sequence, "updated_at": cause.time})


def study_withdrawn(known: StudyRecord, cause: Envelope) -> StudyRecord:
    """It is retired or removed: nothing of it is shown."""
    gone = {"status": StudyStatus.CANCELLED, "series": (), "number_of_series": 0, "number_of_instances": 0}
    return known.model_copy(update={**gone, "version": cause.sequence, "updated_at": cause.time})


def _status(*, complete: bool, shown: int | None) -> StudyStatus:
    if shown == 0:
        return StudyStatus.CANCELLED
    return StudyStatus.AVAILABLE if complete else StudyStatus.REGISTERED


def study_matched(known: StudyRecord, fact: StudyMatched, cause: Envelope) -> StudyRecord:
    """The study belongs to an order: its order, patient and accession number count from now on."""
    found = {"order_id": fact.order_id, "patient_id": fact.patient_id, "accession_number": fact.accession_number}
    return _placed(known, {**found, "matched": True}, cause)


def study_unmatched(known: StudyRecord, fact: StudyUnmatched, cause: Envelope) -> StudyRecord:
    """No order fits. Where the images contradict the order of their number, their patient's number may be wrong too."""
    whose = None if fact.contradicted_by else fact.patient_id
    said = {"order_id": None, "patient_id": whose, "accession_number": fact.accession_number, "matched": False}
    return _placed(known, said, cause).model_copy(update={"contradicted_by": fact.contradicted_by})


def study_relinked(known: StudyRecord, fact: StudyRelinked, cause: Envelope) -> StudyRecord:
    """A person said whose the study is, or that it is nobody's."""
    said = {"order_id": fact.order_id, "patient_id": fact.patient_id, "accession_number": fact.accession_number}
    return _placed(known, {**said, "matched": fact.order_id is not None}, cause)


def _placed(known: StudyRecord, place: Mapping[str, object], cause: Envelope) -> StudyRecord:
    stated = {"contradicted_by": (), "version": cause.sequence, "updated_at": cause.time}
    return known.model_copy(update={**stated, **place})


def report_of(fact: Report, cause: Envelope) -> ReportRecord:
    """A version of a report."""
    return ReportRecord(
        version=fact.version,
        updated_at=cause.time,
        report_id=fact.report_id,
        site=fact.site,
        exam_key=fact.exam_key,
        status=_REPORT_STATUS[type(fact)],
        issued_at=fact.signed_at or cause.time,
        order_id=fact.order_id,
        patient_id=fact.patient_id,
        accession_number=fact.accession_number,
        placer_order_number=fact.placer_order_number,
        study_instance_uids=fact.study_instance_uids,
        author=fact.author,
        content=fact.content,
    )
