"""The worklist: what stands on it, and what a modality may ask of it (PS3.4 Annex K)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from fj_events import CodedConcept, OrderDetails, PatientPhi, ScheduledStep, Uid
from pydantic import BaseModel, ConfigDict

from scheduling_service.domain.exam import Exam
from scheduling_service.domain.period import Period
from scheduling_service.domain.step import ON_WORKLIST, StepState
from scheduling_service.domain.visit import Visit


class Item(BaseModel):
    """A step that waits, with all that a modality may want to know about it."""

    model_config = ConfigDict(frozen=True)

    site: str
    study_instance_uid: Uid
    procedure: CodedConcept
    details: OrderDetails
    step: ScheduledStep
    state: StepState = StepState.SCHEDULED
    notes: tuple[str, ...] = ()
    patient: PatientPhi
    """As the patient is called now, which may not be how the order called them."""
    visit: Visit | None = None
    """The visit as it is when the step is asked for; None where the registration system said nothing of it."""
    starts_local: datetime
    """When the step starts, by the clock on the site's wall: worklists have no time zones."""


class Key(StrEnum):
    """What can be asked for by value besides the start and the patient's name."""

    STATION_AE_TITLE = "station_ae_title"
    MODALITY = "modality"
    STEP_ID = "step_id"
    PATIENT_ID = "patient_id_value"
    PATIENT_ID_ISSUER = "patient_id_issuer"
    ACCESSION_NUMBER = "accession_number"
    REQUESTED_PROCEDURE_ID = "requested_procedure_id"
    STUDY_INSTANCE_UID = "study_instance_uid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """All parts have to match; a part that is left out matches everything. `*` and `?` are wildcards."""

    site: str
    values: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)
    """Any of them."""
    patient_name: tuple[str, ...] = ()
    """Component groups, each of which has to match one of the patient's, whatever the case."""
    period: Period = field(default_factory=Period)


def items(exam: Exam, current: PatientPhi, zone: ZoneInfo, survivor_id: UUID | None = None) -> list[Item]:
    """What an exam has on the worklist. `current` is who the patient is by now; the order knows what it leaves open.

    `survivor_id`: whose the order is after a merge. What it says about a person who was thought another is left out.
    """
    if exam.ordered is None or exam.is_held:
        return []
    details = exam.ordered.details
    if survivor_id is not None and survivor_id != details.patient_id:
        details = details.model_copy(update={"patient_id": survivor_id, "patient": current})
    known = {name: value for name in PatientPhi.model_fields if (value := getattr(current, name))}
    patient = details.patient.model_copy(update=known)
    return [
        Item(
            site=exam.site,
            study_instance_uid=exam.study_instance_uid,
            procedure=exam.ordered.procedure,
            details=details,
            step=step.plan,
            state=step.state,
            notes=tuple(f"{note.by}: {note.text}" for note in exam.ordered.notes),
            patient=patient,
            starts_local=step.plan.starts_at.astimezone(zone).replace(tzinfo=None),
        )
        for step in exam.steps
        if step.state in ON_WORKLIST
    ]


def name_groups(patient: PatientPhi) -> tuple[str, str, str]:
    """Alphabetic, ideographic and phonetic component group of a person name (PS3.5 section 6.2.1)."""
    parts = (patient.family_name, patient.given_name, patient.middle_name, patient.prefix, patient.suffix)
    alphabetic = "^".join((part or "").translate(_NOT_IN_NAMES) for part in parts).rstrip("^")
    return alphabetic, patient.ideographic_name or "", patient.phonetic_name or ""


def folded(name: str) -> str:
    """A name as it is compared: without regard to case (PS3.4 C.2.2.2.1) or to empty components at the end."""
    return name.casefold().strip().rstrip("^")


_NOT_IN_NAMES = str.maketrans("^=\\", "   ")
