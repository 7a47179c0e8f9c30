"""The plan of an exam, the exam and its images as their owners would tell of them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from fj_events import (
    AppointmentNews,
    CodedConcept,
    Completeness,
    Evidence,
    ExamCancelled,
    ExamCompleted,
    ExamDiscontinued,
    ExamMissed,
    ExamRescheduled,
    ExamScheduled,
    ExamStarted,
    LinkAct,
    MatchRule,
    RecallCause,
    ScheduledStep,
    SeriesSummary,
    StudyAvailable,
    StudyMatched,
    StudyRecalled,
    StudyReceived,
    StudyReinstated,
    StudyRejected,
    StudyRelinked,
    StudyRemoved,
    StudyRetired,
    StudyUnmatched,
)

from services.ehr_sync.tests.ordered import SITE, Ordered


@dataclass(frozen=True, slots=True)
class Performed(Ordered):
    """An exam as far as its images go."""

    def scheduled(self) -> ExamScheduled:
        return ExamScheduled(**self._plan(None, 9))

    def rescheduled(
        self, appointment: AppointmentNews | None = None, *, hour: int = 9, **changes: object
    ) -> ExamRescheduled:
        return ExamRescheduled(**self._plan(appointment, hour) | changes)

    def unscheduled(self) -> ExamCancelled:
        return ExamCancelled(
            exam_key=str(self.order_id),
            order_id=self.order_id,
            site=SITE,
            step_ids=self._step_ids,
            reason="the order was cancelled",
        )

    def missed(self) -> ExamMissed:
        return ExamMissed(
            exam_key=str(self.order_id), order_id=self.order_id, site=SITE, step_ids=self._step_ids, reason="no show"
        )

    def started(self) -> ExamStarted:
        return ExamStarted(
            exam_key=str(self.order_id),
            order_id=self.order_id,
            site=SITE,
            study_instance_uid=self.uid,
            evidence=Evidence.MPPS,
            started_at=datetime(2026, 3, 2, 9, 30, tzinfo=UTC),
        )

    def performed(self) -> ExamCompleted:
        return ExamCompleted(
            exam_key=str(self.order_id),
            order_id=self.order_id,
            site=SITE,
            study_instance_uid=self.uid,
            evidence=Evidence.MPPS,
        )

    def discontinued(self) -> ExamDiscontinued:
        return ExamDiscontinued(
            exam_key=str(self.order_id),
            order_id=self.order_id,
            site=SITE,
            study_instance_uid=self.uid,
            evidence=Evidence.MPPS,
        )

    def received(self) -> StudyReceived:
        return StudyReceived(
            site=SITE,
            study_instance_uid=self.uid,
            modalities=("CT",),
            study_date=date(2026, 3, 2),
            description="CT THORAX",
            patient=self.who,
            patient_id=self.patient_id,
            received_at=datetime.now(UTC),
        )

    def matched(self) -> StudyMatched:
        return StudyMatched(
            site=SITE,
            study_instance_uid=self.uid,
            order_id=self.order_id,
            patient_id=self.patient_id,
            accession_number=self.accession,
            matched_by=MatchRule.STUDY_UID,
            reason="same UID",
            ordered_study_instance_uid=self.uid,
        )

    def rejected(self, left: int, series: tuple[SeriesSummary, ...]) -> StudyRejected:
        return StudyRejected(
            **self._shown(left, series),
            rejection_id="1.2.3.4",
            code=CodedConcept(code="113037", text="Rejected for Patient Safety Reasons", system="DCM"),
            number_rejected=1,
        )

    def shown_again(self, left: int, series: tuple[SeriesSummary, ...]) -> StudyReinstated:
        return StudyReinstated(**self._shown(left, series), rejection_ids=("1.2.3.4",), reason="it was fine")

    def retired(self, left: int = 0) -> StudyRetired:
        return StudyRetired(**self._going(), removal_at=datetime.now(UTC), number_of_instances=2, number_left=left)

    def recalled(self, left: int, series: tuple[SeriesSummary, ...]) -> StudyRecalled:
        return StudyRecalled(**{**self._going(), **self._shown(left, series)}, cause=RecallCause.PERSON)

    def removed(self, left: int = 0) -> StudyRemoved:
        return StudyRemoved(
            **self._going(),
            retired_at=datetime.now(UTC),
            number_of_series=1,
            number_of_instances=2,
            number_left=left,
            number_of_packs=1,
            bytes=1,
            content_sha256="ab",
        )

    def _shown(self, left: int, series: tuple[SeriesSummary, ...]) -> dict[str, Any]:
        about = {"site": SITE, "study_instance_uid": self.uid}
        return about | {"number_of_instances": left, "number_of_series": len(series), "series": series}

    def _going(self) -> dict[str, Any]:
        about = {"site": SITE, "study_instance_uid": self.uid}
        return about | {"retirement_id": self.order_id, "reason": "10 years after the study"}

    def unmatched(self, *contradicted_by: str) -> StudyUnmatched:
        return StudyUnmatched(
            site="MAIN",
            study_instance_uid=self.uid,
            patient_id=self.patient_id,
            reason="another name",
            contradicted_by=contradicted_by,
            unconfirmed_order_id=self.order_id if contradicted_by else None,
        )

    def available(self) -> StudyAvailable:
        series = SeriesSummary(
            series_instance_uid=f"{self.uid}.1", modality="CT", number=1, body_part="CHEST", number_of_instances=3
        )
        return StudyAvailable(
            site=SITE,
            study_instance_uid=self.uid,
            order_id=self.order_id,
            modalities=("CT",),
            study_date=date(2026, 3, 2),
            description="CT THORAX",
            patient=self.who,
            series=(series,),
            number_of_series=1,
            number_of_instances=3,
            completeness=Completeness.MPPS,
            reason="mpps lists 3, all here",
            last_evidence_at=datetime.now(UTC),
        )

    def relinked(self, order_id: UUID | None) -> StudyRelinked:
        """A person said that the images are this order's, or nobody's."""
        return StudyRelinked(
            site="MAIN",
            actor="tess",
            study_instance_uid=self.uid,
            previous_order_id=self.order_id,
            order_id=order_id,
            act=LinkAct.LINK if order_id else LinkAct.UNLINK,
            reason="the wrong line was picked",
        )

    @property
    def _step_ids(self) -> tuple[str, ...]:
        return (f"A{self.number}-1", f"A{self.number}-2")

    def _plan(self, appointment: AppointmentNews | None, hour: int) -> dict[str, object]:
        """Two steps, one after the other."""
        steps = tuple(
            ScheduledStep(
                step_id=step_id,
                modality="CT",
                station_ae_title="CT1",
                station_name="CT room",
                station_location="Level 1",
                starts_at=datetime(2026, 3, 3, hour, 20 * nth, tzinfo=UTC),
                duration_minutes=20,
                description=description,
                protocol=(CodedConcept(code=f"PR{nth}", text=description, system="L"),),
            )
            for nth, (step_id, description) in enumerate(zip(self._step_ids, ("native", "contrast"), strict=True))
        )
        return {
            "exam_key": str(self.order_id),
            "order_id": self.order_id,
            "site": SITE,
            "accession_number": self.accession,
            "study_instance_uid": self.uid,
            "requested_procedure_id": self.accession.value,
            "procedure": CodedConcept(code=self.code, text="CT chest", system="L"),
            "priority": self.priority,
            "steps": steps,
            "reason": "auto-scheduling",
            "appointment": appointment,
        }
