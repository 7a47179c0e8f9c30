"""What is known, as the parts of HL7 messages."""

from dataclasses import replace
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from fj_events import (
    CodedConcept,
    ExamDiscontinued,
    ExamPutBack,
    Identifier,
    PatientPhi,
    Priority,
    ScheduledStep,
    Staff,
)
from fj_hl7 import CWE, CX, EI, HD, XAD, XCN, XPN
from fj_hl7.builders import Order, Patient, Step, Visit
from fj_runtime import Site

from ehr_sync_service.domain.delivery import Delivery
from ehr_sync_service.domain.plan import PlanRecord
from ehr_sync_service.domain.subject import Subject
from ehr_sync_service.domain.telling import Told

_REPORT: Final = CWE("18748-4", "Diagnostic imaging study", "LN")
_PRIORITIES: Final = {Priority.STAT: "S", Priority.ASAP: "A", Priority.URGENT: "A", Priority.ROUTINE: "R"}


def local(at: datetime, site: Site) -> datetime:
    """By the clock of the site."""
    return at.astimezone(ZoneInfo(site.time_zone))


def order(delivery: Delivery, subject: Subject, site: Site) -> Order:
    """The order, or what is known without one."""
    fact = delivery.fact
    if subject.order is None:
        accession: Identifier | None = getattr(fact, "accession_number", None)
        study = subject.study
        return Order(
            filler=number(accession, site),
            accession_number=accession.value if accession else "",
            procedure=CWE("", study.description) if study and study.description else _REPORT,
            modality=study.modalities[0] if study and study.modalities else "",
        )
    details = subject.order.details
    return Order(
        placer=number(details.placer_order_number, site),
        filler=number(details.filler_order_number or details.accession_number, site),
        accession_number=details.accession_number.value,
        requested_procedure_id=details.requested_procedure_id,
        procedure=_code(details.procedure),
        modality=details.modality or "",
        priority=_PRIORITIES.get(details.priority, ""),
        ordered_by=staff(details.ordering_provider),
        reason=details.clinical.reason or "",
        study_instance_uid=details.study_instance_uid,
    )


def patient(whom: PatientPhi, site: Site) -> Patient:
    """Who it is about."""
    address = whom.address
    numbers = [each for each in (whom.id, *whom.other_ids) if each]
    return Patient(
        identifiers=tuple(CX(each.value, _authority(each.issuer, site), "MR") for each in numbers),
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


def visit(subject: Subject, site: Site) -> Visit:
    """The visit that the order names."""
    known = subject.order.details.clinical.visit_number if subject.order else None
    return Visit(visit_number=CX(known.value, _authority(known.issuer, site), "VN") if known else None)


def staff(person: Staff | None) -> XCN | None:
    """Somebody who works here or there."""
    return XCN(person.id or "", person.family_name or "", person.given_name or "") if person else None


def number(known: Identifier | None, site: Site) -> EI | None:
    """A number with its authority."""
    return EI(known.value, _authority(known.issuer, site)) if known else None


def planned(known: Order, plan: PlanRecord, site: Site) -> Order:
    """The order as it is planned: what the plan says counts more than what was asked for."""
    return replace(
        known,
        accession_number=plan.accession_number.value,
        requested_procedure_id=plan.requested_procedure_id,
        procedure=_code(plan.procedure),
        modality=plan.steps[0].modality if plan.steps else known.modality,
        priority=_PRIORITIES.get(plan.priority, ""),
        study_instance_uid=plan.study_instance_uid,
        steps=tuple(_step(each, site) for each in plan.steps),
    )


def given_up_because(fact: Told) -> CWE | None:
    """Why the modality gave up (CID 9300), where it says so."""
    concept = fact.reason if isinstance(fact, ExamDiscontinued) else None
    if isinstance(fact, ExamPutBack):
        concept = fact.discontinuation_reason
    return _code(concept) if concept else None


def merged(gone: PatientPhi, site: Site) -> CX | None:
    """The number that is no longer used."""
    return CX(gone.id.value, _authority(gone.id.issuer, site), "MR") if gone.id else None


def _step(each: ScheduledStep, site: Site) -> Step:
    return Step(
        step_id=each.step_id,
        modality=each.modality,
        station_ae_title=each.station_ae_title,
        station_name=each.station_name or "",
        station_location=each.station_location or "",
        starts_at=local(each.starts_at, site),
        minutes=each.duration_minutes,
        description=each.description or "",
        protocol=tuple(_code(code) for code in each.protocol),
    )


def _code(concept: CodedConcept) -> CWE:
    return CWE(concept.code, concept.text or "", concept.system or "")


def _authority(issuer: str, site: Site) -> HD:
    """The assigning authority. The site's own name stands for "none was named", and none is sent then."""
    if issuer == site.name:
        return HD()
    if "." in issuer and issuer.replace(".", "").isdigit():
        return HD("", issuer, "ISO")
    return HD(issuer)
