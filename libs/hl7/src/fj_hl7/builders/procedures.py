"""What is planned, told to image managers (IHE RAD-4, RAD-13; HL7 v2.3.1 and v2.5.1 ch. 4.4)."""

from typing import Final

from fj_hl7.builders.content import Header, Order, Patient, Status, Step, Visit
from fj_hl7.builders.writer import message, obr, one, orc, pid, pv1, segment, time, zds
from fj_hl7.datatypes import CWE, EI, join
from fj_hl7.delimiters import USUAL, escape

ORM_VERSION: Final = "2.3.1"


def procedure_message(header: Header, patient: Patient, visit: Visit, order: Order, status: Status) -> bytes:
    """One order with all its steps: ORM^O01 with ZDS to receivers of 2.3.1, OMI^O23 to all others.

    Each step has a group of its own (ORC, OBR), since each has its own time.
    """
    lines = [pid(patient), pv1(visit)]
    old = header.version == ORM_VERSION
    for number, step in enumerate(order.steps, start=1):
        lines += _orm(order, status, step, number) if old else _omi(order, status, step, number)
    if old:
        return message(header, ("ORM", "O01", "ORM_O01"), [*lines, *zds(order)])
    return message(header, ("OMI", "O23", "OMI_O23"), lines)


def quantity_timing(step: Step, priority: str) -> str:
    """TQ (2.3.1, 4.4): duration, start, priority."""
    return join(("", "", f"M{step.minutes}", time(step.starts_at), "", escape(priority)))


def _orm(order: Order, status: Status, step: Step, number: int) -> list[str]:
    timing = quantity_timing(step, order.priority)
    planned = next(iter(step.protocol), CWE("", step.description))
    both = order.procedure._replace(
        alternate_code=planned.code,
        alternate_text=step.description or planned.text,
        alternate_system=planned.system,
    )
    extra = {
        4: both.write(),
        20: escape(step.step_id),
        24: escape(step.modality),
        27: timing,
        44: order.procedure.write(),
    }
    return [orc(order, status, timing), obr(order, number, extra)]


def _omi(order: Order, status: Status, step: Step, number: int) -> list[str]:
    tq1 = {1: "1", 6: join((str(step.minutes), "min")), 7: time(step.starts_at), 9: escape(order.priority)}
    ipc = {
        1: EI(order.accession_number).write(),
        2: EI(order.requested_procedure_id).write(),
        3: EI(order.study_instance_uid).write(),
        4: EI(step.step_id).write(),
        5: one(CWE(step.modality, "", "DCM")),
        6: USUAL.repetition.join(code.write() for code in step.protocol),
        7: EI(step.station_name).write(),
        8: EI(step.station_location).write(),
        9: escape(step.station_ae_title),
    }
    return [
        orc(order, status),
        segment("TQ1", tq1),
        obr(order, number, {24: escape(step.modality), 44: order.procedure.write()}),
        segment("IPC", ipc),
    ]
