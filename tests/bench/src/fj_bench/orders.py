"""Order messages as an EHR sends them."""

import secrets
from datetime import UTC, datetime
from typing import Final

from fj_hl7 import CWE, CX, EI, HD, XPN, Sender
from fj_hl7.builders import Header, Order, Patient, Visit, order_message

PROFILE: Final = """\
profiles:
  BENCH:
    senders: [{application: EHR, facility: NORTH}]
    site: MAIN
    time_zone: Europe/Berlin
    issuers: {patient: NORTH, placer: EHR, accession: NORTH}
    places:
      accession_number: [ZAU-4, OBR-20]
      study_instance_uid: [ZAU-7.1]
      priority: [ZAU-2]
      modality: ["OBX[3.1=DEVICE]-5.1", OBR-24]
      procedure: [ZAU-9]
      asked_for: [ZAU-5, TQ1-7.1]
    codes:
      order_control: {NEW: NW}
      priority: {NORMAL: R}
      modality: {SCANNER: CT}
      procedure: {5520: {code: CTCHEST, text: CT chest, system: L}}
"""
"""How a hospital writes that puts things elsewhere, in codes of its own."""
_QUESTION: Final = "OBX|{0}|TX|1000-{0}^A question that was asked^LN||An answer about as long as they are: {0}||||||F\r"


def an_order(number: int = 1, run: str = "B", questions: int = 0, study_instance_uid: str = "") -> bytes:
    """ORM^O01 NW with PID, PV1, ORC, TQ1, OBR, as many OBX as asked questions, ZDS with a Study UID."""
    header = Header(sending=Sender("EHR", "NORTH"), receiving=Sender("FJ", "MAIN"), at=datetime.now(UTC))
    patient = Patient(
        identifiers=(CX(f"{run}{number}", HD("NORTH", "1.2.3", "ISO"), "MR"),),
        names=(XPN("Example", "Ada", "Sample"),),
        sex="F",
    )
    order = Order(
        placer=EI(f"P{run}{number}", HD("EHR")),
        procedure=CWE("CTCHEST", "CT chest", "L"),
        modality="CT",
        priority="R",
        wanted=datetime.now(UTC),
        reason="Cough",
        history="Never smoked. Cough for three weeks.",
        study_instance_uid=study_instance_uid,
    )
    asked = "".join(_QUESTION.format(n) for n in range(1, questions + 1))
    return order_message(header, "NW", patient, Visit(), order) + asked.encode()


def new_orders(count: int) -> list[bytes]:
    """Orders that nobody has seen before, each of a patient of its own."""
    run = secrets.token_hex(3).upper()
    return [an_order(number, run) for number in range(count)]


def orders_by_profile(count: int) -> list[bytes]:
    """New orders as the hospital of `PROFILE` writes them."""
    run = secrets.token_hex(3).upper()
    return [_by_profile(an_order(number, run), f"A{run}{number}") for number in range(count)]


def _by_profile(raw: bytes, accession_number: str) -> bytes:
    own = f"OBX|1|ST|DEVICE^^L||SCANNER||||||F\rZAU||NORMAL||{accession_number}|||||5520^Thorax^MH\r"
    return raw.replace(b"\rORC|NW|", b"\rORC|NEW|", 1) + own.encode()
