"""A study on its way to being complete."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final
from uuid import UUID

from fj_events import Identifier, MatchRule, PatientPhi

from storage_service.domain.assembly import Complete, Progress, StepState
from storage_service.domain.keys import StudyKeys
from storage_service.domain.matching import Match, NoMatch

UNMERGED: Final = "it was matched while two patients counted as one, and they do not any more"


@dataclass(frozen=True, slots=True)
class Study:
    """What storage knows of one study that has at least one instance."""

    study_instance_uid: str
    site: str
    study_date: date | None
    description: str | None
    modalities: tuple[str, ...]
    number_of_series: int
    number_of_instances: int
    accession_number: Identifier | None
    patient_id: UUID | None
    """As the images say."""
    patient_ids: frozenset[UUID]
    """All ids by which this patient is known."""
    patient: PatientPhi
    received_at: datetime
    progress: Progress
    requested_procedure_ids: frozenset[str] = frozenset()
    step_ids: frozenset[str] = frozenset()
    station: str | None = None
    """The AE title that sent the first image."""
    order_id: UUID | None = None
    order_patient_id: UUID | None = None
    matched_by: str | None = None
    match_reason: str | None = None
    unmatched_reason: str | None = None
    contradicted_by: tuple[str, ...] = ()
    """It shows somebody else than its number is of, as these say: it is kept, unconfirmed."""
    unconfirmed_order_id: UUID | None = None
    """The order that has the number; absent: it is the patient's own."""
    patient_confirmed: bool = False
    """A person said that the patient's number is right."""
    available_at: datetime | None = None
    completeness: str | None = None
    completeness_reason: str | None = None
    due_at: datetime | None = None

    @property
    def may_be_matched(self) -> bool:
        """It belongs to no order, and no person said that it should not."""
        return self.order_id is None and self.matched_by != MatchRule.PERSON

    @property
    def is_matched_by_rule(self) -> bool:
        """It belongs to an order, and no person said so."""
        return self.order_id is not None and self.matched_by != MatchRule.PERSON

    @property
    def keys(self) -> StudyKeys:
        """By what it can be matched."""
        return StudyKeys(
            study_instance_uid=self.study_instance_uid,
            accession_number=self.accession_number,
            patient_ids=self.patient_ids,
            modalities=self.modalities,
            day=self.study_date or self.received_at.date(),
            patient=self.patient,
            requested_procedure_ids=self.requested_procedure_ids,
            step_ids=self.step_ids,
            station=self.station,
            patient_confirmed=self.patient_confirmed,
        )

    def linked_to(self, match: Match) -> "Study":
        """The same study, belonging to an order."""
        order = match.order
        return replace(
            self,
            order_id=order.order_id,
            order_patient_id=order.patient_id,
            matched_by=match.matched_by,
            match_reason=match.reason,
            unmatched_reason=None,
            contradicted_by=(),
            unconfirmed_order_id=None,
        )

    def parted(self) -> "Study":
        """The same study, off the order that a rule had found, which no rule would find any more."""
        return replace(
            self,
            order_id=None,
            order_patient_id=None,
            matched_by=None,
            match_reason=None,
            unmatched_reason=UNMERGED,
        )

    def waiting_for_order(self, found: NoMatch) -> "Study":
        """The same study, for which no order was found so far: it may be on its way here."""
        to_come = self.progress.order_to_come or found.order_to_come
        return replace(self, progress=replace(self.progress, order_to_come=to_come))

    def without_order(self, found: NoMatch) -> "Study":
        """The same study, for which no order was found. How it lost one stays said until it has one."""
        lost_one = (self.unmatched_reason or "").startswith(UNMERGED)
        return replace(
            self,
            unmatched_reason=f"{UNMERGED}; {found.reason}" if lost_one else found.reason,
            contradicted_by=found.contradicted_by,
            unconfirmed_order_id=found.order_id,
        )

    def closed_by(self, verdict: Complete, at: datetime) -> "Study":
        """The same study, complete."""
        return replace(
            self,
            available_at=at,
            completeness=verdict.completeness,
            completeness_reason=verdict.reason,
        )


@dataclass(frozen=True, slots=True)
class Conflict:
    """An instance that came under a known UID with other bytes. The first stays current."""

    series_instance_uid: str
    sop_instance_uid: str
    revision: int
    sha256: str
    """Hexadecimal, as the next one."""
    current_sha256: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a fact about stored instances has added to the index."""

    first: bool
    """The study was not here before."""
    late: bool
    """The study was available already."""
    added: int
    conflicts: tuple[Conflict, ...] = ()
    returned: bool = False
    """The study was retired before these images were received."""


@dataclass(frozen=True, slots=True)
class PerformedEnd:
    """The end of a performed step (MPPS N-SET)."""

    exam_key: str
    order_id: UUID | None
    study_instance_uid: str
    state: StepState
    ended_at: datetime
    """When it was told, not what the device claims."""
    listed: tuple[str, ...]
    """SOP Instance UIDs."""


@dataclass(frozen=True, slots=True)
class Overview:
    """A study as others see it."""

    study_instance_uid: str
    site: str
    study_date: date | None
    description: str | None
    modalities: tuple[str, ...]
    number_of_series: int
    number_of_instances: int
    conflicting_instances: int
    """With the UID of a current one and other bytes: kept, not shown."""
    described_series: int
    """Series whose metadata is made and kept."""
    accession_number: Identifier | None
    patient: PatientPhi
    received_at: datetime
    last_instance_at: datetime
    available_at: datetime | None
    completeness: str | None
    completeness_reason: str | None
    order_id: UUID | None
    matched_by: str | None
    match_reason: str | None
    unmatched_reason: str | None
    contradicted_by: tuple[str, ...]
    """See `Study`: not empty for a study whose order a person has to confirm."""
    unconfirmed_order_id: UUID | None
