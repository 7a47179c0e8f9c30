"""The topics, read from their YAML files."""

from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType
from typing import Final

import yaml
from pydantic import BaseModel, ConfigDict, Field


class Topic(BaseModel):
    """One topic: an ordering domain, not an event type."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z]+(-[a-z]+)*$")
    owner: str
    key: str
    """The field that is the key of its facts."""
    other_keys: Mapping[str, str] = Field(default_factory=dict)
    """Types of this topic that are about something else, and the field that is their key."""
    partitions: int = Field(gt=0)
    retention: str = Field(pattern=r"^(forever|\d+d)$")
    phi: str
    """Which sub-object carries protected health information; `none` where none does."""
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    facts: tuple[str, ...]

    def key_of(self, fact_type: str) -> str:
        """The field that is the Kafka key of this type."""
        return self.other_keys.get(fact_type, self.key)

    @property
    def retention_ms(self) -> int:
        """For Kafka's `retention.ms`; -1 keeps for ever."""
        return -1 if self.retention == "forever" else int(self.retention[:-1]) * 86_400_000


def _read() -> dict[str, Topic]:
    folder = resources.files("fj_events") / "topics"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    read = [Topic.model_validate(yaml.safe_load(file.read_text(encoding="utf-8"))) for file in files]
    return {topic.name: topic for topic in read}


TOPICS: Final[Mapping[str, Topic]] = MappingProxyType(_read())

SERVICES: Final = ("patient", "order", "scheduling", "ingest", "storage", "triage", "reporting", "ehr_sync", "portal")
"""Every room, in the order of the loop."""


def dead_letter_topic(service: str) -> str:
    """Poison is a property of the reader, so the reader owns the topic. No underscores: metric names collide."""
    return f"{service.replace('_', '-')}-dlq"
