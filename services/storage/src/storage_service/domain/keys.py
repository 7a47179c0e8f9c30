"""By what orders and studies recognise each other."""

from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from fj_events import CodedConcept, Identifier, PatientPhi


@dataclass(frozen=True, slots=True)
class OrderKeys:
    """By what an order can be recognised."""

    order_id: UUID
    patient_id: UUID
    """As the order names the patient."""
    whose: UUID
    """Who that is after merges."""
    accession_number: Identifier
    study_instance_uid: str
    modalities: tuple[str, ...]
    """Empty where neither the order nor its plan says."""
    day: date
    """For which it was asked, in its site's time zone."""
    placed_at: datetime
    open: bool
    """Neither cancelled nor completed, and no study is matched to it."""
    named: tuple[PatientPhi, ...] = ()
    """How the order names the patient, how a registration does today, and how it did under numbers merged since."""
    requested_procedure_id: str | None = None
    step_ids: tuple[str, ...] = ()
    """Of its scheduled procedure steps."""
    stations: tuple[str, ...] = ()
    """AE titles for which it is planned."""
    procedure: CodedConcept | None = None
    ended: bool = False
    """Cancelled or completed."""


@dataclass(frozen=True, slots=True)
class StudyKeys:
    """What the images of a study say about where they belong."""

    study_instance_uid: str
    accession_number: Identifier | None
    patient_ids: frozenset[UUID]
    """All ids by which the patient of the images is known; empty where they name none."""
    modalities: tuple[str, ...]
    day: date
    """The study date, else the day on which it came."""
    patient: PatientPhi = field(default_factory=PatientPhi)
    requested_procedure_ids: frozenset[str] = frozenset()
    step_ids: frozenset[str] = frozenset()
    station: str | None = None
    """The AE title that sent the first image."""
    patient_confirmed: bool = False
    """A person said that their patient's number is right, whatever else they say of the patient."""
