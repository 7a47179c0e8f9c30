"""The visit on which an exam is ordered, as the registration system knows it by now."""

from fj_events import ClinicalPhi, PatientLocation, VisitState
from pydantic import BaseModel, ConfigDict


class Visit(BaseModel):
    """How far the visit is, and where its patient is."""

    model_config = ConfigDict(frozen=True)

    state: VisitState
    patient_class: str | None = None
    """HL7 table 0004."""
    location: PatientLocation | None = None
    """Where the patient is now; None where they are not here, or nobody said it."""


def whereabouts(visit: Visit | None, order: ClinicalPhi) -> PatientLocation | None:
    """Where the patient is, as the registration system says; where it said nothing of the visit, as the order does."""
    return visit.location if visit is not None else order.location
