"""One exam as the other services would tell of it."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from uuid import UUID, uuid4, uuid5

from fj_events import (
    Address,
    AppointmentNews,
    ClinicalPhi,
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
    Identifier,
    LinkAct,
    MatchRule,
    OrderCancelled,
    OrderChanged,
    OrderCompleted,
    OrderHeld,
    OrderPlaced,
    OrderReinstated,
    OrderReleased,
    OrderReopened,
    PatientMerged,
    PatientPhi,
    PatientRegistered,
    PatientUpdated,
    Priority,
    Refused,
    ReportAmended,
    ReportFinalized,
    ReportPhi,
    ReportPreliminary,
    ReportRetracted,
    ScheduledStep,
    SeriesSummary,
    Sex,
    Source,
    Staff,
    StudyAvailable,
    StudyMatched,
    StudyReceived,
    StudyRelinked,
    StudyUnmatched,
    WithdrawnReport,
)

SITE = "MAIN"
PATIENTS = UUID("5b8f3f1e-0c1b-4d7e-9a53-6f1f4c0f7a11")
TEXT = "Chest CT.\n\nNo nodule & no effusion | heart normal.\nÄnderung: keine."
IMPRESSION = "Normal."


def a_patient(
    number: str, family: str = "Beispiel", given: str = "Zoë Anna", born: date = date(1970, 4, 1)
) -> PatientPhi:
    return PatientPhi(
        id=Identifier(value=number, issuer="GENERAL"),
        family_name=family,
        given_name=given,
        birth_date=born,
        sex=Sex.FEMALE,
        address=Address(line="Hauptstr. 1", city="Ulm", postal_code="89073", country="DEU"),
        phone="0731 1234",
    )


@dataclass(frozen=True, slots=True)
class Exam:
    """An exam whose numbers follow from its own."""

    number: str
    order_id: UUID = field(default_factory=uuid4)
    report_id: UUID = field(default_factory=uuid4)
    patient: PatientPhi | None = None
    source: Source = Source.HL7
    code: str = "CTCHEST"
    priority: Priority = Priority.ROUTINE

    @property
    def placer(self) -> str:
        return f"PL{self.number}"

    @property
    def who(self) -> PatientPhi:
        return self.patient or a_patient(f"P{self.number}")

    @property
    def patient_id(self) -> UUID:
        number = self.who.id
        assert number is not None
        return uuid5(PATIENTS, f"{number.issuer}\x1f{number.value}")

    @property
    def uid(self) -> str:
        return f"2.25.{self.order_id.int}"

    @property
    def accession(self) -> Identifier:
        return Identifier(value=f"A{self.number}", issuer="MAIN")

    def registered(self, *, provisional: bool = False) -> PatientRegistered:
        return PatientRegistered(
            site=SITE, patient_id=self.patient_id, provisional=provisional, source=Source.HL7, patient=self.who
        )

    def updated(self, family: str) -> PatientUpdated:
        who = self.who.model_copy(update={"family_name": family})
        return PatientUpdated(site=SITE, patient_id=self.patient_id, provisional=False, source=Source.HL7, patient=who)

    def merged_into(self, other: "Exam") -> PatientMerged:
        """The patient's number is no longer used."""
        return PatientMerged(
            site=SITE,
            patient_id=self.patient_id,
            survivor_id=other.patient_id,
            merged_at=datetime(2026, 3, 2, 11, tzinfo=UTC),
            source=Source.HL7,
            patient=self.who,
            survivor=other.who,
        )

    def placed(self) -> OrderPlaced:
        return OrderPlaced(order_id=self.order_id, site=SITE, **self._details())

    def born_here(self) -> OrderPlaced:
        """Entered in the department: no placer has given it a number."""
        return self.placed().model_copy(update={"placer_order_number": None, "source": Source.HTTP})

    def numbered(self) -> OrderChanged:
        """The placer has given it its number."""
        details = self._details() | {"source": Source.HTTP}
        return OrderChanged(order_id=self.order_id, site=SITE, changed=("placer_order_number",), **details)

    def changed(self, text: str) -> OrderChanged:
        details = self._details() | {"procedure": CodedConcept(code=self.code, text=text, system="L")}
        return OrderChanged(order_id=self.order_id, site=SITE, changed=("procedure",), **details)

    def cancelled(self, actor: str | None = None) -> OrderCancelled:
        return OrderCancelled(
            order_id=self.order_id,
            site=SITE,
            actor=actor,
            patient_id=self.patient_id,
            accession_number=self.accession,
            study_instance_uid=self.uid,
        )

    def reinstated(self, refused: Refused = Refused.CANCEL) -> OrderReinstated:
        return OrderReinstated(
            order_id=self.order_id,
            site=SITE,
            patient_id=self.patient_id,
            accession_number=self.accession,
            placer_order_number=Identifier(value=self.placer, issuer="EHR"),
            refused=refused,
            reason="the exam is STARTED",
        )

    def held(self) -> OrderHeld:
        return OrderHeld(order_id=self.order_id, site=SITE, patient_id=self.patient_id, accession_number=self.accession)

    def released(self) -> OrderReleased:
        return OrderReleased(
            order_id=self.order_id, site=SITE, patient_id=self.patient_id, accession_number=self.accession
        )

    def reopened(self) -> OrderReopened:
        return OrderReopened(
            order_id=self.order_id,
            site=SITE,
            patient_id=self.patient_id,
            accession_number=self.accession,
            reason="its report was another order's",
        )

    def order_completed(self) -> OrderCompleted:
        return OrderCompleted(
            order_id=self.order_id,
            site=SITE,
            patient_id=self.patient_id,
            accession_number=self.accession,
            report_id=self.report_id,
            report_version=2,
            reason="delivered to ehr",
        )

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

    def _details(self) -> dict[str, object]:
        return {
            "patient_id": self.patient_id,
            "placer_order_number": Identifier(value=self.placer, issuer="EHR"),
            "accession_number": self.accession,
            "study_instance_uid": self.uid,
            "requested_procedure_id": self.accession.value,
            "procedure": CodedConcept(code=self.code, text="CT chest", system="L"),
            "modality": "CT",
            "priority": self.priority,
            "ordering_provider": Staff(id="D1", family_name="Wer", given_name="Uta"),
            "source": self.source,
            "patient": self.who,
            "clinical": ClinicalPhi(reason="cough", visit_number=Identifier(value="V1", issuer="GENERAL")),
        }

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
