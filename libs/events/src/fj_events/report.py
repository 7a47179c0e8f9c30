"""Facts about reports. Owner: `reporting`."""

from uuid import UUID

from pydantic import AwareDatetime

from fj_events.base import Fact, OpenEnum
from fj_events.terms import Identifier, Staff, Uid
from fj_events.vocabulary import ReportPhi, Source


class _Report(Fact):
    report_id: UUID
    exam_key: str
    order_id: UUID | None = None
    patient_id: UUID | None = None
    accession_number: Identifier | None = None
    placer_order_number: Identifier | None = None
    study_instance_uids: tuple[Uid, ...] = ()
    version: int
    """1, 2, 3 …; each fact about a report has a higher one."""
    author: Staff | None = None
    signed_at: AwareDatetime | None = None
    source: Source
    content: ReportPhi


class ReportPreliminary(_Report, type="report.preliminary.v1", topic="report-events", key="exam_key"):
    """A preliminary reading is there (OBR-25 P; FHIR preliminary). Never overwrites a final one."""


class ReportFinalized(_Report, type="report.finalized.v1", topic="report-events", key="exam_key"):
    """The report was signed (OBR-25 F; FHIR final)."""


class ReportAmended(_Report, type="report.amended.v1", topic="report-events", key="exam_key"):
    """A signed report was corrected (OBR-25 C; FHIR corrected)."""

    reason: str | None = None


class ReportStanding(OpenEnum):
    """What a report is worth (OBR-25 P, F, C)."""

    PRELIMINARY = "preliminary"
    FINAL = "final"
    AMENDED = "amended"


class ReportRetracted(_Report, type="report.retracted.v1", topic="report-events", key="exam_key"):
    """The report is withdrawn from this order: the images that it is about are another one's. The content is empty."""

    reason: str


class ReportRelinked(_Report, type="report.relinked.v1", topic="report-events", key="exam_key"):
    """The report follows its images to another order, or to none. Said after it was retracted from the one before."""

    previous_order_id: UUID | None = None
    standing: ReportStanding
    reason: str
