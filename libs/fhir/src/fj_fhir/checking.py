"""Is this good R4? The R4B classes, and what they leave out.

`fhir.resources` has no R4 since 7.0; for the resources used here the shapes of R4 and R4B agree. It enforces no
required binding, accepts an empty object and a local reference to nothing, and breaks on an unknown contained type:
those are checked here.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from fj_fhir.bindings import BINDINGS
from fj_fhir.outcome import InvalidResource, Issue, IssueCode
from fj_fhir.terms import Json

_MISSING: Final = frozenset({"missing", "model_field_validation.missing"})
_ID_MAX: Final = 64
_UNKNOWN: Final = frozenset({"extra_forbidden"})


def read_json(raw: bytes) -> Json:
    """The JSON object of a request body. Raises InvalidResource where it is none."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        # The decoder's message names line and column, and never quotes the document.
        reason = str(error) if isinstance(error, json.JSONDecodeError) else "not UTF-8, or nested too deeply"
        raise InvalidResource([Issue(IssueCode.STRUCTURE, f"the body is not JSON: {reason}")]) from None
    if not isinstance(body, dict):
        raise InvalidResource([Issue(IssueCode.STRUCTURE, f"the body is a JSON {_kind(body)}, not an object")])
    return body


def check(resource_type: str, body: Json) -> Json:
    """The resource in its normal form. Raises InvalidResource, whose issues name each element that does not fit."""
    given = body.get("resourceType")
    if given != resource_type:
        wanted = f"resourceType is {given!r}, not {resource_type!r}"
        raise InvalidResource([Issue(IssueCode.STRUCTURE, wanted, "resourceType")])
    issues = [*_unknown_contained(body), *_empty(body, resource_type), *_long_id(body, resource_type)]
    if issues:
        raise InvalidResource(issues)
    try:
        normal: Json = get_fhir_model_class(resource_type).model_validate(body).model_dump(mode="json")
    except ValidationError as error:
        raise InvalidResource([_issue(resource_type, item) for item in error.errors(include_url=False)]) from None
    if issues := [*_binding_issues(body, resource_type), *_reference_issues(body, resource_type)]:
        raise InvalidResource(issues)
    return normal


def _issue(resource_type: str, item: Any) -> Issue:
    expression = resource_type
    for part in item["loc"]:
        expression += f"[{part}]" if isinstance(part, int) else f".{part}"
    if item["type"] in _MISSING:
        # A missing choice or code is reported at the resource, with the name of the field in the context.
        return Issue(IssueCode.REQUIRED, f"{expression} is required", expression)
    if item["type"] in _UNKNOWN:
        return Issue(IssueCode.STRUCTURE, f"R4 knows no element {expression}", expression)
    return Issue(IssueCode.VALUE, f"{expression}: {item['msg'].removeprefix('Value error, ')}", expression)


def _unknown_contained(body: Json) -> Iterator[Issue]:
    contained = body.get("contained", [])
    for index, resource in enumerate(contained if isinstance(contained, list) else []):
        name = resource.get("resourceType") if isinstance(resource, dict) else None
        try:
            get_fhir_model_class(name if isinstance(name, str) else "")
        except (KeyError, ValueError):
            where = f"{body['resourceType']}.contained[{index}]"
            yield Issue(IssueCode.STRUCTURE, f"{where}: R4 knows no resource {name!r}", where)


def _long_id(body: Json, where: str) -> Iterator[Issue]:
    given = body.get("id")
    if isinstance(given, str) and len(given) > _ID_MAX:
        yield Issue(
            IssueCode.VALUE, f"{where}.id has {len(given)} characters, at most {_ID_MAX} are allowed", f"{where}.id"
        )


def _empty(value: Any, where: str) -> Iterator[Issue]:
    """R4 ele-1: an element has a value or children. A null has its place only in an array of primitives."""
    if value in ({}, [], "", None):
        yield Issue(IssueCode.STRUCTURE, f"{where} is empty", where)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _empty(inner, f"{where}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            if inner is not None:
                yield from _empty(inner, f"{where}[{index}]")


def _binding_issues(body: Json, where: str) -> Iterator[Issue]:
    for path, codes in BINDINGS.get(str(body["resourceType"]), {}).items():
        for expression, value in _values(body, path.split("."), where):
            if value not in codes:
                known = ", ".join(sorted(codes))
                yield Issue(IssueCode.CODE_INVALID, f"{expression} is {value!r}, not one of {known}", expression)
    for index, resource in enumerate(body.get("contained", [])):
        yield from _binding_issues(resource, f"{where}.contained[{index}]")


def _values(element: Any, path: list[str], where: str) -> Iterator[tuple[str, Any]]:
    if isinstance(element, list):
        for index, inner in enumerate(element):
            yield from _values(inner, path, f"{where}[{index}]")
    elif not path:
        yield where, element
    elif isinstance(element, dict) and path[0] in element:
        yield from _values(element[path[0]], path[1:], f"{where}.{path[0]}")


def _reference_issues(body: Json, where: str) -> Iterator[Issue]:
    """R4 ref-1: a local reference points to a contained resource."""
    local = {f"#{resource.get('id')}" for resource in body.get("contained", [])} | {"#"}
    for expression, reference in _references(body, where):
        if reference.startswith("#") and reference not in local:
            yield Issue(IssueCode.VALUE, f"{expression} is {reference!r}, which is not contained", expression)
    for index, entry in enumerate(body.get("entry", [])):
        if isinstance(entry, dict) and "resource" in entry:
            yield from _reference_issues(entry["resource"], f"{where}.entry[{index}].resource")


def _references(element: Any, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(element, dict):
        for key, inner in element.items():
            if key == "reference" and isinstance(inner, str):
                yield f"{where}.reference", inner
            elif key != "resource":  # an entry of a bundle has references of its own
                yield from _references(inner, f"{where}.{key}")
    elif isinstance(element, list):
        for index, inner in enumerate(element):
            yield from _references(inner, f"{where}[{index}]")


def _kind(value: object) -> str:
    names = {list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")
