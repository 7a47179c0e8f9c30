"""The reader: one message, read lazily (HL7 v2.5.1 ch. 2)."""

import re
from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from fj_hl7.charsets import decode
from fj_hl7.delimiters import Delimiters
from fj_hl7.errors import BadMessage, BatchNotMessage, missing
from fj_hl7.profile import DEFAULT, Profile
from fj_hl7.segment import Reading, Segment

if TYPE_CHECKING:
    from datetime import datetime

_BOM: Final = b"\xef\xbb\xbf"
_BLANK: Final = b" \t\r\n\x0b\x00"
# Where CR ends the segments, a lone LF is text unless something that looks like a segment follows.
_MIXED_ENDS: Final = re.compile(r"\r\n|\n(?=[A-Z][A-Z0-9]{2}\W)|\r")
_ADDENDUM: Final = "ADD"
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


class _Body:
    """The lines of a message, which all its groups share."""

    __slots__ = ("lines", "names", "places", "reading")

    def __init__(self, names: list[str], lines: list[str], reading: Reading) -> None:
        self.names = names
        self.lines = lines
        self.reading = reading
        self.places: dict[str, list[int]] = {}
        """On which lines the segments of each name stand."""
        for place, name in enumerate(names):
            self.places.setdefault(name, []).append(place)


class Segments:
    """Segments in their order: a whole message or one group of it. They are made when somebody asks for them."""

    __slots__ = ("_body", "_found", "_start", "_stop")

    def __init__(self, body: "_Body", span: tuple[int, int]) -> None:
        self._body = body
        self._start, self._stop = span
        self._found: dict[str, list[Segment]] = {}

    def segments(self, name: str) -> list[Segment]:
        """All segments of that name, maybe none."""
        found = self._found.get(name)
        if found is None:
            self._found[name] = found = []
            body = self._body
            for sequence, place in enumerate(body.places.get(name, ()), 1):
                if self._start <= place < self._stop:
                    found.append(Segment(name, body.lines[place], body.reading, sequence))
        return found

    def segment(self, name: str) -> Segment | None:
        """The first segment of that name, if there is one."""
        found = self._found.get(name)
        if found is None:
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
        seen: dict[str, int] = {}
        for name in self._body.names[self._start : self._stop]:
            place = seen.get(name, 0)
            seen[name] = place + 1
            yield self.segments(name)[place]


class Group(Segments):
    """The segments that belong to one order (or one result, one resource)."""

    __slots__ = ()


