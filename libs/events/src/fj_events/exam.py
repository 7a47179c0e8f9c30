"""Facts about the performance of an order. Owner: `scheduling`.

The exam key is the order id where the order is known at the first fact, else the Study Instance UID; it never changes.
"""

from uuid import UUID

from pydantic import AwareDatetime

from fj_events.base import Fact, OpenEnum, Part
from fj_events.order import Refused
from fj_events.terms import CodedConcept, Identifier, ObjectRef, Uid
from fj_events.vocabulary import Evidence, NotePhi, PatientPhi, Priority


class AppointmentNews(OpenEnum):
    """What a new plan means for the appointment (HL7 v2.5.1 ch. 10, SIU trigger events)."""

    BOOKED = "booked"
    """S12."""
    MOVED = "moved"
    """S13."""
    KEPT = "kept"
    """S14: time and station are as they were."""
    GIVEN_UP = "given_up"
    """S15."""


class ScheduledStep(Part):
    """A Scheduled Procedure Step (PS3.3 C.4.10)."""

    step_id: str
    """Scheduled Procedure Step ID (0040,0009), SH."""
    modality: str
    station_ae_title: str
    """Of the station, or of the group of stations that the step is for."""
    group: tuple[str, ...] | None = None
    """AE titles of the stations any of which may do it; absent where it is for one station."""
    station_name: str | None = None
    starts_at: AwareDatetime
    duration_minutes: int
    description: str | None = None
    protocol: tuple[CodedConcept, ...] = ()
    station_location: str | None = None
    """Scheduled Procedure Step Location (0040,0011)."""
    pre_medication: str | None = None
    """(0040,0012)."""
    contrast_agent: str | None = None
    """Requested Contrast Agent (0032,1070)."""
    preparation: str | None = None
    """What the patient does before it (FHIR R4 Appointment.patientInstruction)."""


class PerformedSeries(Part):
    """A performed series as the MPPS lists it (PS3.4 Table F.7.2-1)."""

    series_instance_uid: Uid
    modality: str | None = None
    description: str | None = None
    instances: tuple[Uid, ...] = ()
    """SOP Instance UIDs; empty where the list lies in the object store."""
    number_of_instances: int


class _Planned(Fact):
    exam_key: str
    order_id: UUID
    accession_number: Identifier
    study_instance_uid: Uid
    requested_procedure_id: str
    procedure: CodedConcept
    priority: Priority
    steps: tuple[ScheduledStep, ...]
    reason: str
    """Who or what chose this time and station."""
    appointment: AppointmentNews | None = None
    """Absent: there is none, and there was none."""


class ExamScheduled(_Planned, type="exam.scheduled.v1", topic="exam-events", key="exam_key"):
    """The steps of an order were planned and are on the worklist (IHE RAD-4)."""


class ExamRescheduled(_Planned, type="exam.rescheduled.v1", topic="exam-events", key="exam_key"):
    """The plan changed before the start. Carries the whole new plan."""


class _Performed(Fact):
    exam_key: str
    order_id: UUID | None = None
    study_instance_uid: Uid
    accession_number: Identifier | None = None
    mpps_instance_uid: Uid | None = None
    """SOP Instance UID of the Modality Performed Procedure Step; absent where images are the evidence."""
    step_ids: tuple[str, ...] = ()
    station_ae_title: str | None = None
    modality: str | None = None
    evidence: Evidence


class ExamStarted(_Performed, type="exam.started.v1", topic="exam-events", key="exam_key"):
    """The modality began (IHE RAD-6, MPPS IN PROGRESS), or the first image came without MPPS."""

    started_at: AwareDatetime | None = None
    """As the device claims (0040,0244 and 0040,0245)."""
    patient_id: UUID | None = None
    patient: PatientPhi | None = None
    """Only where no order is known: whom the modality named."""


