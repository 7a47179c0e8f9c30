"""A record of the log as the consumer sees it: decoded here, inside what guards against bad records."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import asyncpg
from fj_events import BadBody, BadEnvelope, BadEvent, Envelope, Fact, UnknownType

from fj_bus.bus import Bus
from fj_bus.handlers import Handler, Handlers

OTHER: Final = "other"
"""Label of every type that has no handler here: there may be any number of them."""


class RawRecord(Protocol):
    """What is needed of a Kafka record."""

    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


@dataclass(frozen=True, slots=True)
class Kept:
    """A record that was kept in the database."""

    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Incoming:
    """One record. `fault` says why it is no fact of ours; `envelope` is None if not even its place is known."""

    topic: str
    partition: int
    offset: int
    key: str
    headers: Sequence[tuple[str, bytes]]
    body: bytes
    envelope: Envelope | None
    handler: Handler[Any] | None
    fact: Fact | None
    fault: BadEvent | None

    @property
    def label(self) -> str:
        """The type, for metrics."""
        return self.envelope.type if self.envelope is not None and self.handler is not None else OTHER


def read(bus: Bus, handlers: Handlers, topic: str, record: RawRecord) -> Incoming:
    """Decode a record of this topic. Never raises."""
    text = (
        (record.key or b"").decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    )  # as PostgreSQL wants
    place = (topic, record.partition, record.offset, text, record.headers, record.value or b"")
    try:
        envelope = Envelope.from_headers(record.headers)
        if envelope.subject != text:
            raise BadEnvelope("ce_subject is not the record's key")  # noqa: TRY301 - found here as all the others are
    except BadEnvelope as bad:
        return Incoming(*place, None, None, None, bad)
    handler = handlers.get(envelope.type)
    if handler is None:
        return Incoming(*place, envelope, None, None, None)
    try:
        return Incoming(*place, envelope, handler, bus.decode(envelope.type, record.value or b""), None)
    except (BadBody, UnknownType) as bad:
        return Incoming(*place, envelope, handler, None, bad)


def headers_to_json(headers: Sequence[tuple[str, bytes]]) -> str:
    """Headers for the database: their values are bytes, of which nothing is promised."""
    return json.dumps([[name, base64.b64encode(value or b"").decode()] for name, value in headers])


def headers_of(row: asyncpg.Record) -> list[tuple[str, bytes]]:
    """Those of a held fact, as they came."""
    return [(name, base64.b64decode(value)) for name, value in json.loads(row["headers"])]


def from_row(bus: Bus, handlers: Handlers, row: asyncpg.Record) -> Incoming:
    """A held fact, decoded again: the code may have learned to."""
    kept = Kept(row["partition"], row["log_offset"], row["key"].encode(), row["body"], headers_of(row))
    return read(bus, handlers, row["topic"], kept)