class Message(Segments):
    """One HL7 v2 message. `warnings` tells what was mended in reading it, without any of its content.

    `strangers` are the numbers of the lines that are no segment: text broken by a raw line end, or garbage.
    """

    __slots__ = (
        "_kind",
        "codec",
        "delimiters",
        "header",
        "line_ends",
        "profile",
        "raw",
        "received_at",
        "strangers",
        "warnings",
    )

    def __init__(self, raw: bytes, text: str, reading: Reading) -> None:
        lines, line_ends = _lines(text)
        names, lines, strangers = _named(lines, reading.delimiters.field)
        if _ADDENDUM in names:
            names, lines = _joined(names, lines)
        super().__init__(_Body(names, lines, reading), (0, len(names)))
        self.raw = raw
        self.delimiters = reading.delimiters
        self.codec = reading.codec
        self.warnings = reading.warnings
        self.line_ends = line_ends
        self.strangers = strangers
        self.header = Segment("MSH", lines[0], reading)
        self._kind = ""
        self.profile: Profile = DEFAULT
        """How its sender writes (`Profiles.read`)."""
        self.received_at: datetime | None = None
        """When it was taken, of one that is read again (`Door.reread`): it says nothing that is newer."""

    @classmethod
    def parse(cls, raw: bytes, charset: str | None = None) -> Self:
        """Read the bytes between the MLLP marks. Raises BadMessage, or BatchNotMessage when FHS or BHS comes first.

        `charset`, of table 0211, goes before MSH-18.
        """
        body = raw if raw.startswith(b"MSH") else raw.removeprefix(_BOM).strip(_BLANK)
        if not body.startswith(b"MSH"):
            raise BatchNotMessage("a batch, not a message") if body[:3] in {b"FHS", b"BHS"} else BadMessage("no MSH")
        head = _head(body)
        delimiters = Delimiters.of(head[3:8])
        text, codec, warnings = decode(body, charset.encode() if charset else _msh_18(head), delimiters.repetition)
        message = cls(raw, text.replace("\0", ""), Reading(delimiters, codec, list(warnings)))
        if "\0" in text:  # no database takes it as text
            message.warnings.append("NUL was dropped")
        return message

    @property
    def code(self) -> str:
        """MSH-9.1, as `ORM`."""
        return self.header.get(9, 1).strip()

    @property
    def trigger(self) -> str:
        """MSH-9.2, as `O01`; where it is empty (HL7 2.1), EVN-1 or the only event that the message has."""
        trigger = self.header.get(9, 2).strip()
        if trigger:
            return trigger
        event = self.segment("EVN")
        return (event.get(1).strip() if event else "") or _ONLY_EVENT.get(self.code, "")

    @property
    def kind(self) -> str:
        """Message code and trigger event, as `ORM^O01`."""
        if not self._kind:  # everybody on its way through a door asks
            self._kind = f"{self.code}^{self.trigger}"
        return self._kind

    @property
    def control_id(self) -> str:
        """MSH-10 as it was sent (still escaped): what MSA-2 of the answer must repeat."""
        return self.header.raw(10)

    @property
    def version(self) -> str:
        """MSH-12.1, as `2.5.1`; may be empty."""
        return self.header.get(12).strip()

    @property
    def is_part(self) -> bool:
        """Whether it is one part of a message: it goes on elsewhere, or began there (ch. 2.10.2.2)."""
        return bool(self.continues or self.continued_by)

    @property
    def continues(self) -> str:
        """MSH-14: the pointer of the part before it; empty where it begins a message."""
        return self.header.get(14).strip()

    @property
    def continued_by(self) -> str:
        """DSC-1: the pointer of the part behind it; empty where it ends a message."""
        end = self.segment("DSC")
        return end.get(1).strip() if end is not None else ""

    @property
    def sender(self) -> Sender:
        """MSH-3 and MSH-4."""
        return Sender(self.header.get(3).strip(), self.header.get(4).strip())

    def groups(self, start: str = "ORC", anchor: str = "OBR") -> list[Group]:
        """The orders (or results) of the message, each from its `start` segment on.

        A second `anchor` without a `start` before it begins a group too: an ORU may have no ORC, an ORM one for many
        OBR. What stands before the first group (MSH, PID, PV1 ...) belongs to no group.
        """
        starts = self._starts(start, anchor)
        spans = zip(starts, [*starts[1:], self._stop], strict=False)
        return [Group(self._body, span) for span in spans]

    def head(self, start: str = "ORC", anchor: str = "OBR") -> Segments:
        """What stands before the first group, and so is said of all of them."""
        return Segments(self._body, (0, next(iter(self._starts(start, anchor)), self._stop)))

    def _starts(self, start: str, anchor: str) -> list[int]:
        starts: list[int] = []
        anchored = False
        for place, name in enumerate(self._body.names):
            if name == start or (name == anchor and (anchored or not starts)):
                starts.append(place)
                anchored = False
            anchored = anchored or name == anchor
        return starts


def _head(body: bytes) -> bytes:
    """The line of MSH, still as bytes."""
    end = body.find(b"\r")
    head = body if end < 0 else body[:end]
    return head if b"\n" not in head else head[: head.index(b"\n")]


def _msh_18(head: bytes) -> bytes:
    fields = head.split(head[3:4], 18)
    return fields[17] if len(fields) > 17 else b""


def _lines(text: str) -> tuple[list[str], LineEnds]:
    if "\n" not in text:
        return text.split("\r"), LineEnds.CR
    if "\r" not in text:
        return text.split("\n"), LineEnds.LF
    if text.count("\r\n") == text.count("\n") == text.count("\r"):
        return text.split("\r\n"), LineEnds.CRLF
    return _MIXED_ENDS.split(text), LineEnds.MIXED


def _named(lines: list[str], separator: str) -> tuple[list[str], list[str], tuple[int, ...]]:
    """The names of the segments, their lines, and the numbers of the other lines that are not blank."""
    if not lines[-1]:  # after the end of the last segment, as it should be
        lines.pop()
    known = _names(separator)
    names = [known[line[:4]] for line in lines]
    if "" not in names:
        return names, lines, ()
    kept = [line for line, name in zip(lines, names, strict=True) if name]
    others = (number for number, name in enumerate(names) if not name and lines[number].strip())
    return [name for name in names if name], kept, tuple(number + 1 for number in others)


def _joined(names: list[str], lines: list[str]) -> tuple[list[str], list[str]]:
    """Segments whose end stands in the ADD behind them are whole again (ch. 2.10.2.1)."""
    whole: list[str] = []
    kept: list[str] = []
    for name, line in zip(names, lines, strict=True):
        if name == _ADDENDUM and kept and kept[-1] != "MSH":
            whole[-1] += line[len(_ADDENDUM) + 1 :]
        else:
            kept.append(name)
            whole.append(line)
    return kept, whole


class _Names(dict[str, str]):
    """The segment that a line beginning so is, empty when it is none: `PID|` is PID. Learns, and learns no nonsense."""

    def __init__(self, separator: str) -> None:
        super().__init__()
        self._separator = separator

    def __missing__(self, start: str) -> str:
        name, rest = start[:3], start[3:]
        if rest not in {self._separator, ""} or not _SEGMENT_NAME.fullmatch(name):
            return ""
        self[start] = name
        return name


_names: Final = lru_cache(maxsize=16)(_Names)
