"""One exam as the other services would tell of it."""

from dataclasses import dataclass
from datetime import UTC, datetime

from fj_events import (
    Identifier,
    ReportAmended,
    ReportFinalized,
    ReportPhi,
    ReportPreliminary,
    ReportRetracted,
    Source,
    Staff,
    WithdrawnReport,
)

from services.ehr_sync.tests.ordered import SITE
from services.ehr_sync.tests.performed import Performed

TEXT = "Chest CT.\n\nNo nodule & no effusion | heart normal.\nÄnderung: keine."
IMPRESSION = "Normal."


@dataclass(frozen=True, slots=True)
class Exam(Performed):
    """An exam from its order to its report."""

    def preliminary(self, version: int = 1) -> ReportPreliminary:
        return ReportPreliminary(**self._report(version))

    def finalized(self, version: int = 2) -> ReportFinalized:
        return ReportFinalized(**self._report(version))

    def amended(self, version: int = 3) -> ReportAmended:
        return ReportAmended(**self._report(version))

    def retracted(self, version: int = 4) -> ReportRetracted:
        said = {**self._report(version), "content": ReportPhi()}
        return ReportRetracted(**said, reason="the wrong line was picked")

    def moved_from(self, other: "Exam") -> ReportFinalized:
        """The report of this order, which was the other's before a person linked its images to this one."""
        withdrawn = WithdrawnReport(report_id=other.report_id, version=other.retracted().version)
        return self.finalized(1).model_copy(update={"moved_from": withdrawn})

    def _report(self, version: int) -> dict[str, object]:
        return {
            "site": SITE,
            "report_id": self.report_id,
            "exam_key": str(self.order_id),
            "order_id": self.order_id,
            "patient_id": self.patient_id,
            "accession_number": self.accession,
            "placer_order_number": Identifier(value=self.placer, issuer="EHR"),
            "study_instance_uids": (self.uid,),
            "version": version,
            "author": Staff(id="R1", family_name="Strahl", given_name="Rosa"),
            "signed_at": datetime(2026, 3, 2, 10, version, tzinfo=UTC),
            "source": Source.HL7,
            "content": ReportPhi(text=TEXT, impression=f"{IMPRESSION} v{version}"),
        }