class _Ended(_Performed):
    ended_at: AwareDatetime | None = None
    """As the device claims (0040,0250 and 0040,0251)."""
    series: tuple[PerformedSeries, ...] = ()
    number_of_instances: int = 0
    instance_list: ObjectRef | None = None
    """JSON `{series uid: [instance uids]}`, where the list is too long for an event (law 7)."""


class ExamCompleted(_Ended, type="exam.completed.v1", topic="exam-events", key="exam_key"):
    """The modality finished (IHE RAD-7, MPPS COMPLETED), or the study is complete by its images."""


class ExamDiscontinued(_Ended, type="exam.discontinued.v1", topic="exam-events", key="exam_key"):
    """The modality gave up (MPPS DISCONTINUED)."""

    reason: CodedConcept | None = None
    """Discontinuation reason (0040,0281), CID 9300."""


class ExamPutBack(_Planned, type="exam.put_back.v1", topic="exam-events", key="exam_key"):
    """What was done for this exam was another one, so that steps of it are on the worklist again.

    The modality had picked the wrong worklist entry (CID 9300, 110514), or a person linked the images to another order.
    Carries the whole plan.
    """

    step_ids: tuple[str, ...]
    """The steps that wait again."""
    state: str
    """Of the exam: SCHEDULED, unless another of its steps has been performed."""
    mpps_instance_uid: Uid | None = None
    number_of_instances: int = 0
    """What was made under the wrong entry, as the modality lists it."""
    discontinuation_reason: CodedConcept | None = None
    """Absent where a person linked the images to another order."""


class _Appointed(Fact):
    exam_key: str
    order_id: UUID
    step_ids: tuple[str, ...]


class ExamArrived(_Appointed, type="exam.arrived.v1", topic="exam-events", key="exam_key"):
    """The patient is here for the exam."""

    arrived_at: AwareDatetime


class ExamMissed(_Appointed, type="exam.missed.v1", topic="exam-events", key="exam_key"):
    """The patient did not come to the appointment (HL7 SIU^S26). The steps have left the worklist until a new one."""

    reason: str


class ExamWaitlisted(_Appointed, type="exam.waitlisted.v1", topic="exam-events", key="exam_key"):
    """The exam waits for a slot to become free (FHIR R4 appointmentstatus waitlist).

    An appointment, the start or the cancellation of the exam end that without a further fact.
    """

    priority: Priority
    since: AwareDatetime
    after: AwareDatetime | None = None
    before: AwareDatetime | None = None
    """In which time the appointment is wanted; absent: any."""
    station_ae_title: str | None = None
    """Absent: any station that can do it."""
    take_up: bool
    """A slot is booked for it as soon as one is free; else a person does that."""
    reason: str


class ExamWaitlistLeft(_Appointed, type="exam.waitlist_left.v1", topic="exam-events", key="exam_key"):
    """A person took the exam off the waiting list; it has no appointment."""

    reason: str


class ExamNoted(_Appointed, type="exam.noted.v1", topic="exam-events", key="exam_key"):
    """Somebody who performs the exam noted something about it (Comments on the Scheduled Procedure Step, 0040,0400)."""

    note: NotePhi


class ExamBookingRefused(_Appointed, type="exam.booking_refused.v1", topic="exam-events", key="exam_key"):
    """An appointment that was asked for by message could not be booked; nothing else has changed."""

    station_ae_title: str
    starts_at: AwareDatetime
    duration_minutes: int
    reason: str


class ExamCancelled(Fact, type="exam.cancelled.v1", topic="exam-events", key="exam_key"):
    """The steps left the worklist because the order was cancelled."""

    exam_key: str
    order_id: UUID
    step_ids: tuple[str, ...]
    reason: str
    appointment: AppointmentNews | None = None
    """Absent: there was none."""


class ExamCancelRefused(Fact, type="exam.cancel_refused.v1", topic="exam-events", key="exam_key"):
    """A cancel, change or hold came after the start: the exam wins."""

    exam_key: str
    order_id: UUID
    refused: Refused
    state: str
    """The state of the exam when the wish arrived."""
