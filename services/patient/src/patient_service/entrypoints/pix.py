"""`/fhir/Patient/$ihe-pix`: the other numbers of a person (IHE PIXm, ITI-83). `ehr_sync` serves the rest of Patient."""

from collections.abc import Sequence
from typing import Any, Final

import fj_fhir
from fastapi import APIRouter, Request, Response
from fj_events import Identifier
from fj_fhir import BadSearch, FhirError, FhirResponse, Issue, IssueCode
from fj_runtime import AWAY

from patient_service.domain.crossing import Crossing, crossing
from patient_service.ports import CrossReferences

_SOURCE: Final = "sourceIdentifier"
_TARGET: Final = "targetSystem"


def pix_router(references: CrossReferences) -> APIRouter:
    """The operation, by GET with a query, or by POST with Parameters."""
    router = fj_fhir.fhir_router(away=AWAY)

    async def pix(request: Request) -> Response:
        given = await fj_fhir.read_parameters(request)
        source, wanted = _source(given), {fj_fhir.issuer_of(system) or "" for system in _systems(given)}
        known = await references.domains({source.issuer, *wanted})
        if source.issuer not in known:
            raise _refusal(400, IssueCode.CODE_INVALID, f"{_SOURCE} Assigning Authority not found")
        if not wanted <= known:
            raise _refusal(403, IssueCode.CODE_INVALID, f"{_TARGET} not found")
        person = await references.person(source)
        if person is None:
            raise _refusal(404, IssueCode.NOT_FOUND, f"{_SOURCE} Patient Identifier not found")
        return FhirResponse(_answer(crossing(source, person, wanted)))

    router.add_api_route("/Patient/$ihe-pix", pix, methods=["GET", "POST"], summary="The other numbers of a person")
    return router


def _source(given: Sequence[tuple[str, Any]]) -> Identifier:
    """Exactly one, with its system: `system|value`, or an Identifier."""
    values = fj_fhir.values_of(given, _SOURCE)
    if len(values) != 1:
        raise BadSearch(_SOURCE, f"it is given {len(values)} times, once is wanted", IssueCode.REQUIRED)
    [value] = values
    if isinstance(value, dict):
        system, number = value.get("system"), value.get("value")
    else:
        parts = [fj_fhir.unescape(part) for part in fj_fhir.split(str(value), "|")]
        system, number = parts if len(parts) == 2 else (None, None)
    issuer = fj_fhir.issuer_of(system)
    if not issuer or not number or "\0" in issuer + number:
        raise BadSearch(_SOURCE, "it is not `system|value`")
    return Identifier(value=number, issuer=issuer)


def _systems(given: Sequence[tuple[str, Any]]) -> list[str]:
    """Each named by a parameter of its own, or behind commas."""
    return [system for value in fj_fhir.values_of(given, _TARGET) for system in str(value).split(",") if system.strip()]


def _answer(found: Crossing) -> dict[str, Any]:
    numbers = (fj_fhir.Identifier(number.value, number.issuer).to_json() for number in found.numbers)
    patients = ({"reference": f"Patient/{patient_id}"} for patient_id in found.patient_ids)
    return fj_fhir.parameters(
        [
            *(("targetIdentifier", "valueIdentifier", number) for number in numbers),
            *(("targetId", "valueReference", patient) for patient in patients),
        ]
    )


def _refusal(status: int, code: IssueCode, diagnostics: str) -> FhirError:
    """In the words of the profile, which clients compare."""
    return FhirError(status, [Issue(code, diagnostics)])
