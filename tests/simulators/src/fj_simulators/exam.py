"""One exam as the world outside knows it: who, what, which numbers."""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final

from fj_hl7 import CWE, CX, EI, HD, XPN, Sender
from fj_hl7.builders import Header, Order, Patient, Visit

EHR: Final = Sender("EHR", "GENERAL")
FILMJACKET: Final = Sender("FILMJACKET", "MAIN")
NAMES: Final = ("Ada Lovett", "Ben Okafor", "Chiara Rossi", "Daan Visser", "Elif Yildiz", "Femi Adeyemi", "Greta Holm")


@dataclass(frozen=True, slots=True)
class Exam:
    """What the placer asks for. The accession number is the placer's filler number, as many feeds have it."""

    patient: Patient
    placer_order_number: str
    accession_number: str
    procedure: CWE
    modality: str
    priority: str
    """HL7 table 0485: S, A, R."""

    @property
    def patient_id(self) -> str:
        return self.patient.identifiers[0].value

    @property
    def issuer(self) -> str:
        return self.patient.identifiers[0].authority.namespace

    @property
    def order(self) -> Order:
        """Its ORC, TQ1 and OBR."""
        return Order(
            placer=EI(self.placer_order_number, HD("EHR")),
            filler=EI(self.accession_number, HD("MAIN")),
            accession_number=self.accession_number,
            procedure=self.procedure,
            modality=self.modality,
            priority=self.priority,
            reason="Shortness of breath",
        )


def a_header() -> Header:
    """MSH of a message that the EHR sends now."""
    return Header(sending=EHR, receiving=FILMJACKET, at=datetime.now(UTC))


def a_visit() -> Visit:
    """An outpatient."""
    return Visit(patient_class="O")


def a_patient(name: str | None = None) -> Patient:
    """A synthetic patient with a fresh number."""
    number = secrets.token_hex(4).upper()
    given, _, family = (name or secrets.choice(NAMES)).partition(" ")
    return Patient(
        identifiers=(CX(f"P{number}", HD("GENERAL"), "MR"),),
        names=(XPN(family, given),),
        birth_date=date(1950 + int(number[:2], 16) % 55, 1 + int(number[2], 16) % 12, 1 + int(number[3], 16)),
        sex="F" if int(number[-1], 16) % 2 else "M",
    )


@dataclass(slots=True)
class _Counter:
    run: str = field(default_factory=lambda: secrets.token_hex(3).upper())
    last: int = 0

    def next(self) -> str:
        self.last += 1
        return f"{self.run}{self.last:03d}"


_numbers: Final = _Counter()


def an_exam(*, priority: str = "R", modality: str = "CT", patient: Patient | None = None) -> Exam:
    """A chest CT (or the like) of a fresh patient, with fresh numbers."""
    number = _numbers.next()
    return Exam(
        patient=patient or a_patient(),
        placer_order_number=f"PL{number}",
        accession_number=f"A{number}",
        procedure=CWE(f"{modality}CHEST", f"{modality} chest", "L"),
        modality=modality,
        priority=priority,
    )
