"""Appointments (HL7 v2.4 and v2.5.1 ch. 10.3 SIU; IHE RAD-48)."""

from dataclasses import replace
from typing import Final

from fj_hl7.builders.content import Appointment, Header, Order, Patient, Step, Visit
from fj_hl7.builders.procedures import ORM_VERSION, quantity_timing
from fj_hl7.builders.writer import message, one, pid, pv1, segment, time
from fj_hl7.datatypes import CWE
from fj_hl7.delimiters import escape

_ACTIONS: Final = {"S12": "A", "S15": "D", "S26": "D"}
"""Segment action code (table 0206); all other events update."""
_OLD: Final = "2.4"
"""What receivers of 2.3.1 get: before it SCH has no order numbers."""
_EQUIPMENT: Final = CWE("EQUIPMENT", "Imaging equipment", "L")


def appointment_message(
    header: Header, patient: Patient, visit: Visit, order: Order, appointment: Appointment
) -> bytes:
    """SIU: S12 booked, S13 moved, S14 changed, S15 cancelled, S26 no show. Each step has its RGS."""
    steps, trigger = order.steps, appointment.trigger
    first, minutes = steps[0], sum(step.minutes for step in steps)
    old = header.version == ORM_VERSION
    sch = {
        2: appointment.number.write(),
        6: CWE("", appointment.event).write(),
        7: order.procedure.write(),
        9: str(minutes),
        10: "min",
        11: quantity_timing(first, order.priority) if old else "",
        16: appointment.by.write(),
        20: appointment.by.write(),
        25: appointment.status,
        26: one(order.placer),
        27: one(order.filler),
    }
    lines = [segment("SCH", sch)]
    if not old:
        lines.append(segment("TQ1", {1: "1", 7: time(first.starts_at), 9: escape(order.priority)}))
    lines += [pid(patient), pv1(visit)]
    for number, step in enumerate(steps, start=1):
        lines += _resources(step, number, order, appointment)
    header = replace(header, version=_OLD) if old else header
    return message(header, ("SIU", trigger, "SIU_S12"), lines)


def _resources(step: Step, number: int, order: Order, appointment: Appointment) -> list[str]:
    action = _ACTIONS.get(appointment.trigger, "U")
    start, minutes = time(step.starts_at), str(step.minutes)
    service = next(iter(step.protocol), order.procedure)
    station = CWE(step.station_ae_title, step.station_name)
    return [
        segment("RGS", {1: str(number), 2: action}),
        segment(
            "AIS",
            {1: "1", 2: action, 3: service.write(), 4: start, 7: minutes, 8: "min", 10: appointment.status},
        ),
        segment(
            "AIG",
            {
                1: "1",
                2: action,
                3: station.write(),
                4: _EQUIPMENT.write(),
                8: start,
                11: minutes,
                12: "min",
                14: appointment.status,
            },
        ),
    ]
