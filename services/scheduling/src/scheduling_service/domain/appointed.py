"""Exams as appointments: what they are for who asks in terms of FHIR, and what can be asked for."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from scheduling_service.domain.exam import Exam
from scheduling_service.domain.step import StepState


class AppointmentStatus(StrEnum):
    """R4 appointmentstatus, as far as it is used."""

    PROPOSED = "proposed"
    """Planned, without an appointment."""
    WAITLIST = "waitlist"
    BOOKED = "booked"
    ARRIVED = "arrived"
    FULFILLED = "fulfilled"
    """The exam has begun; how it goes on is no matter of appointments."""
    CANCELLED = "cancelled"
    NOSHOW = "noshow"


_OF_STATE = {
    StepState.ARRIVED: AppointmentStatus.ARRIVED,
    StepState.MISSED: AppointmentStatus.NOSHOW,
    StepState.STARTED: AppointmentStatus.FULFILLED,
    StepState.COMPLETED: AppointmentStatus.FULFILLED,
    StepState.DISCONTINUED: AppointmentStatus.FULFILLED,
    StepState.CANCELLED: AppointmentStatus.CANCELLED,
}


def status_of(exam: Exam) -> AppointmentStatus:
    """How the appointment of an exam stands."""
    if exam.waits is not None:
        return AppointmentStatus.WAITLIST
    if exam.state is StepState.SCHEDULED and exam.is_booked:
        return AppointmentStatus.BOOKED
    return _OF_STATE.get(exam.state, AppointmentStatus.PROPOSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Appointed:
    """An exam as somebody looks at its appointment."""

    exam: Exam
    patient_id: UUID
    """Whose it is after merges."""
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Bound:
    """A comparison with a moment."""

    operator: str
    moment: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedAppointments:
    """Which appointments somebody looks for. All parts have to match; in a group, any."""

    order_ids: tuple[frozenset[UUID], ...] = ()
    patient_ids: tuple[frozenset[UUID], ...] = ()
    patient_numbers: tuple[frozenset[tuple[str | None, str]], ...] = ()
    """Numbers of patients, with their issuer where one is asked for; also those that were merged away."""
    statuses: tuple[frozenset[str], ...] = ()
    numbers: tuple[frozenset[tuple[str | None, str]], ...] = ()
    """Accession or placer order numbers, with their issuer where one is asked for."""
    starts: tuple[tuple[tuple[Bound, ...], ...], ...] = ()
    """For each group its alternatives, each of which is bounds that all have to hold."""
    changed: tuple[tuple[tuple[Bound, ...], ...], ...] = ()
    newest_first: bool = False
    by_change: bool = False
    limit: int = field(default=20)
    offset: int = 0
