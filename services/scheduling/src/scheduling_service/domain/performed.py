"""A Modality Performed Procedure Step (PS3.3 C.4.13 to C.4.15, PS3.4 Annex F) in canonical terms."""

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Final
from uuid import UUID

from fj_events import CodedConcept, PatientPhi, PerformedSeries, Uid
from pydantic import AwareDatetime, BaseModel, ConfigDict

from scheduling_service.domain.errors import NoLongerUpdatable, NoSeries
from scheduling_service.domain.step import Act, StepState, moved

WRONG_ENTRY: Final = CodedConcept(code="110514", text="Incorrect worklist entry selected", system="DCM")
"""PS3.16 CID 9300."""


class PerformedStatus(StrEnum):
    """Performed Procedure Step Status (0040,0252)."""

    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Reference(_Part):
    """An item of the Scheduled Step Attributes Sequence (0040,0270): which request this performs."""

    study_instance_uid: Uid
    requested_study_uids: tuple[Uid, ...] = ()
    """Of the Referenced Study Sequence: the requests' own UIDs where a modality grouped several (F.7.2.1.2, note 2)."""
    accession_number: str | None = None
    accession_issuer: str | None = None
    step_id: str | None = None

    @property
    def study_uids(self) -> tuple[Uid, ...]:
        """Every Study Instance UID that it names."""
        return (self.study_instance_uid, *self.requested_study_uids)


class Change(_Part):
    """What an N-SET sets. None: not in the request, so unchanged."""

    status: PerformedStatus | None = None
    ended_at: AwareDatetime | None = None
    series: tuple[PerformedSeries, ...] | None = None
    """All of them: a sequence in an N-SET replaces the one before (PS3.4 F.7.2.2.2)."""
    discontinuation_reason: CodedConcept | None = None
    description: str | None = None
    procedure: tuple[CodedConcept, ...] | None = None
    protocol: tuple[CodedConcept, ...] | None = None


class PerformedStep(_Part):
    """What a modality says that it does, or did."""

    sop_instance_uid: Uid
    site: str
    status: PerformedStatus
    station_ae_title: str
    modality: str
    started_at: AwareDatetime
    references: tuple[Reference, ...]
    patient_id: UUID | None = None
    patient: PatientPhi
    ended_at: AwareDatetime | None = None
    series: tuple[PerformedSeries, ...] = ()
    discontinuation_reason: CodedConcept | None = None
    performed_step_id: str | None = None
    """Performed Procedure Step ID (0040,0253)."""
    station_name: str | None = None
    location: str | None = None
    description: str | None = None
    """Performed Procedure Step Description (0040,0254), else the type description (0040,0255)."""
    procedure: tuple[CodedConcept, ...] = ()
    """Procedure Code Sequence (0008,1032)."""
    protocol: tuple[CodedConcept, ...] = ()
    """Performed Protocol Code Sequence (0040,0260)."""

    @property
    def is_wrong_entry(self) -> bool:
        """Whether it was given up because it was meant for another exam."""
        reason = self.discontinuation_reason
        given_up = self.status is PerformedStatus.DISCONTINUED
        return given_up and reason is not None and (reason.code, reason.system) == (WRONG_ENTRY.code, "DCM")

    @property
    def number_of_instances(self) -> int:
        """Over all series."""
        return sum(series.number_of_instances for series in self.series)

    @property
    def study_instance_uid(self) -> Uid:
        """In which study the images are."""
        return self.references[0].study_instance_uid

    def is_lost_with(self, studies: Collection[Uid]) -> bool:
        """Whether its images are in one of these; those of a group of orders are in that of one of them."""
        return self.study_instance_uid in studies and len(self.references) == 1


def change(performed: PerformedStep, wish: Change) -> PerformedStep:
    """The step after an N-SET. Raises NoLongerUpdatable, NoSeries."""
    if performed.status is not PerformedStatus.IN_PROGRESS:
        raise NoLongerUpdatable
    set_ = {name: value for name in Change.model_fields if (value := getattr(wish, name)) is not None}
    changed = performed.model_copy(update=set_)
    if changed.status is PerformedStatus.COMPLETED and not changed.series:
        raise NoSeries
    return changed


def finish(performed: PerformedStep) -> PerformedStep:
    """The step ended by us, where its modality has failed (PS3.4 F.7.2.2.3, note 2); what it reported counts."""
    if performed.status is not PerformedStatus.IN_PROGRESS:
        return performed
    return performed.model_copy(update={"status": PerformedStatus.COMPLETED})


_WAYS: Final = {
    StepState.STARTED: (Act.START,),
    StepState.COMPLETED: (Act.START, Act.COMPLETE),
    StepState.DISCONTINUED: (Act.START, Act.DISCONTINUE),
}


def after(state: StepState, performed: Iterable[PerformedStatus]) -> StepState:
    """The state of what was scheduled after all that was performed for it. Asking again leads to the same state.

    A performed step that is in progress keeps it going, and takes up again what another one completed; else one that
    was completed outweighs those given up.
    """
    present = set(performed)
    if not present:
        return state
    target = StepState.DISCONTINUED
    if present >= {PerformedStatus.IN_PROGRESS, PerformedStatus.COMPLETED}:
        state, target = moved(state, Act.APPEND), StepState.STARTED
    elif PerformedStatus.IN_PROGRESS in present:
        target = StepState.STARTED
    elif PerformedStatus.COMPLETED in present:
        target = StepState.COMPLETED
    return state if target is state else moved(state, *_WAYS[target])
