"""The committed contracts hold: old events stay readable, new ones fit what outsiders were promised."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from fj_events import REGISTRY, TOPICS, Envelope, Fact, Phi, from_body, to_body
from fj_events.schemas import contracts

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*/*.json"))


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def example(path: Path) -> tuple[Envelope, Fact]:
    stored = read(path)
    envelope = Envelope.from_headers([(name, value.encode()) for name, value in stored["headers"].items()])
    return envelope, from_body(envelope.type, json.dumps(stored["body"]).encode())


def test_generated_files_are_fresh() -> None:
    stale = [str(path) for path, text in contracts().items() if not path.exists() or path.read_text("utf-8") != text]
    assert stale == [], "run `make schemas` and commit the difference"


def test_every_fact_has_an_example_and_no_example_is_an_orphan() -> None:
    assert {path.parent.name for path in EXAMPLES} == set(REGISTRY)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_stored_example_is_read_by_todays_model_and_written_as_it_was(path: Path) -> None:
    envelope, fact = example(path)
    stored = read(path)
    assert (fact.topic, fact.key, fact.site) == (stored["topic"], stored["key"], envelope.site)
    assert dict(envelope.to_headers()).keys() == stored["headers"].keys()
    assert json.loads(to_body(fact)).items() >= stored["body"].items()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_is_written_today_fits_the_first_published_schema(path: Path) -> None:
    envelope, fact = example(path)
    for folder in ("schemas", "schemas/baseline"):
        schema = read(ROOT / folder / f"{envelope.type}.json")
        jsonschema.Draft202012Validator(schema).validate(json.loads(to_body(fact)))


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_a_shape_in_use_only_grows_optional_fields(name: str) -> None:
    first, today = read(ROOT / "schemas/baseline" / f"{name}.json"), read(ROOT / "schemas" / f"{name}.json")
    parts = {"": (first, today)} | {
        part: (shape, today.get("$defs", {}).get(part, {})) for part, shape in first.get("$defs", {}).items()
    }
    for part, (old, new) in parts.items():
        gone = old.get("properties", {}).keys() - new.get("properties", {}).keys()
        needed = set(new.get("required", ())) - set(old.get("required", ()))
        assert (gone, needed) == (set(), set()), f"{name} {part}"
        for field, shape in old.get("properties", {}).items():
            assert new["properties"][field].get("type") == shape.get("type"), f"{name} {part}.{field} changed its type"


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_unknown_fields_are_ignored_on_reading_at_every_depth(name: str) -> None:
    _, fact = example(ROOT / "examples" / name / "0001.json")

    def grown(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: grown(value) for key, value in node.items()} | {"a_field_of_tomorrow": 1}
        return [grown(item) for item in node] if isinstance(node, list) else node

    assert from_body(name, json.dumps(grown(json.loads(to_body(fact)))).encode()) == fact


def test_every_fact_stands_in_exactly_its_own_topic() -> None:
    listed = [(name, topic.name) for topic in TOPICS.values() for name in topic.facts]
    assert sorted(listed) == sorted((name, fact.topic) for name, fact in REGISTRY.items())


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_a_type_carries_its_major_version_and_the_key_of_its_topic(name: str) -> None:
    assert name.rsplit(".", 1)[1].removeprefix("v").isdigit()
    assert REGISTRY[name].key_field == TOPICS[REGISTRY[name].topic].key_of(name)


def subclasses(cls: type[Phi]) -> list[type[Phi]]:
    return [kind for direct in cls.__subclasses__() for kind in (direct, *subclasses(direct))]


@pytest.mark.parametrize("kind", subclasses(Phi), ids=lambda kind: kind.__name__)
def test_a_sealed_phi_object_reads_as_absent(kind: type[Phi]) -> None:
    sealed = kind.model_validate({"key_id": "k1", "ciphertext": "c2VhbGVk"})
    rest = sealed.model_dump(exclude={"key_id", "ciphertext"}, exclude_none=True)
    assert all(value in ((), {}) for value in rest.values())
