"""Bodies: compact JSON out, typed facts in."""

from typing import Final

from pydantic import ValidationError

from fj_events.base import Fact
from fj_events.errors import BadBody, TooBig, UnknownType
from fj_events.registry import REGISTRY

MAX_BODY: Final = 512 * 1024
"""Bytes that no body exceeds (law 7)."""


def to_body(fact: Fact) -> bytes:
    """The fact as UTF-8 JSON. Raises TooBig above 512 KiB."""
    body = fact.__pydantic_serializer__.to_json(fact, exclude_none=True)
    if len(body) > MAX_BODY:
        raise TooBig(f"{fact.fact_type} has {len(body)} bytes, at most {MAX_BODY} fit")
    return body


def from_body(type_: str, body: bytes) -> Fact:
    """The fact of this type. Unknown fields are ignored. Raises UnknownType, BadBody."""
    fact = REGISTRY.get(type_)
    if fact is None:
        raise UnknownType(type_)
    try:
        return fact.model_validate_json(body, extra="ignore")
    except ValidationError as error:
        raise BadBody(f"{type_}: {_faults(error)}") from None


def _faults(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(step) for step in fault['loc'])}: {fault['type']}"
        for fault in error.errors(include_input=False, include_url=False, include_context=False)[:10]
    )
