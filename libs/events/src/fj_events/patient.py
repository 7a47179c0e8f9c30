"""Facts about identity. Owner: `patient`."""

from uuid import UUID

from fj_events.base import Fact
from fj_events.vocabulary import PatientPhi, Source


class _PatientState(Fact):
    patient_id: UUID
    """UUIDv5 of issuer and number under the installation's namespace."""
    provisional: bool
    """True while only an order or a study has named the patient, and no ADT."""
    source: Source
    patient: PatientPhi


class PatientRegistered(_PatientState, type="patient.registered.v1", topic="patient-events", key="patient_id"):
    """A patient became known (HL7 v2.5.1 ch. 3 A01, A04, A05, A28; or named by an order or a study)."""


class PatientUpdated(_PatientState, type="patient.updated.v1", topic="patient-events", key="patient_id"):
    """Demographics or identifiers changed (A08, A31), or a provisional patient was filled in.

    Carries the whole new state.
    """
