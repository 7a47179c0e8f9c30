"""Segments that several messages share, written field by field."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, Protocol

from fj_hl7.builders.content import Header, Order, Patient, Status, Visit
from fj_hl7.datatypes import CWE, XCN, XPN, join
from fj_hl7.delimiters import USUAL, escape
from fj_hl7.dtm import write_dtm

_CHARACTER_SET: Final = "UNICODE UTF-8"
_UNNAMED: Final = XPN("", type_code="U")  # PID-5 is required; table 0200: unspecified


class _Writable(Protocol):
    def write(self) -> str: ...


def segment(name: str, fields: Mapping[int, str]) -> str:
    """One segment from its escaped fields by number."""
    texts = [fields.get(number, "") for number in range(1, max(fields, default=0) + 1)]
    return join((name, *texts), USUAL.field)


def one(value: _Writable | None) -> str:
    """A data type, if there is one."""
    return value.write() if value is not None else ""


def time(at: datetime | None) -> str:
    return write_dtm(at) if at is not None else ""


def message(header: Header, kind: tuple[str, str, str], lines: Iterable[str]) -> bytes:
    """MSH and the other segments as the bytes to send. `kind` is MSH-9: code, trigger, structure."""
    msh = segment(
        "MSH",
        {
            1: "^~\\&",  # MSH-2: in this one segment the first delimiter is a field, so all others stand one lower
            2: escape(header.sending.application),
            3: escape(header.sending.facility),
            4: escape(header.receiving.application),
            5: escape(header.receiving.facility),
            6: write_dtm(header.at),
            8: join(kind),
            9: escape(header.control_id),
            10: header.processing_id,
            11: header.version,
            17: _CHARACTER_SET,
        },
    )
    return ("\r".join((msh, *lines)) + "\r").encode()


def pid(patient: Patient) -> str:
    return segment(
        "PID",
        {
            1: "1",
            3: USUAL.repetition.join(identifier.write() for identifier in patient.identifiers),
            5: USUAL.repetition.join(name.write() for name in patient.names or (_UNNAMED,)),
            7: f"{patient.birth_date:%Y%m%d}" if patient.birth_date is not None else "",
            8: escape(patient.sex),
            11: one(patient.address),
            13: escape(patient.phone),
            18: one(patient.account_number),
        },
    )


def pv1(visit: Visit) -> str:
    return segment(
        "PV1",
        {
            1: "1",
            2: escape(visit.patient_class),
            3: join(map(escape, visit.location)),
            7: one(visit.attending),
            8: one(visit.referring),
            19: one(visit.visit_number),
        },
    )


def orc(order: Order, status: Status, timing: str = "") -> str:
    """`timing` is ORC-7 (not in version 2.5.1)."""
    return segment(
        "ORC",
        {
            1: status.control,
            2: one(order.placer),
            3: one(order.filler),
            5: status.status,
            7: timing,
            9: time(status.at),
            12: one(order.ordered_by),
            16: one(status.reason),
        },
    )


def obr(order: Order, number: int = 1, extra: Mapping[int, str] | None = None) -> str:
    """`number` is the set id; `extra` has the fields that not every message fills."""
    fields = {
        1: str(number),
        2: one(order.placer),
        3: one(order.filler),
        4: order.procedure.write(),
        13: escape(order.history),
        16: one(order.ordered_by),
        18: escape(order.accession_number),
        19: escape(order.requested_procedure_id),
        24: escape(order.modality),
        31: CWE("", order.reason).write(),
    }
    return segment("OBR", {**fields, **(extra or {})})


def zds(order: Order) -> list[str]:
    """The Study Instance UID as IHE RAD-4 carries it."""
    if not order.study_instance_uid:
        return []
    return [segment("ZDS", {1: join((escape(order.study_instance_uid), "", "Application", "DICOM"))})]


def ndl(person: XCN | None) -> str:
    """A person as the name with date and location (2.A.47) of OBR-32, whose first component is a CNN."""
    if person is None:
        return ""
    names = (person.id, person.family, person.given, person.middle, person.suffix, person.prefix, person.degree)
    return join(map(escape, names), USUAL.subcomponent)
