"""`/fhir`: FHIR R4 read and search of Patient, ServiceRequest, ImagingStudy and DiagnosticReport.

Creating a ServiceRequest is `order`'s: the gateway routes it there, and the capability statement names it, as a client
sees one API.
"""

import asyncio
import re
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

import fj_fhir
from fastapi import APIRouter, Request, Response
from fj_fhir import Capability, FhirResponse, Kind, NoSuchResource, Parameter, Search, SearchSpec
from fj_runtime import AWAY

from ehr_sync_service.domain.records import Found
from ehr_sync_service.entrypoints.resources import resource_of

_IDENTIFIER: Final = Parameter("identifier", Kind.TOKEN, "A number of it, `issuer|number`")
_PATIENT: Final = Parameter("patient", Kind.REFERENCE, "Whom it is about", ("Patient",))
_SUBJECT: Final = Parameter("subject", Kind.REFERENCE, "Whom it is about", ("Patient",))
_PATIENT_NUMBER: Final = Parameter("patient.identifier", Kind.TOKEN, "A number of the patient, `issuer|number`")
_COMMON: Final = (_IDENTIFIER, _PATIENT, _SUBJECT, _PATIENT_NUMBER)

SPECS: Final[Mapping[str, SearchSpec]] = {
    spec.resource_type: spec
    for spec in (
        SearchSpec(
            "Patient",
            (
                _IDENTIFIER,
                Parameter("name", Kind.STRING, "Any part of the name"),
                Parameter("family", Kind.STRING, "The family name"),
                Parameter("given", Kind.STRING, "A given name"),
                Parameter("birthdate", Kind.DATE, "The date of birth"),
                Parameter("gender", Kind.TOKEN, "male, female, other, unknown"),
                Parameter("address", Kind.STRING, "Any part of the address"),
                Parameter("address-city", Kind.STRING, "The city"),
                Parameter("address-state", Kind.STRING, "The state"),
                Parameter("address-postalcode", Kind.STRING, "The postal code"),
                Parameter("address-country", Kind.STRING, "The country"),
                Parameter("telecom", Kind.TOKEN, "A telephone number, by its digits"),
                Parameter("phone", Kind.TOKEN, "A telephone number, by its digits"),
                Parameter("active", Kind.TOKEN, "false: merged into another one"),
            ),
            sorts=("_lastUpdated", "birthdate", "family"),
        ),
        SearchSpec(
            "ServiceRequest",
            (
                *_COMMON,
                Parameter("status", Kind.TOKEN, "active, on-hold, revoked, completed"),
                Parameter("priority", Kind.TOKEN, "stat, asap, urgent, routine"),
                Parameter("code", Kind.TOKEN, "The procedure that is asked for"),
                Parameter("authored", Kind.DATE, "When the order was placed"),
                Parameter("occurrence", Kind.DATE, "When it is wanted"),
            ),
            sorts=("_lastUpdated", "authored"),
        ),
        SearchSpec(
            "ImagingStudy",
            (
                *_COMMON,
                Parameter("status", Kind.TOKEN, "registered, available, cancelled"),
                Parameter("started", Kind.DATE, "The date of the study"),
                Parameter("modality", Kind.TOKEN, "A modality in the study"),
                Parameter("basedon", Kind.REFERENCE, "The order", ("ServiceRequest",)),
            ),
            sorts=("_lastUpdated", "started"),
        ),
        SearchSpec(
            "DiagnosticReport",
            (
                *_COMMON,
                Parameter("based-on", Kind.REFERENCE, "The order", ("ServiceRequest",)),
                Parameter("status", Kind.TOKEN, "preliminary, final, corrected"),
                Parameter("code", Kind.TOKEN, "The procedure that was reported"),
                Parameter("issued", Kind.DATE, "When this version was signed"),
                Parameter("date", Kind.DATE, "The same as issued"),
            ),
            sorts=("_lastUpdated", "issued"),
        ),
    )
}
_OF_SCHEDULING: Final = (fj_fhir.SCHEDULE, fj_fhir.SLOT, fj_fhir.APPOINTMENT)
"""The gateway routes these to `scheduling`."""
_WRITES: Final = {"ServiceRequest": ("create", "update")}
_OPERATIONS: Final = {
    "Patient": (
        ("ihe-pix", "https://profiles.ihe.net/ITI/PIXm/OperationDefinition/IHE.PIXm.pix"),
        ("match", "http://hl7.org/fhir/OperationDefinition/Patient-match"),
    )
}
"""What `patient` answers: a client sees one API."""
_LOOK_SECONDS: Final = 0.1
_UID: Final = re.compile(r"[0-9.]{1,64}")


