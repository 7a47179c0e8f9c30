"""Studies: their assembly and matching, and looking them up."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from fj_events import (
    ExamRescheduled,
    ExamScheduled,
    ExamStarted,
    Fact,
    InstancesStored,
    ObjectRef,
    OrderChanged,
    OrderPlaced,
    PatientMerged,
    PatientPhi,
    PatientRegistered,
    PatientUnmerged,
    PatientUpdated,
    SeriesSummary,
    StudyConflicted,
    StudyDamaged,
    StudyRelinked,
    StudyUnmatched,
)

from storage_service.domain.exceptional import Exceptional, ExceptionEntry, ExceptionKind
from storage_service.domain.keys import OrderKeys, StudyKeys
from storage_service.domain.rejection import Note, Shown
from storage_service.domain.retirement import Retirement
from storage_service.domain.study import Arrival, Overview, PerformedEnd, Study


class Studies(Protocol):
    """Studies and what is known about where they belong, inside one transaction.

    Every method that names a study locks it until the end, be it known already or not.
    """

    async def add_instances(self, facts: Sequence[InstancesStored], heard_at: datetime) -> Mapping[str, Arrival]:
        """Fold instances into the index; by study. Those that are here already change nothing."""

    async def still_kept(self, facts: Sequence[InstancesStored]) -> list[InstancesStored]:
        """The facts without those whose instances were removed since: a rebuild reads them again."""

    async def recall(self, study_instance_uid: str, now: datetime) -> tuple[Retirement, Shown] | None:
        """Show a retired study again, as images of it came; None where it is not retired."""

    async def get(self, study_instance_uids: Collection[str]) -> list[Study]:
        """The studies of which an image is here, in order of their UIDs."""

    async def save(self, studies: Sequence[Study]) -> None:
        """Keep to what they were matched, whether they are complete, and when to look again."""

    async def with_progress(self, studies: Sequence[Study]) -> list[Study]:
        """The same studies with what is known now of their making, by their UIDs and their orders."""

    async def series(self, study_instance_uids: Collection[str]) -> Mapping[str, list[SeriesSummary]]:
        """Their series, counted, in order of their numbers."""

    async def candidates(self, keys: Sequence[StudyKeys]) -> Mapping[str, list[OrderKeys]]:
        """Orders that share the UID, the accession number or, where there is none, the patient; by Study UID."""

    async def due(self, now: datetime, most: int) -> list[str]:
        """Studies whose time has come and that nobody else is looking at."""

    async def put_order(self, fact: OrderPlaced | OrderChanged, placed_at: datetime, day: date) -> None:
        """Keep by what an order can be matched."""

    async def set_order_open(self, order_id: UUID, *, open_: bool) -> None:
        """Say whether an order still waits for images."""

    async def waiting_for_order(self, order_id: UUID) -> list[str]:
        """Studies without an order that could belong to this one."""

    async def waiting_for_patient(self, patient_id: UUID) -> list[str]:
        """Studies without an order that are of this patient, or share a number with one of this patient's orders."""

    async def registered(self, study_instance_uids: Collection[str]) -> Mapping[str, Sequence[PatientPhi]]:
        """Whom the patient's numbers on their images are of, by all names that registrations and merges give them."""

    async def plan_exam(self, fact: ExamScheduled | ExamRescheduled) -> None:
        """Keep the modalities that are planned for an order."""

    async def start_exam(self, fact: ExamStarted, heard_at: datetime) -> list[str]:
        """Keep that a performed step is in progress; the studies that it is about."""

    async def end_exam(self, end: PerformedEnd, heard_at: datetime) -> list[str]:
        """Keep that a performed step ended and what it lists; the studies that it is about."""

    async def put_patient(self, fact: PatientRegistered | PatientUpdated, aliases: Sequence[UUID]) -> None:
        """Keep the further ids of a patient."""

    async def patient_moved(self, fact: PatientMerged | PatientUnmerged) -> None:
        """The studies under a number are found as those of whom it stands for now."""

    async def mark_for_routing(self, study_instance_uids: Collection[str]) -> None:
        """They are available, or have grown: see where they are to be sent, once that has committed."""

    async def expect_notes(self, notes: Sequence[Note]) -> None:
        """These documents are to be read once they are committed; those that were read are not read again."""

    def emit(self, fact: Fact) -> None:
        """Say that something happened; it commits with the rest."""

    async def report(
        self, fact: StudyConflicted | StudyDamaged | StudyRelinked | StudyUnmatched, entry: Exceptional
    ) -> None:
        """Say that something happened, and put it on the exceptions list."""

    async def resolve(self, study_instance_uid: str, kind: ExceptionKind) -> bool:
        """Take what is no exception any more off the list; False where nothing was there."""


class StudyBook(Protocol):
    """Looking studies up, outside of any transaction."""

    async def read(self, study_instance_uid: str) -> Overview | None:
        """One study."""

    async def find(self, *, accession: str | None, patient_number: str | None, limit: int) -> list[Overview]:
        """The studies that came last, with these numbers, whoever gave them out."""

    async def unmatched(self, limit: int) -> list[Overview]:
        """Complete studies that no order fits, the longest waiting first."""

    async def exceptions(self, limit: int) -> list[ExceptionEntry]:
        """What a person has to look at, the newest first."""

    async def any_due(self, now: datetime) -> bool:
        """Whether there is a study whose time has come."""


class InstanceLists(Protocol):
    """Lists of instances that are too long for an event."""

    async def read(self, ref: ObjectRef) -> tuple[str, ...]:
        """The SOP Instance UIDs of all series."""


class Hearing(Protocol):
    """How far this service has listened."""

    async def heard_until(self) -> datetime | None:
        """Every fact that stood on the log then has been handled; None where that is not known yet."""
