"""Patients and visits (HL7 v2.5.1 ch. 3.3 ADT; IHE RAD-1, RAD-12)."""

from typing import Final

from fj_hl7.builders.content import Header, Patient, Visit
from fj_hl7.builders.writer import message, pid, pv1, segment
from fj_hl7.datatypes import CX
from fj_hl7.dtm import write_dtm

# Events whose message has the structure of another one (table 0354).
_STRUCTURES: Final = {"A04": "ADT_A01", "A08": "ADT_A01", "A28": "ADT_A05", "A31": "ADT_A05"}


def patient_message(header: Header, trigger: str, patient: Patient, visit: Visit) -> bytes:
    """ADT^`trigger` with EVN, PID and PV1: A01, A04, A05, A08, A28 or A31."""
    evn = segment("EVN", {2: write_dtm(header.at)})
    kind = ("ADT", trigger, _STRUCTURES.get(trigger, f"ADT_{trigger}"))
    return message(header, kind, [evn, pid(patient), pv1(visit)])


def merge_message(header: Header, survivor: Patient, gone: CX) -> bytes:
    """ADT^A40: what is known under `gone` (MRG-1) is the survivor's (PID-3) from now on."""
    lines = [segment("EVN", {2: write_dtm(header.at)}), pid(survivor), segment("MRG", {1: gone.write()})]
    return message(header, ("ADT", "A40", "ADT_A39"), lines)
