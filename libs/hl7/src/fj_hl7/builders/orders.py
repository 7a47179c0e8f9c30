"""Orders (HL7 v2.5.1 ch. 4.4 ORM^O01; IHE RAD-2 from the placer, RAD-3 from the filler)."""

from typing import Final

from fj_hl7.builders.content import Header, Order, Patient, Status, Visit
from fj_hl7.builders.writer import message, obr, orc, pid, pv1, segment, time, zds
from fj_hl7.delimiters import escape

_KIND: Final = ("ORM", "O01", "ORM_O01")


def order_message(header: Header, control: str, patient: Patient, visit: Visit, *orders: Order) -> bytes:
    """ORM^O01 of a placer: `control` is NW, CA, XO or another code of table 0119, the same for all orders."""
    lines = [pid(patient), pv1(visit)]
    for number, order in enumerate(orders, start=1):
        lines += [orc(order, Status(control=control, at=header.at)), *_timing(order), obr(order, number), *zds(order)]
    return message(header, _KIND, lines)


def order_status(header: Header, patient: Patient, visit: Visit, order: Order, status: Status) -> bytes:
    """ORM^O01 of the filler."""
    return message(header, _KIND, [pid(patient), pv1(visit), orc(order, status), obr(order), *zds(order)])


def _timing(order: Order) -> list[str]:
    if order.wanted is None and not order.priority:
        return []
    return [segment("TQ1", {1: "1", 7: time(order.wanted), 9: escape(order.priority)})]