class Records(Protocol):
    """What is known, outside of any transaction."""

    async def read(self, resource_type: str, key: Any) -> Found | None:
        """One record by its id: a UUID, or the Study Instance UID of an ImagingStudy."""

    async def search(self, resource_type: str, search: Search) -> list[Found]:
        """The matches of the page, and one more where there is another page."""

    async def count(self, resource_type: str, search: Search) -> int | None:
        """How many match; None where they are too many to be counted."""


def fhir(records: Records, *, public_url: str | None, patience_seconds: float, started: datetime) -> APIRouter:
    """The routes. `public_url`: how clients reach the gateway; None: as the request names it.

    A read of an id that is not known waits up to `patience_seconds` for its fact to come: who has just been answered
    201 with an address finds the resource there.
    """
    router = fj_fhir.fhir_router(away=AWAY)

    @router.get("/metadata")
    async def metadata(request: Request) -> Response:
        statement = fj_fhir.capability_statement(
            base=f"{fj_fhir.origin(request, public_url)}/fhir",
            software="Filmjacket",
            version="1",
            since=started,
            capabilities=[
                *(
                    Capability(spec, ("read", "search-type", *_WRITES.get(name, ())), _OPERATIONS.get(name, ()))
                    for name, spec in SPECS.items()
                ),
                *map(Capability, _OF_SCHEDULING),
            ],
        )
        return FhirResponse(statement)

    @router.get("/{resource_type}/{resource_id}")
    async def read(resource_type: str, resource_id: str, request: Request) -> Response:
        spec = _spec(resource_type)
        found = await _patiently(records, spec, resource_id, patience_seconds)
        dicomweb = f"{fj_fhir.origin(request, public_url)}/dicomweb"
        return fj_fhir.resource_response(request, resource_of(found, dicomweb))

    @router.get("/{resource_type}")
    async def search(resource_type: str, request: Request) -> Response:
        return await _search(records, _spec(resource_type), request, fj_fhir.origin(request, public_url))

    @router.post("/{resource_type}/_search")
    async def search_by_form(resource_type: str, request: Request) -> Response:
        return await _search(records, _spec(resource_type), request, fj_fhir.origin(request, public_url))

    fj_fhir.refuse_the_rest(router, SPECS)
    return router


def _spec(resource_type: str) -> SearchSpec:
    spec = SPECS.get(resource_type)
    if spec is None:
        raise fj_fhir.FhirError(
            404, [fj_fhir.Issue(fj_fhir.IssueCode.NOT_SUPPORTED, f"{resource_type} is not served here")]
        )
    return spec


async def _patiently(records: Records, spec: SearchSpec, resource_id: str, seconds: float) -> Found:
    key = _key(spec, resource_id)
    until = time.monotonic() + seconds
    while (found := await records.read(spec.resource_type, key)) is None:
        if time.monotonic() >= until:
            raise NoSuchResource(spec.resource_type, resource_id)
        await asyncio.sleep(_LOOK_SECONDS)
    return found


def _key(spec: SearchSpec, resource_id: str) -> UUID | str:
    """The id as the record has it. Raises NoSuchResource where it cannot be one of ours."""
    try:
        if spec.resource_type != "ImagingStudy":
            return UUID(resource_id)
        if _UID.fullmatch(resource_id):
            return resource_id
    except ValueError:
        pass
    raise NoSuchResource(spec.resource_type, resource_id)


async def _search(records: Records, spec: SearchSpec, request: Request, origin: str) -> Response:
    given = [*request.query_params.multi_items()]
    if request.method == "POST":
        given += await fj_fhir.read_form(request)
    search = fj_fhir.parse_search(spec, given, strict=fj_fhir.is_strict(request.headers.getlist("prefer")))
    found = [] if search.only_count else await records.search(spec.resource_type, search)
    domains = fj_fhir.wanted_domains(search) if spec.resource_type == "Patient" else frozenset()
    resources = (resource_of(one, f"{origin}/dicomweb") for one in found[: search.count])
    page = fj_fhir.Page(
        matches=[fj_fhir.of_domains(resource, domains) for resource in resources],
        total=await records.count(spec.resource_type, search),
        more=len(found) > search.count,
    )
    return FhirResponse(fj_fhir.searchset(f"{origin}/fhir/{spec.resource_type}", search, page))
