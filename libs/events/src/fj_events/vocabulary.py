"""Enumerations and protected sub-objects shared by several topics."""

from datetime import date

from fj_events.base import OpenEnum, Phi
from fj_events.terms import Address, Identifier, PatientLocation


class Priority(OpenEnum):
    """How soon a request is wanted (FHIR R4 request-priority; HL7 TQ1-9 S, A, R; DICOM 0040,1003)."""

    STAT = "STAT"
    ASAP = "ASAP"
    URGENT = "URGENT"
    ROUTINE = "ROUTINE"

    @property
    def rank(self) -> int:
        """0 is the most urgent; what is not known ranks with routine."""
        return _RANK.get(self.value, _RANK["ROUTINE"])


_RANK = {"STAT": 0, "ASAP": 1, "URGENT": 2, "ROUTINE": 3}


class Sex(OpenEnum):
    """Administrative sex (HL7 table 0001, DICOM 0010,0040)."""

    MALE = "M"
    FEMALE = "F"
    OTHER = "O"
    UNKNOWN = "U"


class Source(OpenEnum):
    """The door through which something came."""

    HL7 = "HL7"
    FHIR = "FHIR"
    HTTP = "HTTP"
    DIMSE = "DIMSE"
    DICOMWEB = "DICOMWEB"


class Evidence(OpenEnum):
    """What a claim about a performed step rests on (law 9)."""

    MPPS = "mpps"
    IMAGES = "images"
    PERSON = "person"
    """Somebody says so, where no modality does."""


class PatientPhi(Phi):
    """Who the patient is, as the sender of the fact knew it."""

    id: Identifier | None = None
    """The patient's number with its issuer (PID-3, DICOM 0010,0020 and 0010,0021)."""
    other_ids: tuple[Identifier, ...] = ()
    family_name: str | None = None
    given_name: str | None = None
    middle_name: str | None = None
    prefix: str | None = None
    suffix: str | None = None
    ideographic_name: str | None = None
    """The ideographic component group of a person name, `family^given` (PS3.5 section 6.2.1)."""
    phonetic_name: str | None = None
    birth_date: date | None = None
    sex: Sex | None = None
    address: Address | None = None
    phone: str | None = None

    @property
    def display(self) -> str:
        """Family, given."""
        return ", ".join(part for part in (self.family_name, self.given_name) if part)


class ClinicalPhi(Phi):
    """Why the imaging was asked for."""

    reason: str | None = None
    """Reason for study (OBR-31, FHIR reasonCode)."""
    history: str | None = None
    """Relevant clinical information (OBR-13)."""
    notes: str | None = None
    """What observations and notes of the order say, a line each (OBX, NTE)."""
    visit_number: Identifier | None = None
    """PV1-19."""
    account_number: Identifier | None = None
    """PID-18."""
    location: PatientLocation | None = None
    """Where the patient was when the order was written (PV1-3)."""


class VisitPhi(Phi):
    """A visit or account, by its number."""

    number: Identifier | None = None
    """PV1-19, MRG-5; PID-18, MRG-3."""
    present_number: Identifier | None = None
    """The number that it got in its place (PV1-19 of A50, PID-18 of A49)."""
    location: PatientLocation | None = None
    """Where the patient is now (PV1-3)."""


class NotePhi(Phi):
    """What somebody noted at the machine."""

    text: str | None = None


class ReportPhi(Phi):
    """What the radiologist wrote."""

    text: str | None = None
    impression: str | None = None
