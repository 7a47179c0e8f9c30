"""`/fhir/Patient/$match`: who may be the person that a client describes (R4 Patient-match)."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Final

import fj_fhir
from fastapi import APIRouter, Request, Response
from fj_events import Address, Identifier, PatientPhi, Sex
from fj_fhir import BadSearch, FhirResponse, IssueCode
from fj_runtime import AWAY

from patient_service.domain.candidate import Candidate, candidates, certain
from patient_service.domain.matching import Rules
from patient_service.domain.patient import Patient
from patient_service.ports import Candidates

_MOST: Final = 50
_GENDERS: Final = MappingProxyType({Sex.MALE: "male", Sex.FEMALE: "female", Sex.OTHER: "other", Sex.UNKNOWN: "unknown"})
_SEXES: Final = MappingProxyType({gender: sex for sex, gender in _GENDERS.items()})


def match_router(near: Candidates, rules: Rules, public_url: str | None) -> APIRouter:
    """The operation, by POST with Parameters."""
    router = fj_fhir.fhir_router(away=AWAY)

    async def match(request: Request) -> Response:
        given = await fj_fhir.read_parameters(request)
        asked, count = _asked(given), _count(given)
        found = candidates(asked, await near.near(asked), rules)
        if _flag(given, "onlyCertainMatches"):
            found = certain(found)
        root = f"{fj_fhir.origin(request, public_url)}/fhir/Patient"
        return FhirResponse(fj_fhir.matchset(root, [_graded(each) for each in found[:count]]))

    router.add_api_route("/Patient/$match", match, methods=["POST"], summary="Who may be the person described")
    return router


def _asked(given: Sequence[tuple[str, Any]]) -> PatientPhi:
    """The Patient of `resource`: numbers count where they have a system. Raises FhirError."""
    values = fj_fhir.values_of(given, "resource")
    if len(values) != 1 or not isinstance(values[0], dict):
        raise BadSearch("resource", "one Patient is wanted", IssueCode.REQUIRED)
    resource = values[0]
    if resource.get("resourceType") != "Patient":
        raise BadSearch("resource", "it is not a Patient", IssueCode.INVALID)
    subject = fj_fhir.parse_patient(fj_fhir.check("Patient", resource))
    numbers = tuple(Identifier(value=each.value, issuer=each.issuer) for each in subject.identifiers if each.issuer)
    address = subject.address
    return PatientPhi(
        other_ids=numbers,
        family_name=subject.name.family,
        given_name=" ".join(subject.name.given) or None,
        birth_date=subject.birth_date,
        sex=_SEXES.get(subject.gender or ""),
        address=Address(line=address.line, city=address.city, postal_code=address.postal_code) if address else None,
        phone=subject.phone,
    )


def _count(given: Sequence[tuple[str, Any]]) -> int:
    values = fj_fhir.values_of(given, "count") or [_MOST]
    if len(values) != 1 or type(values[0]) is not int or values[0] < 1:
        raise BadSearch("count", "it is not a number from 1 on")
    return min(values[0], _MOST)


def _flag(given: Sequence[tuple[str, Any]], name: str) -> bool:
    values = fj_fhir.values_of(given, name) or [False]
    if len(values) != 1 or not isinstance(values[0], bool):
        raise BadSearch(name, "it is neither true nor false")
    return values[0]


def _graded(found: Candidate) -> fj_fhir.Graded:
    return fj_fhir.Graded(_resource(found.patient), found.grade.value, found.score)


def _resource(patient: Patient) -> dict[str, Any]:
    phi = patient.public
    address = phi.address
    return fj_fhir.Patient(
        id=str(patient.patient_id),
        identifiers=tuple(
            fj_fhir.Identifier(number.value, number.issuer, "MR") for number in (phi.id, *phi.other_ids) if number
        ),
        name=fj_fhir.HumanName(
            family=phi.family_name,
            given=tuple(name for name in (phi.given_name, phi.middle_name) if name),
            prefix=phi.prefix,
            suffix=phi.suffix,
        ),
        gender=_GENDERS.get(phi.sex) if phi.sex else None,
        birth_date=phi.birth_date,
        address=fj_fhir.Address(**address.model_dump()) if address else None,
        phone=phi.phone,
    ).to_json()
