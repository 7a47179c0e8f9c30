"""The reader: one message, read lazily (HL7 v2.5.1 ch. 2)."""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple, Self

from fj_hl7.charsets import decode
from fj_hl7.delimiters import Delimiters
from fj_hl7.errors import BadMessage, BatchNotMessage, missing
from fj_hl7.segment import Reading, Segment

_BOM: Final = b"\xef\xbb\xbf"
_BLANK: Final = b" \t\r\n\x0b\x00"
_LINE_END: Final = re.compile(rb"[\r\n]")
# Where CR ends the segments, a lone LF is text unless something that looks like a segment follows.
_MIXED_ENDS: Final = re.compile(r"\r\n|\n(?=[A-Z][A-Z0-9]{2}\W)|\r")
_ONLY_EVENT: Final = {"ORM": "O01", "ORU": "R01"}
_SEGMENT_NAME: Final = re.compile(r"[A-Z][A-Z0-9]{2}")


class LineEnds(StrEnum):
    """What ended the segments: only CR is right (ch. 2.5), the others are taken and counted."""

    CR = "CR"
    LF = "LF"
    CRLF = "CRLF"
    MIXED = "MIXED"


class Sender(NamedTuple):
    """Who sent a message."""

    application: str
    facility: str


class Segments:
    """Segments in their order: a whole message or one group of it."""

    __slots__ = ("_by_name", "_segments")

    def __init__(self, segments: list[Segment]) -> None:
        self._segments = segments
        self._by_name: dict[str, list[Segment]] | None = None

    def segments(self, name: str) -> list[Segment]:
        """All segments of that name, maybe none."""
        if self._by_name is None:
            index: dict[str, list[Segment]] = {}
            self._by_name = index
            for segment in self._segments:
                index.setdefault(segment.name, []).append(segment)
        return self._by_name.get(name, [])

    def segment(self, name: str) -> Segment | None:
        """The first segment of that name, if there is one."""
        found = self.segments(name)
        return found[0] if found else None

    def __getitem__(self, name: str) -> Segment:
        """The first segment of that name; a `Refusal` (AE, code 100) when there is none."""
        found = self.segments(name)
        if not found:
            raise missing(name)
        return found[0]

    def __contains__(self, name: str) -> bool:
        return bool(self.segments(name))

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._segments)


class Group(Segments):
    """The segments that belong to one order (or one result, one resource)."""

    __slots__ = ()


class Message(Segments):
    """One HL7 v2 message. `warnings` tells what was mended in reading it, without any of its content.

    `strangers` counts the lines that are no segment: text broken by a raw line end, or garbage.
    """

    __slots__ = ("_header", "codec", "delimiters", "line_ends", "raw", "strangers", "warnings")

    def __init__(self, raw: bytes, lines: list[str], reading: Reading, line_ends: LineEnds) -> None:
        self.raw = raw
        self.delimiters = reading.delimiters
        self.codec = reading.codec
        self.warnings = reading.warnings
        self.line_ends = line_ends
        segments, self.strangers = _segments(lines, reading)
        super().__init__(segments)
        self._header = segments[0]

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read the bytes between the MLLP marks. Raises BadMessage, or BatchNotMessage when FHS or BHS comes first."""
        body = raw if raw.startswith(b"MSH") else raw.removeprefix(_BOM).strip(_BLANK)
        if not body.startswith(b"MSH"):
            raise BatchNotMessage("a batch, not a message") if body[:3] in {b"FHS", b"BHS"} else BadMessage("no MSH")
        head = _LINE_END.split(body, 1)[0]
        delimiters = _delimiters(head)
        decoded = decode(body, _character_sets(head, delimiters))
        lines, line_ends = _lines(decoded.text)
        return cls(raw, lines, Reading(delimiters, decoded.codec, list(decoded.warnings)), line_ends)

    @property
    def header(self) -> Segment:
        """MSH."""
        return self._header

    @property
    def code(self) -> str:
        """MSH-9.1, as `ORM`."""
        return self._header.get(9, 1).strip()

    @property
    def trigger(self) -> str:
        """MSH-9.2, as `O01`; where it is empty (HL7 2.1), EVN-1 or the only event that the message has."""
        trigger = self._header.get(9, 2).strip()
        if trigger:
            return trigger
        event = self.segment("EVN")
        return (event.get(1).strip() if event else "") or _ONLY_EVENT.get(self.code, "")

    @property
    def kind(self) -> str:
        """Message code and trigger event, as `ORM^O01`."""
        return f"{self.code}^{self.trigger}"

    @property
    def control_id(self) -> str:
        """MSH-10 as it was sent (still escaped): what MSA-2 of the answer must repeat."""
        return self._header.raw(10)

    @property
    def version(self) -> str:
        """MSH-12.1, as `2.5.1`; may be empty."""
        return self._header.get(12).strip()

    @property
    def sender(self) -> Sender:
        """MSH-3 and MSH-4."""
        return Sender(self._header.get(3).strip(), self._header.get(4).strip())

    def groups(self, start: str = "ORC", anchor: str = "OBR") -> list[Group]:
        """The orders (or results) of the message, each from its `start` segment on.

        A second `anchor` without a `start` before it begins a group too: an ORU may have no ORC, an ORM one for many
        OBR. What stands before the first group (MSH, PID, PV1 ...) belongs to no group.
        """
        groups: list[list[Segment]] = []
        anchored = False
        for segment in self._segments:
            if segment.name == start or (segment.name == anchor and (anchored or not groups)):
                groups.append([])
                anchored = False
            anchored = anchored or segment.name == anchor
            if groups:
                groups[-1].append(segment)
        return [Group(segments) for segments in groups]


def _delimiters(head: bytes) -> Delimiters:
    text = head[3:8].decode("latin-1")
    end = text.find(text[:1], 1)
    return Delimiters.of(text if end < 0 else text[:end])


def _character_sets(head: bytes, delimiters: Delimiters) -> tuple[str, ...]:
    fields = head.split(delimiters.field.encode("latin-1"), 18)
    if len(fields) < 18 or not fields[17]:
        return ("",)
    return tuple(fields[17].decode("latin-1").split(delimiters.repetition))


def _lines(text: str) -> tuple[list[str], LineEnds]:
    if "\n" not in text:
        return text.split("\r"), LineEnds.CR
    if "\r" not in text:
        return text.split("\n"), LineEnds.LF
    if text.count("\r\n") == text.count("\n") == text.count("\r"):
        return text.split("\r\n"), LineEnds.CRLF
    return _MIXED_ENDS.split(text), LineEnds.MIXED


def _segments(lines: list[str], reading: Reading) -> tuple[list[Segment], int]:
    segments: list[Segment] = []
    counts: dict[str, int] = {}
    strangers = 0
    separator = reading.delimiters.field
    for line in lines:
        name = line[:3]
        if line[3:4] in {separator, ""} and _SEGMENT_NAME.fullmatch(name):
            counts[name] = sequence = counts.get(name, 0) + 1
            segments.append(Segment(line, reading, sequence))
        elif not line.isspace() and line:
            strangers += 1
    return segments, strangers
