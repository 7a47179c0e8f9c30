"""CloudEvents 1.0, Kafka binding, binary mode: what stands in the headers of a record."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from fj_events.errors import BadEnvelope

SPECVERSION: Final = "1.0"
CONTENT_TYPE: Final = "application/json"
SCHEMA_PREFIX: Final = "urn:filmjacket:schema:"


@dataclass(frozen=True, slots=True)
class Envelope:
    """The context attributes of one fact. All ASCII: subject is the key, and no PHI is in any of them."""

    id: UUID
    type: str
    source: str
    """`/filmjacket/<service>`."""
    time: datetime
    subject: str
    site: str
    sequence: int
    """1, 2, 3 … without a gap per topic and key."""
    causation_id: UUID | None = None
    """The id of the fact that caused this one."""
    traceparent: str | None = None
    """W3C trace context."""

    @property
    def dataschema(self) -> str:
        """The name of the committed JSON Schema of the body."""
        return SCHEMA_PREFIX + self.type

    def attributes(self) -> dict[str, str]:
        """The headers as texts, all ASCII."""
        attributes = {
            "content-type": CONTENT_TYPE,
            "ce_specversion": SPECVERSION,
            "ce_id": str(self.id),
            "ce_type": self.type,
            "ce_source": self.source,
            "ce_time": self.time.isoformat(timespec="microseconds"),
            "ce_subject": self.subject,
            "ce_dataschema": self.dataschema,
            "ce_site": self.site,
            "ce_sequence": str(self.sequence),
        }
        if self.causation_id is not None:
            attributes["ce_causationid"] = str(self.causation_id)
        if self.traceparent is not None:
            attributes["traceparent"] = self.traceparent
        return attributes

    def to_headers(self) -> list[tuple[str, bytes]]:
        """Kafka headers."""
        return [(name, text.encode()) for name, text in self.attributes().items()]

    @classmethod
    def from_headers(cls, headers: Iterable[tuple[str, bytes]]) -> "Envelope":
        """Read the headers of a record. Raises BadEnvelope, which names the header that does not fit."""
        found = dict(headers)
        if (version := _text(found, "ce_specversion")) != SPECVERSION:
            raise BadEnvelope(f"ce_specversion is {version!r}, not {SPECVERSION!r}")
        try:
            time = datetime.fromisoformat(_text(found, "ce_time"))
            sequence = int(_text(found, "ce_sequence"))
            id_ = UUID(_text(found, "ce_id"))
            cause = UUID(_text(found, "ce_causationid")) if "ce_causationid" in found else None
        except ValueError as error:
            raise BadEnvelope(f"ce_id, ce_time, ce_sequence or ce_causationid cannot be read: {error}") from error
        if time.tzinfo is None or sequence < 1:
            raise BadEnvelope("ce_time needs an offset and ce_sequence starts at 1")
        return cls(
            id=id_,
            type=_text(found, "ce_type"),
            source=_text(found, "ce_source"),
            time=time,
            subject=_text(found, "ce_subject"),
            site=_text(found, "ce_site"),
            sequence=sequence,
            causation_id=cause,
            traceparent=_text(found, "traceparent") if "traceparent" in found else None,
        )


def _text(headers: dict[str, bytes], name: str) -> str:
    try:
        return headers[name].decode("ascii")
    except KeyError:
        raise BadEnvelope(f"header {name} is missing") from None
    except UnicodeDecodeError:
        raise BadEnvelope(f"header {name} is not ASCII") from None
