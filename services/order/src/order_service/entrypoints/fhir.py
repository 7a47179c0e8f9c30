"""`/fhir/ServiceRequest`: orders for those who speak FHIR R4. Reads of it are served by `ehr_sync`."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, date, datetime, time
from types import MappingProxyType
from typing import Final
from uuid import UUID

import fj_fhir
from fastapi import APIRouter, Request, Response
from fj_bus import Asked, Tx
from fj_events import (
    Address,
    ClinicalPhi,
    CodedConcept,
    Identifier,
    PatientPhi,
    Priority,
    Sex,
    Source,
    Staff,
    patient_key,
)
from fj_fhir import FhirError, Issue, IssueCode, NotProcessable, ServiceRequestInput, Subject
from fj_runtime import AWAY, Actor, Site, Sites

from order_service import commands
from order_service.domain import order as domain
from order_service.domain.errors import NoSuchOrder, OrderError
from order_service.domain.life import Life
from order_service.domain.numbers import SH
from order_service.domain.order import Order
from order_service.ports import Orders

_SEXES: Final = MappingProxyType({"male": Sex.MALE, "female": Sex.FEMALE, "other": Sex.OTHER, "unknown": Sex.UNKNOWN})
_STATUS: Final = MappingProxyType({Life.HELD: "on-hold", Life.CANCELLED: "revoked", Life.COMPLETED: "completed"})
"""R4 request-status of what is not active."""
_PAUSES: Final = MappingProxyType({"on-hold": commands.hold_order, "active": commands.release_order})
"""What the R4 request-status of an update asks for, beside what it changes."""


def service_requests(
    unit: Callable[[str], AbstractAsyncContextManager[Tx]],
    orders: Callable[[Tx], Orders],
    sites: Sites,
    namespace: UUID,
) -> APIRouter:
    """Create and update."""
    router = fj_fhir.fhir_router(away=AWAY)

    @router.post("/ServiceRequest")
    async def create(call: Request, actor: Actor, asked: Asked) -> Response:
        wish = fj_fhir.parse_service_request(await fj_fhir.read_body(call))
        _must_be(wish, {"active"})
        request = replace(_request(wish, sites.main, namespace), order_id=asked.id(actor))
        async with unit(actor) as tx:
            is_new = await asked.is_new(tx, actor)
            order = await _granted(commands.place_once(request, orders(tx), actor, is_new=is_new))
        return _answer(order, 201)

    @router.put("/ServiceRequest/{order_id}")
    async def update(order_id: UUID, call: Request, actor: Actor) -> Response:
        wish = fj_fhir.parse_service_request(await fj_fhir.read_body(call))
        _must_be(wish, {"active", "on-hold", "revoked"})
        async with unit(actor) as tx:
            if wish.status == "revoked":
                order = await _granted(commands.cancel_order(order_id, wish.reason, orders(tx), actor))
            else:
                request = _request(wish, sites.main, namespace)
                await _granted(_PAUSES[wish.status](order_id, None, orders(tx), actor))
                order = await _granted(commands.change_order(order_id, request, orders(tx), actor))
        return _answer(order, 200)

    return router


async def _granted(wish: Awaitable[Order]) -> Order:
    """The order, or what it refuses as an OperationOutcome."""
    try:
        return await wish
    except NoSuchOrder as error:
        raise FhirError(404, [Issue(IssueCode.NOT_FOUND, str(error))]) from None
    except OrderError as error:
        raise FhirError(409, [Issue(IssueCode.CONFLICT, str(error))]) from None


def _must_be(wish: ServiceRequestInput, statuses: set[str]) -> None:
    if wish.status not in statuses:
        text = f"the status is {wish.status}, taken is {' or '.join(sorted(statuses))}"
        raise NotProcessable([Issue(IssueCode.BUSINESS_RULE, text, "ServiceRequest.status")])


def _request(wish: ServiceRequestInput, site: Site, namespace: UUID) -> domain.Request:
    patient, patient_id = _patient(wish.subject, site, namespace)
    accession = _identifier(wish.accession, site.issuers.accession)
    if accession is not None and len(accession.value) > SH:
        text = f"an accession number has at most {SH} characters"
        raise NotProcessable([Issue(IssueCode.BUSINESS_RULE, text, "ServiceRequest.identifier")])
    requester = wish.requester
    return domain.Request(
        site=site.name,
        patient_id=patient_id,
        patient=patient,
        procedure=CodedConcept(code=wish.code.code or "", text=wish.code.display, system=wish.code.scheme),
        source=Source.FHIR,
        accession_issuer=site.issuers.accession,
        priority=Priority(wish.priority.upper()),
        placer_order_number=_identifier(wish.placer, site.issuers.placer),
        filler_order_number=_identifier(wish.filler, site.issuers.filler),
        accession_number=accession,
        study_instance_uid=wish.study_instance_uid,
        modality=wish.modality,
        asked_for=_instant(wish.occurrence, site),
        ordering_provider=Staff(
            id=requester.identifier.value if requester.identifier else None,
            family_name=requester.name.family,
            given_name=" ".join(requester.name.given) or None,
        )
        if requester
        else None,
        clinical=ClinicalPhi(
            reason=wish.reason,
            history="\n".join(wish.notes) or None,
            visit_number=_identifier(wish.visit_number, site.issuers.patient),
        ),
    )


def _patient(subject: Subject, site: Site, namespace: UUID) -> tuple[PatientPhi, UUID]:
    """The patient as the request names them, and their key; a reference alone must be a key of ours."""
    ids = [Identifier(value=found.value, issuer=found.issuer or site.issuers.patient) for found in subject.identifiers]
    if not ids:
        return PatientPhi(), _key_of(subject.reference)
    address = subject.address
    patient = PatientPhi(
        id=ids[0],
        other_ids=tuple(ids[1:]),
        family_name=subject.name.family,
        given_name=" ".join(subject.name.given) or None,
        prefix=subject.name.prefix,
        suffix=subject.name.suffix,
        birth_date=subject.birth_date,
        sex=_SEXES.get(subject.gender or ""),
        address=Address(
            line=address.line,
            city=address.city,
            state=address.state,
            postal_code=address.postal_code,
            country=address.country,
        )
        if address
        else None,
        phone=subject.phone,
    )
    return patient, patient_key(namespace, ids[0].issuer, ids[0].value)


def _key_of(reference: str | None) -> UUID:
    try:
        return UUID(reference or "")
    except ValueError:
        text = "Patient/[id] is not an id that was given out here"
        raise NotProcessable([Issue(IssueCode.NOT_FOUND, text, "ServiceRequest.subject.reference")]) from None


def _identifier(found: fj_fhir.Identifier | None, issuer: str) -> Identifier | None:
    return Identifier(value=found.value, issuer=found.issuer or issuer) if found else None


def _instant(when: datetime | date | None, site: Site) -> datetime | None:
    if when is None or isinstance(when, datetime):
        return when if when is None or when.tzinfo else site.localize(when)
    return site.localize(datetime.combine(when, time()))


def _answer(order: Order, status: int) -> Response:
    details = order.details
    typed = (
        (details.placer_order_number, "PLAC"),
        (details.filler_order_number, "FILL"),
        (details.accession_number, "ACSN"),
    )
    numbers = [fj_fhir.Identifier(number.value, number.issuer, code) for number, code in typed if number]
    resource = fj_fhir.ServiceRequest(
        id=str(order.order_id),
        meta=fj_fhir.Meta("1", datetime.now(UTC)),
        identifiers=(*numbers, fj_fhir.Uid(details.study_instance_uid)),
        status=_STATUS.get(order.life, "active"),
        code=fj_fhir.Coding(details.procedure.code, details.procedure.system, details.procedure.text),
        subject=fj_fhir.Reference("Patient", str(details.patient_id)),
        priority=details.priority.lower(),
        modality=details.modality,
        occurrence=details.asked_for,
        authored_on=datetime.now(UTC),
        requester=fj_fhir.Reference("Practitioner", display=details.ordering_provider.display)
        if details.ordering_provider
        else None,
        reason=details.clinical.reason,
    )
    return fj_fhir.created_response(f"/fhir/ServiceRequest/{order.order_id}", resource.to_json(), status)
