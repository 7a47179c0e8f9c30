"""The messages of deliveries: orders and their life, results, plans, appointments, patients."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from fj_events import (
    DeliveryKind,
    Identifier,
    PatientMerged,
    PatientPhi,
    PatientUnmerged,
    PatientUpdated,
    ReportAmended,
    ReportFinalized,
    ReportPreliminary,
    ReportRetracted,
)
from fj_hl7 import EI, XCN, Sender
from fj_hl7.builders import (
    Appointment,
    Header,
    Patient,
    Report,
    Status,
    Visit,
    appointment_message,
    merge_message,
    order_status,
    patient_message,
    procedure_message,
    report_message,
)
from fj_runtime import Site, Sites

from ehr_sync_service.adapters import parts
from ehr_sync_service.domain.delivery import Accepted, Delivery, Reply
from ehr_sync_service.domain.errors import Unfit
from ehr_sync_service.domain.plan import PlanRecord
from ehr_sync_service.domain.subject import Subject

_WRONG: Final = "W"
"""Posted as wrong (table 0085)."""
_WITHDRAWN: Final = "This report is withdrawn: the images that it is about are those of another order."
_ANOTHERS: Final = "This report is withdrawn: it is another patient's."
_EVENTS: Final[Mapping[str, str]] = {
    "S12": "booked",
    "S13": "moved",
    "S14": "changed",
    "S15": "cancelled",
    "S26": "the patient did not come",
}


class Hl7Messages:
    """Builds the message of a delivery. `now` gives MSH-7."""

    def __init__(self, sites: Sites, application: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._sites = sites
        self._application = application
        self._now = now

    def build(self, delivery: Delivery, subject: Subject) -> bytes:
        """The message. Raises Unfit where the patient is not known."""
        site = self._site(delivery.fact.site)
        header = self._header(delivery, site)
        if delivery.telling.kind is DeliveryKind.PATIENTS:
            return _patients(header, delivery, site)
        patient = _whom(delivery.withdrawn_from or subject.whom, site)
        visit = parts.visit(subject, site)
        order = parts.order(delivery, subject, site)
        match delivery.telling.kind:
            case DeliveryKind.RESULTS:
                return report_message(header, patient, visit, order, _report(delivery, site))
            case DeliveryKind.PROCEDURES:
                planned = parts.planned(order, _plan(delivery), site)
                return procedure_message(header, patient, visit, planned, _status(delivery, site))
            case DeliveryKind.APPOINTMENTS:
                planned = parts.planned(order, _plan(delivery), site)
                return appointment_message(header, patient, visit, planned, self._appointment(delivery))
            case _:
                return order_status(header, patient, visit, order, _status(delivery, site))

    def accepted(self, delivery: Delivery, reply: Reply) -> Accepted:
        """What an accepting answer means: of a wish for a number, the number with its issuer."""
        if delivery.telling.kind is not DeliveryKind.NUMBERS or not reply.number:
            return Accepted()
        issuer = reply.authority or self._site(delivery.fact.site).issuers.placer
        return Accepted(Identifier(value=reply.number, issuer=issuer))

    def _appointment(self, delivery: Delivery) -> Appointment:
        telling = delivery.telling
        return Appointment(
            trigger=telling.control,
            number=EI(_plan(delivery).requested_procedure_id),
            event=_EVENTS[telling.control],
            status=telling.status,
            by=XCN("", self._application),
        )

    def _header(self, delivery: Delivery, site: Site) -> Header:
        return Header(
            sending=Sender(self._application, site.name),
            receiving=Sender(delivery.destination, ""),
            at=parts.local(self._now(), site),
            control_id=delivery.control_id,
            version=delivery.version,
        )

    def _site(self, name: str) -> Site:
        try:
            return self._sites[name]
        except KeyError:
            return self._sites.main


def _whom(whom: PatientPhi | None, site: Site) -> Patient:
    if whom is None or whom.id is None:
        raise Unfit("the patient is not known")
    return parts.patient(whom, site)


def _plan(delivery: Delivery) -> PlanRecord:
    if delivery.plan is None:
        raise Unfit("the plan is not known")
    return delivery.plan


def _patients(header: Header, delivery: Delivery, site: Site) -> bytes:
    fact = delivery.fact
    if isinstance(fact, PatientMerged):
        gone = parts.merged(fact.patient, site)
        if gone is None:
            raise Unfit("the merged number is not known")
        return merge_message(header, _whom(fact.survivor, site), gone)
    if not isinstance(fact, PatientUpdated | PatientUnmerged):
        raise Unfit(f"{fact.fact_type} is not about a patient")
    trigger = delivery.message_type.removeprefix("ADT^")
    return patient_message(header, trigger, _whom(fact.patient, site), Visit())


def _report(delivery: Delivery, site: Site) -> Report:
    fact = delivery.fact
    if not isinstance(fact, ReportPreliminary | ReportFinalized | ReportAmended | ReportRetracted):
        raise Unfit(f"{fact.fact_type} is no result")
    withdrawn = isinstance(fact, ReportRetracted) or delivery.withdrawn_from is not None
    text = _ANOTHERS if delivery.withdrawn_from else _WITHDRAWN
    return Report(
        status=delivery.telling.status,
        observation_status=_WRONG if withdrawn else "",
        text=text if withdrawn else fact.content.text or "",
        impression="" if withdrawn else fact.content.impression or "",
        at=parts.local(fact.signed_at or delivery.happened_at, site),
        interpreter=parts.staff(fact.author),
        study_instance_uids=fact.study_instance_uids,
    )


def _status(delivery: Delivery, site: Site) -> Status:
    telling = delivery.telling
    at = parts.local(_moment(delivery), site)
    return Status(control=telling.control, status=telling.status, at=at, reason=parts.given_up_because(delivery.fact))


def _moment(delivery: Delivery) -> datetime:
    """When it happened: as the device claims, else as the fact does."""
    fact = delivery.fact
    claimed = getattr(fact, "started_at", None) or getattr(fact, "ended_at", None)
    return claimed if isinstance(claimed, datetime) else delivery.happened_at
