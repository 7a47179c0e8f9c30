"""Nothing about a patient is written on a terminal that did not ask for it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filmjacket.masking import MASK, readable
from fj_events import Fact, Phi, from_body
from pydantic import BaseModel

EXAMPLES = sorted((Path(__file__).parents[3] / "libs" / "events" / "examples").glob("*/*.json"))


def read(example: Path) -> tuple[str, bytes, Fact]:
    kind, body = example.parent.name, json.dumps(json.loads(example.read_text())["body"]).encode()
    return kind, body, from_body(kind, body)


def leaves(value: Any, *, inside: bool = False) -> Iterator[tuple[str, bool]]:
    """Every value of a fact, and whether it lies in a protected sub-object."""
    if isinstance(value, BaseModel):
        fields = [getattr(value, name) for name in type(value).model_fields]
        yield from (leaf for field in fields for leaf in leaves(field, inside=inside or isinstance(value, Phi)))
    elif isinstance(value, (list, tuple)):
        yield from (leaf for item in value for leaf in leaves(item, inside=inside))
    elif value is not None:
        yield str(value), inside


def protected(fact: Fact) -> set[str]:
    """What must not be seen; a site that is also an issuer may."""
    found = list(leaves(fact))
    return {leaf for leaf, inside in found if inside} - {leaf for leaf, inside in found if not inside}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_what_is_protected_is_masked(example: Path) -> None:
    kind, body, fact = read(example)
    shown = set(leaves_of_json(json.loads(readable(kind, body, phi=False))))
    assert not shown & protected(fact)


def test_it_is_shown_where_it_is_asked_for() -> None:
    example = next(path for path in EXAMPLES if path.parent.name == "order.placed.v1")
    kind, body, fact = read(example)
    names = {"Example", "Ada"}
    assert names < protected(fact)
    assert all(name in readable(kind, body, phi=True) for name in names)
    assert MASK in readable(kind, body, phi=False)


def test_what_cannot_be_read_is_not_shown() -> None:
    assert "Ada" not in readable("order.placed.v1", b'{"patient": "Ada"}', phi=False)
    assert "Ada" not in readable("unheard.of.v1", b'{"patient": "Ada"}', phi=False)


def leaves_of_json(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (leaf for item in value.values() for leaf in leaves_of_json(item))
    elif isinstance(value, list):
        yield from (leaf for item in value for leaf in leaves_of_json(item))
    else:
        yield str(value)
