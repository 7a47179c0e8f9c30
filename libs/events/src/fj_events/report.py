"""Facts about reports. Owner: `reporting`."""

from uuid import UUID

from pydantic import AwareDatetime

from fj_events.base import Fact, Part
from fj_events.terms import Identifier, Staff, Uid
from fj_events.vocabulary import ReportPhi, Source


class WithdrawnReport(Part):
    """A version of a report that says that it is withdrawn."""

    report_id: UUID
    version: int


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
    moved_from: WithdrawnReport | None = None
    """What was another order's report before its images were linked to this one: withdrawn there, and told first."""


class ReportPreliminary(_Report, type="report.preliminary.v1", topic="report-events", key="exam_key"):
    """A preliminary reading is there (OBR-25 P; FHIR preliminary). Never overwrites a final one."""


class ReportFinalized(_Report, type="report.finalized.v1", topic="report-events", key="exam_key"):
    """The report was signed (OBR-25 F; FHIR final)."""


class ReportAmended(_Report, type="report.amended.v1", topic="report-events", key="exam_key"):
    """A signed report was corrected (OBR-25 C; FHIR corrected)."""

    reason: str | None = None


class ReportRetracted(_Report, type="report.retracted.v1", topic="report-events", key="exam_key"):
    """The report is withdrawn from this order: the images that it is about are another one's. The content is empty."""

    reason: str
