"""Messages to the EHR in HL7 v2.5.1: ORM^O01 for the life of an order, ORU^R01 for its results."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from fj_events import (
    Identifier,
    PatientPhi,
    Priority,
    ReportAmended,
    ReportFinalized,
    ReportPreliminary,
    ReportRetracted,
    Staff,
)
from fj_hl7 import CWE, CX, EI, HD, XAD, XCN, XPN, Sender
from fj_hl7.builders import Header, Order, Patient, Report, Status, Visit, order_status, report_message
from fj_runtime import Site, Sites

from ehr_sync_service.domain.delivery import Delivery
from ehr_sync_service.domain.errors import Unfit
from ehr_sync_service.domain.subject import Subject

_REPORT = CWE("18748-4", "Diagnostic imaging study", "LN")
_PRIORITIES = {Priority.STAT: "S", Priority.ASAP: "A", Priority.URGENT: "A", Priority.ROUTINE: "R"}
_WRONG: Final = "W"
"""Posted as wrong (table 0085)."""
_WITHDRAWN: Final = "This report is withdrawn: the images that it is about are those of another order."


class Hl7Messages:
    """Builds the message of a delivery. `now` gives MSH-7."""

    def __init__(self, sites: Sites, application: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._sites = sites
        self._application = application
        self._now = now

    def build(self, delivery: Delivery, subject: Subject) -> bytes:
        """The message. Raises Unfit where the patient is not known."""
        site = self._site(delivery.fact.site)
        whom = subject.whom
        if whom is None:
            raise Unfit("the patient is not known")
        header = Header(
            sending=Sender(self._application, site.name),
            receiving=Sender(delivery.destination, ""),
            at=_local(self._now(), site),
            control_id=delivery.control_id,
        )
        patient, visit = _patient(whom, site), _visit(subject, site)
        fact = delivery.fact
        telling = delivery.telling
        if not isinstance(fact, ReportPreliminary | ReportFinalized | ReportAmended | ReportRetracted):
            status = Status(control=telling.control, status=telling.status, at=_local(_moment(delivery), site))
            return order_status(header, patient, visit, _order(delivery, subject, site), status)
        withdrawn = isinstance(fact, ReportRetracted)
        report = Report(
            status=delivery.telling.status,
            observation_status=_WRONG if withdrawn else "",
            text=_WITHDRAWN if withdrawn else fact.content.text or "",
            impression=fact.content.impression or "",
            at=_local(fact.signed_at or delivery.happened_at, site),
            interpreter=_staff(fact.author),
            study_instance_uids=fact.study_instance_uids,
        )
        return report_message(header, patient, visit, _order(delivery, subject, site), report)

    def _site(self, name: str) -> Site:
        try:
            return self._sites[name]
        except KeyError:
            return self._sites.main


def _moment(delivery: Delivery) -> datetime:
    """When it happened: as the device claims, else as the fact does."""
    fact = delivery.fact
    claimed = getattr(fact, "started_at", None) or getattr(fact, "ended_at", None)
    return claimed if isinstance(claimed, datetime) else delivery.happened_at


def _local(at: datetime, site: Site) -> datetime:
    return at.astimezone(ZoneInfo(site.time_zone))


def _order(delivery: Delivery, subject: Subject, site: Site) -> Order:
    fact = delivery.fact
    if subject.order is None:
        accession: Identifier | None = getattr(fact, "accession_number", None)
        study = subject.study
        return Order(
            filler=_number(accession, site),
            accession_number=accession.value if accession else "",
            procedure=CWE("", study.description) if study and study.description else _REPORT,
            modality=study.modalities[0] if study and study.modalities else "",
        )
    details = subject.order.details
    return Order(
        placer=_number(details.placer_order_number, site),
        filler=_number(details.filler_order_number or details.accession_number, site),
        accession_number=details.accession_number.value,
        requested_procedure_id=details.requested_procedure_id,
        procedure=CWE(details.procedure.code, details.procedure.text or "", details.procedure.system or ""),
        modality=details.modality or "",
        priority=_PRIORITIES.get(details.priority, ""),
        ordered_by=_staff(details.ordering_provider),
        reason=details.clinical.reason or "",
        study_instance_uid=details.study_instance_uid,
    )


def _patient(whom: PatientPhi, site: Site) -> Patient:
    address = whom.address
    numbers = [number for number in (whom.id, *whom.other_ids) if number]
    return Patient(
        identifiers=tuple(CX(number.value, _authority(number.issuer, site), "MR") for number in numbers),
        names=tuple(_names(whom)),
        birth_date=whom.birth_date,
        sex=whom.sex or "",
        address=XAD(
            street=address.line or "",
            city=address.city or "",
            state=address.state or "",
            postal_code=address.postal_code or "",
            country=address.country or "",
        )
        if address
        else None,
        phone=whom.phone or "",
    )


def _names(whom: PatientPhi) -> list[XPN]:
    names = [
        XPN(
            whom.family_name or "",
            whom.given_name or "",
            whom.middle_name or "",
            whom.suffix or "",
            whom.prefix or "",
            type_code="L",
            representation="A" if whom.ideographic_name or whom.phonetic_name else "",
        )
    ]
    for group, representation in ((whom.ideographic_name, "I"), (whom.phonetic_name, "P")):
        if group:
            family, _, given = group.partition("^")
            names.append(XPN(family, given, type_code="L", representation=representation))
    return names


def _visit(subject: Subject, site: Site) -> Visit:
    number = subject.order.details.clinical.visit_number if subject.order else None
    return Visit(visit_number=CX(number.value, _authority(number.issuer, site), "VN") if number else None)


def _staff(person: Staff | None) -> XCN | None:
    return XCN(person.id or "", person.family_name or "", person.given_name or "") if person else None


def _number(number: Identifier | None, site: Site) -> EI | None:
    return EI(number.value, _authority(number.issuer, site)) if number else None


def _authority(issuer: str, site: Site) -> HD:
    """The assigning authority. The site's own name stands for "none was named", and none is sent then."""
    if issuer == site.name:
        return HD()
    if "." in issuer and issuer.replace(".", "").isdigit():
        return HD("", issuer, "ISO")
    return HD(issuer)
