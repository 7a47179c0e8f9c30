"""The plan of an exam, and what image managers and calendars are told when it changes.

IHE RAD-4 (NW) the first time that a Study Instance UID is told of, RAD-13 (XO, CA, DC) after that; RAD-48 (SIU).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from uuid import UUID

from fj_events import (
    AppointmentNews,
    CodedConcept,
    DeliveryKind,
    Envelope,
    ExamCompleted,
    ExamDiscontinued,
    ExamPutBack,
    ExamRescheduled,
    ExamScheduled,
    ExamStarted,
    Identifier,
    Priority,
    ScheduledStep,
    Uid,
)

from ehr_sync_service.domain.records import Record
from ehr_sync_service.domain.telling import Telling

Planned = ExamScheduled | ExamRescheduled | ExamPutBack
"""The facts that carry a whole plan."""
Performed = ExamStarted | ExamCompleted | ExamDiscontinued


class PlanRecord(Record):
    """What is planned for an order, as the last fact that carried a plan says."""

    exam_key: str
    order_id: UUID
    site: str
    accession_number: Identifier
    study_instance_uid: Uid
    requested_procedure_id: str
    procedure: CodedConcept
    priority: Priority
    steps: tuple[ScheduledStep, ...]
    booked: bool = False
    """Whether time and station are an appointment."""
    cancelled: bool = False


def _procedure(control: str, status: str) -> Telling:
    return Telling(DeliveryKind.PROCEDURES, control, status)


def _appointment(trigger: str, status: str) -> Telling:
    return Telling(DeliveryKind.APPOINTMENTS, trigger, status)


CANCELLED: Final = _procedure("CA", "CA")
DISCONTINUED: Final = _procedure("DC", "CA")
COMPLETED: Final = _procedure("XO", "CM")
GIVEN_UP: Final = _appointment("S15", "Cancelled")
NO_SHOW: Final = _appointment("S26", "Noshow")
_APPOINTMENTS: Final[Mapping[AppointmentNews, Telling]] = MappingProxyType(
    {
        AppointmentNews.BOOKED: _appointment("S12", "Booked"),
        AppointmentNews.MOVED: _appointment("S13", "Booked"),
        AppointmentNews.KEPT: _appointment("S14", "Booked"),
        AppointmentNews.GIVEN_UP: GIVEN_UP,
    }
)


def plan_of(fact: Planned, cause: Envelope) -> PlanRecord:
    """The plan that a fact carries."""
    names = PlanRecord.model_fields.keys() & type(fact).model_fields.keys()
    said = {name: getattr(fact, name) for name in names}
    booked = fact.appointment not in {None, AppointmentNews.GIVEN_UP}
    return PlanRecord(version=cause.sequence, updated_at=cause.time, booked=booked, **said)


def procedure_told(before: PlanRecord | None, after: PlanRecord) -> Telling:
    """NW where nobody knows of this Study Instance UID, or no longer; else a change."""
    known = before is not None and not before.cancelled and before.study_instance_uid == after.study_instance_uid
    return _procedure("XO" if known else "NW", "SC")


def performed_told(plan: PlanRecord, fact: Performed) -> Telling | None:
    """What image managers are told of a performance. They know a start by MPPS, but not that a cancel was undone."""
    if isinstance(fact, ExamStarted):
        return _procedure("NW", "IP") if plan.cancelled else None
    return COMPLETED if isinstance(fact, ExamCompleted) else DISCONTINUED


def appointment_told(fact: Planned) -> Telling | None:
    """What becomes of the appointment by a new plan; a plan that is none is nobody's appointment."""
    return None if fact.appointment is None else _APPOINTMENTS.get(fact.appointment)
