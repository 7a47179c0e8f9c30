"""Whom and what a message is about, gathered when it is first sent."""

from dataclasses import dataclass
from uuid import UUID

from fj_events import PatientPhi

from ehr_sync_service.domain.delivery import Delivery
from ehr_sync_service.domain.records import OrderRecord, PatientRecord, StudyRecord


@dataclass(frozen=True, slots=True)
class Subject:
    """What is known at this moment. `study` is the first one of a report."""

    order: OrderRecord | None
    patient: PatientRecord | None
    study: StudyRecord | None
    moved: bool = False
    """A merge has made it another patient's than order and images name."""
    claimed: UUID | None = None
    """Whom these name."""

    @property
    def whom(self) -> PatientPhi | None:
        """The patient as registered; while nobody has announced them, as the order or the images name them."""
        if self.moved and self.patient and self.patient.patient.id:
            return self.patient.patient
        registered = self.patient.patient if self.patient and not self.patient.provisional else None
        claimed = [self.order.details.patient if self.order else None, self.study.patient if self.study else None]
        provisional = self.patient.patient if self.patient else None
        candidates = (registered, *claimed, provisional)
        return next((one for one in candidates if one is not None and one.id is not None), None)

    @property
    def named(self) -> UUID | None:
        """Of `whom`, the patient id."""
        return self.patient.patient_id if self.moved and self.patient and self.patient.patient.id else self.claimed


@dataclass(frozen=True, slots=True)
class Errand:
    """A delivery that is due, with what it is about."""

    delivery: Delivery
    subject: Subject
