"""Parameters: what an operation is asked and what it answers (R4 sections 2.40, 3.2.0.3)."""

from collections.abc import Iterable, Sequence
from typing import Any

from fastapi import Request

from fj_fhir.checking import check
from fj_fhir.http import read_body
from fj_fhir.terms import Json, compact

Named = tuple[str, str, Any]
"""Name, type of the value (`valueIdentifier`, `resource`), value."""


def parameters(given: Iterable[Named]) -> Json:
    """The resource with these parameters, in this order. What is in them is as good as its maker has made it."""
    items = [{"name": name, kind: value} for name, kind, value in given]
    return compact({"resourceType": "Parameters", "parameter": items})


async def read_parameters(request: Request) -> list[tuple[str, Any]]:
    """Names and values that an operation was called with: by query, or by a Parameters resource. Raises FhirError."""
    given: list[tuple[str, Any]] = [(name, value) for name, value in request.query_params.multi_items() if value]
    if request.method == "POST":
        body = check("Parameters", await read_body(request))
        given += [_value(item) for item in body.get("parameter", [])]
    return given


def values_of(given: Sequence[tuple[str, Any]], name: str) -> list[Any]:
    """All values of one parameter."""
    return [value for each, value in given if each == name]


def _value(item: Json) -> tuple[str, Any]:
    kind = next((key for key in item if key == "resource" or key.startswith("value")), None)
    return item["name"], item[kind] if kind else None
