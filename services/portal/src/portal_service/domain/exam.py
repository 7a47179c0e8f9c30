"""One exam as the facts have shown it so far.

Everything in it is a fold that does not depend on the order in which the topics arrive: milestones only rise, versions
only grow, and what one topic says is kept apart from what another says.
"""

from enum import IntEnum
from typing import Final
from uuid import UUID

from fj_events import (
    CodedConcept,
    DeliveryKind,
    Identifier,
    OrderDetails,
    PatientPhi,
    Priority,
    ReportPhi,
    ScheduledStep,
    Staff,
    Uid,
)
from pydantic import AwareDatetime, BaseModel, ConfigDict


class Milestone(IntEnum):
    """How far an exam has come; the names are those of the exam answer."""

    NONE = 0
    ORDERED = 1
    SCHEDULED = 2
    ARRIVED = 3
    IN_PROGRESS = 4
    ACQUIRED = 5
    AVAILABLE = 6
    PRELIMINARY = 7
    REPORTED = 8
    DELIVERED = 9


class _Seen(BaseModel):
    model_config = ConfigDict(frozen=True)


class StudySeen(_Seen):
    """A study of the exam."""

    available: bool = False
    modalities: tuple[str, ...] = ()
    description: str | None = None
    number_of_series: int = 0
    number_of_instances: int = 0
    completeness: str | None = None
    keeping: str | None = None
    """That it is on hold, retired or removed; absent where nobody said so."""
    match: str | None = None
    contradicted_by: tuple[str, ...] = ()
    """Not empty: it shows somebody else than its number is of."""
    accession_number: Identifier | None = None
    patient_id: UUID | None = None
    patient: PatientPhi | None = None
    received_at: AwareDatetime | None = None


class ReportSeen(_Seen):
    """The newest version of the report."""

    report_id: UUID
    version: int
    status: str
    author: Staff | None = None
    signed_at: AwareDatetime | None = None
    content: ReportPhi


class DeliverySeen(_Seen):
    """One message to one destination."""

    destination: str
    kind: DeliveryKind
    status: str
    state: str
    attempts: int
    report_version: int | None = None
    reason: str | None = None


class Exam(_Seen):
    """One exam: an order with its studies and report, or a study that no order fits."""

    exam_id: str
    """The order id where there is an order, else the Study Instance UID."""
    site: str = "MAIN"
    order_id: UUID | None = None
    order: OrderDetails | None = None
    patient_id: UUID | None = None
    patient: PatientPhi | None = None
    """Who the modality named, where no order says."""
    steps: tuple[ScheduledStep, ...] = ()
    notes: tuple[str, ...] = ()
    """What was noted at the machine, and by whom."""
    priority: Priority | None = None
    """What triage raised it to."""
    priority_reason: str | None = None
    reached: Milestone = Milestone.NONE
    cancelled: bool = False
    discontinued: bool = False
    waits_again: bool = False
    """What was performed or made for it was another exam's, and nothing was begun since."""
    completed: bool = False
    studies: dict[Uid, StudySeen] = {}
    report: ReportSeen | None = None
    final_version: int | None = None
    """The newest signed version."""
    deliveries: dict[UUID, DeliverySeen] = {}

    @property
    def state(self) -> str:
        """The furthest that a fact has reached; a cancel or discontinuation holds until images or a report come."""
        reached = max(self.reached, self._delivered())
        contradicted = bool(self.studies) or reached >= Milestone.PRELIMINARY
        if not contradicted and self.cancelled:
            return "cancelled"
        if not contradicted and self.discontinued:
            return "discontinued"
        return reached.name.lower()

    @property
    def number_of_instances(self) -> int:
        """Over all studies."""
        return sum(study.number_of_instances for study in self.studies.values())

    @property
    def study_instance_uids(self) -> tuple[Uid, ...]:
        """Those of the images; before there are any, the one that the order has."""
        planned = (self.order.study_instance_uid,) if self.order else ()
        return tuple(self.studies) or planned

    @property
    def accession_number(self) -> Identifier | None:
        """The order's, else the images'."""
        if self.order is not None:
            return self.order.accession_number
        return next((study.accession_number for study in self.studies.values() if study.accession_number), None)

    @property
    def procedure(self) -> CodedConcept | None:
        """What was asked for, else what the images say."""
        if self.order is not None:
            return self.order.procedure
        text = next((study.description for study in self.studies.values() if study.description), None)
        return CodedConcept(code="", text=text) if text else None

    @property
    def modalities(self) -> tuple[str, ...]:
        """Of the images, else of the steps, else of the order."""
        seen = {modality for study in self.studies.values() for modality in study.modalities}
        planned = {step.modality for step in self.steps}
        asked = {self.order.modality} if self.order and self.order.modality else set()
        return tuple(sorted(seen or planned or asked))

    @property
    def urgency(self) -> Priority:
        """The more urgent of what the order asks for and what triage says."""
        wishes = [self.priority or Priority.ROUTINE, self.order.priority if self.order else Priority.ROUTINE]
        return min(wishes, key=lambda wish: wish.rank)

    @property
    def whose(self) -> UUID | None:
        """The key of the patient: the order's, else the images'."""
        if self.order is not None:
            return self.order.patient_id
        studied = (study.patient_id for study in self.studies.values() if study.patient_id)
        return self.patient_id or next(studied, None)

    @property
    def named(self) -> PatientPhi:
        """The patient as the exam's own facts name them."""
        if self.order is not None and self.order.patient.id is not None:
            return self.order.patient
        studied = (study.patient for study in self.studies.values() if study.patient)
        return self.patient or next(studied, None) or PatientPhi()

    def _delivered(self) -> Milestone:
        """DELIVERED when every destination that we heard of has the newest signed version."""
        if self.final_version is None:
            return Milestone.NONE
        newest: dict[str, int] = {}
        for delivery in self.deliveries.values():
            if delivery.kind == DeliveryKind.RESULTS:
                done = delivery.report_version or 0 if delivery.state == DELIVERED else 0
                newest[delivery.destination] = max(done, newest.get(delivery.destination, 0))
        everywhere = bool(newest) and all(version >= self.final_version for version in newest.values())
        return Milestone.DELIVERED if everywhere or (self.completed and not newest) else Milestone.NONE


DELIVERED: Final = "delivered"


def merge(order: Exam, study: Exam) -> Exam:
    """The exam of an order together with what was known of its study alone."""
    newest = max((e.report for e in (order, study) if e.report), key=lambda report: report.version, default=None)
    finals = [e.final_version for e in (order, study) if e.final_version is not None]
    raised = min((order, study), key=lambda e: (e.priority or Priority.ROUTINE).rank)
    return order.model_copy(
        update={
            "patient_id": order.patient_id or study.patient_id,
            "patient": order.patient or study.patient,
            "steps": order.steps or study.steps,
            "priority": raised.priority,
            "priority_reason": raised.priority_reason,
            "reached": max(order.reached, study.reached),
            "discontinued": order.discontinued or study.discontinued,
            "studies": {**study.studies, **order.studies},
            "report": newest,
            "final_version": max(finals, default=None),
            "deliveries": {**study.deliveries, **order.deliveries},
        }
    )
