"""What the handlers need."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from fj_events import (
    CodedConcept,
    Fact,
    Identifier,
    OrderDetails,
    PatientPhi,
    Priority,
    ReportPhi,
    StudyAvailable,
    StudyReceived,
    StudyRelinked,
    StudyUnmatched,
    StudyUpdated,
)

from reporting_service.domain.report import Reading, Report, Subject


class Reports(Protocol):
    """Exams and their reports, inside one transaction. What is read is locked until its end."""

    async def keep_order(self, order_id: UUID, site: str, details: OrderDetails) -> None:
        """Keep what is asked for."""

    async def keep_study(self, study: StudyReceived | StudyAvailable | StudyUpdated) -> None:
        """Keep what the images say; once available, always available."""

    async def link(self, study_instance_uid: str, site: str, order_id: UUID) -> None:
        """The study belongs to the order; a report that the study has is then the order's."""

    async def relink(self, study: StudyRelinked, left: str) -> None:
        """The study left the exam with the key `left`, for an order or for none."""

    async def doubt(self, study: StudyUnmatched) -> None:
        """Keep whether the images show somebody else than their number is of."""

    async def unconfirmed_of(self, subject: Subject) -> str | None:
        """The study that carries the number of this order and may be another person's, if the order has no other."""

    async def exam_is(self, order_id: UUID, state: str) -> None:
        """Note how far the exam of an order is."""

    async def patient_is(self, patient_id: UUID, patient: PatientPhi) -> None:
        """Note who the patient is now."""

    async def study_priority_is(self, study_instance_uid: str, site: str, priority: Priority, reason: str) -> None:
        """Note how urgent a study is, and why."""

    async def subject_of(self, reading: Reading) -> Subject | None:
        """What a reading is about, by its numbers; None while that is not known."""

    async def subject_with(self, exam_key: str) -> Subject | None:
        """The exam with this key."""

    async def wait(self, reading: Reading) -> None:
        """Keep a reading whose exam is not known yet."""

    async def waiting_for(self, subject: Subject) -> Sequence[Reading]:
        """The readings that waited for this exam, in order of arrival; they wait no longer."""

    async def addenda_to(self, document: Identifier) -> Sequence[Reading]:
        """The addenda that waited for this document, in order of arrival; they wait no longer."""

    async def of(self, subject: Subject) -> Report | None:
        """The newest version of the report about this exam."""

    async def keep(self, subject: Subject, report: Report) -> None:
        """Keep a new version as the newest."""

    async def retract(self, report: Report) -> None:
        """It is no longer the report of its exam, as this version of it says."""

    async def last_version(self, exam_key: str) -> int:
        """The highest version of any report that the exam has or had; 0 where it had none."""

    async def note(self, report_id: UUID, reading: Reading, version: int | None) -> None:
        """Enter a reading in the history; `version` is the one that it made, None where it changed nothing."""

    async def draft(self, subject: Subject, content: ReportPhi, actor: str) -> None:
        """Keep what is being written; nobody else is told."""

    async def move_draft(self, exam_key: str, to: str) -> None:
        """What is being written is about another exam."""

    async def take_draft(self, subject: Subject) -> ReportPhi | None:
        """What was being written; it is a draft no longer."""

    def emit(self, fact: Fact) -> None:
        """Say that something happened; it commits with the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingItem:
    """One line of the reading list."""

    exam_key: str
    site: str
    order_id: UUID | None
    study_instance_uids: tuple[str, ...]
    accession_number: Identifier | None
    patient: PatientPhi
    procedure: CodedConcept | None
    description: str | None
    modalities: tuple[str, ...]
    priority: Priority
    priority_reason: str | None
    available_at: datetime
    number_of_instances: int
    report_status: str | None
    has_draft: bool
    exam_state: str | None
    contradicted_by: tuple[str, ...]
    """Not empty: the images show somebody else than their number is of."""
    unconfirmed_order_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportView:
    """The report of one exam as its readers see it."""

    subject: Subject
    report: Report | None
    draft: ReportPhi | None


class ReadingRoom(Protocol):
    """Looking at exams and reports, outside of any transaction."""

    async def reading_list(self, *, site: str | None, modality: str | None, limit: int) -> list[ReadingItem]:
        """Available exams without a signed report, the most urgent and then the longest waiting first."""

    async def read(self, exam_key: str) -> ReportView | None:
        """One exam with its report and draft."""

    async def waiting(self, limit: int) -> list[Reading]:
        """Readings whose exam is not known."""
