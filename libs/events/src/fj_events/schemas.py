"""Write the committed contracts: JSON Schemas and the AsyncAPI 3 document (`make schemas`).

`schemas/<type>.json` is today's shape, `schemas/baseline/<type>.json` the first that was published: it is written
once and never again, and the tests hold today's facts against it.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

from fj_events.base import Fact
from fj_events.envelope import SCHEMA_PREFIX
from fj_events.registry import REGISTRY
from fj_events.topics import TOPICS, Topic

ROOT: Final = Path(__file__).resolve().parents[2]
DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"

HEADERS: Final[dict[str, Any]] = {
    "type": "object",
    "description": "CloudEvents 1.0, Kafka binding, binary mode. Values are ASCII.",
    "required": [
        "content-type", "ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time", "ce_subject",
        "ce_dataschema", "ce_site", "ce_sequence",
    ],
    "properties": {
        "content-type": {"const": "application/json"},
        "ce_specversion": {"const": "1.0"},
        "ce_id": {"type": "string", "format": "uuid", "description": "Fixed when the fact committed."},
        "ce_type": {"type": "string"},
        "ce_source": {"type": "string", "description": "/filmjacket/<service>"},
        "ce_time": {"type": "string", "format": "date-time"},
        "ce_subject": {"type": "string", "description": "The key of the record."},
        "ce_dataschema": {"type": "string", "pattern": f"^{SCHEMA_PREFIX}"},
        "ce_site": {"type": "string"},
        "ce_sequence": {"type": "string", "pattern": "^[1-9][0-9]*$", "description": "1, 2, 3 … per topic and key."},
        "ce_causationid": {"type": "string", "format": "uuid", "description": "The fact that caused this one."},
        "traceparent": {"type": "string", "description": "W3C trace context."},
    },
}  # fmt: skip


def schema_of(fact: type[Fact]) -> dict[str, Any]:
    """The JSON Schema of a body, open to fields that a newer writer adds."""
    body: dict[str, Any] = _opened(fact.model_json_schema())
    return {
        "$schema": DRAFT,
        "$id": SCHEMA_PREFIX + fact.fact_type,
        "x-topic": fact.topic,
        "x-key": fact.key_field,
    } | body


def _opened(node: Any) -> Any:
    if isinstance(node, dict):
        return {k: _opened(v) for k, v in node.items() if not (k == "additionalProperties" and v is False)}
    return [_opened(item) for item in node] if isinstance(node, list) else node


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3 document: a channel per topic, a message per fact, an operation per reader and writer."""
    channels = {topic.name: _channel(topic) for topic in TOPICS.values()}
    operations: dict[str, Any] = {}
    for topic in TOPICS.values():
        for action, services in (("send", topic.producers), ("receive", topic.consumers)):
            for service in services:
                operations[f"{service}.{action}.{topic.name}"] = {
                    "action": action,
                    "channel": {"$ref": f"#/channels/{topic.name}"},
                    "tags": [{"name": service}],
                }
    messages = {
        name: {
            "name": name,
            "contentType": "application/json",
            "summary": (fact.__doc__ or "").strip().splitlines()[0],
            "headers": {"$ref": "#/components/schemas/headers"},
            "payload": {
                "schemaFormat": "application/schema+json;version=draft-2020-12",
                "schema": {"$ref": f"schemas/{name}.json"},
            },
        }
        for name, fact in REGISTRY.items()
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Filmjacket",
            "version": "1",
            "description": "One ordered, replayable event log from the imaging order to the delivered report.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": {"headers": HEADERS}},
    }


def _channel(topic: Topic) -> dict[str, Any]:
    keys = ", ".join((topic.key, *(f"{field} ({name})" for name, field in topic.other_keys.items())))
    return {
        "address": topic.name,
        "description": f"Owner: {topic.owner}. Key: {keys}. PHI: {topic.phi}. Kept: {topic.retention}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in topic.facts},
        "bindings": {"kafka": {"topic": topic.name, "partitions": topic.partitions}},
    }


def render(document: dict[str, Any]) -> str:
    """Stable text, so that a difference is a difference in meaning."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def contracts(root: Path = ROOT) -> dict[Path, str]:
    """Every generated file and what should stand in it; baselines only where none was published yet."""
    files = {root / "asyncapi.json": render(asyncapi())}
    for name, fact in REGISTRY.items():
        text = render(schema_of(fact))
        files[root / "schemas" / f"{name}.json"] = text
        baseline = root / "schemas" / "baseline" / f"{name}.json"
        files[baseline] = baseline.read_text(encoding="utf-8") if baseline.exists() else text
    return files


def main() -> None:
    """Write what has changed."""
    for path, text in contracts().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
