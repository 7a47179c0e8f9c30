"""What the builders need to know, in the terms of HL7 v2.5.1. Empty means: the field is not sent."""

from dataclasses import dataclass, field
from datetime import date, datetime

from fj_hl7.ack import new_control_id
from fj_hl7.datatypes import CWE, CX, EI, XAD, XCN, XPN
from fj_hl7.message import Sender


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """MSH. `at` is MSH-7, with a zone. `version` is MSH-12: 2.5.1 or 2.3.1."""

    sending: Sender
    receiving: Sender
    at: datetime
    control_id: str = field(default_factory=new_control_id)
    processing_id: str = "P"
    version: str = "2.5.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """PID. `names`: the legal one first; ideographic and phonetic ones carry their representation."""

    identifiers: tuple[CX, ...]
    names: tuple[XPN, ...] = ()
    birth_date: date | None = None
    sex: str = ""
    address: XAD | None = None
    phone: str = ""
    account_number: CX | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """PV1. `patient_class` of table 0004, U unknown. `location` as components of PL."""

    patient_class: str = "U"
    location: tuple[str, ...] = ()
    attending: XCN | None = None
    referring: XCN | None = None
    visit_number: CX | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A Scheduled Procedure Step (IHE RAD-4): `step_id` is OBR-20 or IPC-4, `protocol` OBR-4.4 to 4.6 or IPC-6."""

    step_id: str
    modality: str
    station_ae_title: str
    station_name: str = ""
    station_location: str = ""
    starts_at: datetime
    minutes: int
    description: str = ""
    protocol: tuple[CWE, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """ORC and OBR. `priority` of table 0485 (S, A, R), `wanted` is TQ1-7, `modality` OBR-24, `history` OBR-13.

    `accession_number` goes to OBR-18 and `requested_procedure_id` to OBR-19 as IHE RAD-4 has them. `steps` are what is
    planned for it.
    """

    placer: EI | None = None
    filler: EI | None = None
    accession_number: str = ""
    requested_procedure_id: str = ""
    procedure: CWE
    modality: str = ""
    priority: str = ""
    wanted: datetime | None = None
    ordered_by: XCN | None = None
    reason: str = ""
    history: str = ""
    study_instance_uid: str = ""
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What the filler tells of an order (IHE RAD-3): ORC-1 of table 0119, ORC-5 of table 0038, ORC-9, ORC-16.

    SC with IP, CM, CA or DC tells a status; SN, OC, UC and UX have their own meaning and may come without one.
    """

    control: str = "SC"
    status: str = ""
    at: datetime | None = None
    reason: CWE | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Appointment:
    """SCH. `trigger` is the event (S12 …), `number` SCH-2, `event` SCH-6 in words, `status` SCH-25 of table 0278.

    `by` is SCH-16 and SCH-20: who keeps it.
    """

    trigger: str
    number: EI
    event: str
    status: str
    by: XCN


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report on the exam of an order. `status` is OBR-25 and OBX-11: P, F or C (tables 0123 and 0085).

    `observation_status` is OBX-11 where it is another: W for what was posted as this order's and is not.

    `at` is the time of the report (OBR-22), `observed` that of the exam (OBR-7); `text` and `impression` are plain text
    with line feeds.
    """

    status: str
    text: str
    impression: str = ""
    at: datetime | None = None
    observed: datetime | None = None
    interpreter: XCN | None = None
    study_instance_uids: tuple[str, ...] = ()
    observation_status: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """TXA of a report sent as a document. `completion` of table 0271: DI dictated, IN, AU authenticated, LA."""

    number: EI
    text: str
    type: str = "DI"
    completion: str = "AU"
    parent: EI | None = None
    at: datetime | None = None
    author: XCN | None = None
