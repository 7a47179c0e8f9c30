"""The patient and the order of an exam as their owners would tell of them."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from uuid import UUID, uuid4, uuid5

from fj_events import (
    Address,
    ClinicalPhi,
    CodedConcept,
    Identifier,
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
    Sex,
    Source,
    Staff,
)

SITE = "MAIN"
PATIENTS = UUID("5b8f3f1e-0c1b-4d7e-9a53-6f1f4c0f7a11")


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
class Ordered:
    """An exam whose numbers follow from its own, as far as its order goes."""

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

    def merged_into(self, other: "Ordered") -> PatientMerged:
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
            "clinical": ClinicalPhi(
                reason="cough",
                history="smoker",
                notes="Body height: 170 cm",
                visit_number=Identifier(value="V1", issuer="GENERAL"),
            ),
        }
