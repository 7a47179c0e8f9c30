"""Facts as text, without protected health information unless it is asked for."""

import json
from collections.abc import Mapping
from typing import Any, Final

from fj_events import BadEvent, Phi, from_body
from pydantic import BaseModel

MASK: Final = "•••"


def readable(kind: str, body: bytes, *, phi: bool) -> str:
    """The body of a fact as JSON. One that cannot be read is not shown either: nobody knows what is in it."""
    if phi:
        return body.decode(errors="replace")
    try:
        return json.dumps(_masked(from_body(kind, body)), ensure_ascii=False, default=str)
    except BadEvent as error:
        return f"(not readable: {type(error).__name__}, {len(body)} bytes)"


def _masked(value: Any) -> Any:
    if isinstance(value, Phi):
        return MASK
    if isinstance(value, BaseModel):
        fields = {name: getattr(value, name) for name in type(value).model_fields}
        return {name: _masked(field) for name, field in fields.items() if field is not None}
    if isinstance(value, Mapping):
        return {name: _masked(item) for name, item in value.items()}
    return [_masked(item) for item in value] if isinstance(value, (list, tuple)) else value
