r"""Where in a message something stands, in the words of a site profile: `OBR-18`, `ZDS-1.1`, `OBX[3=MOD]-5.1`."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, Self, TypeAlias

from fj_hl7.delimiters import USUAL
from fj_hl7.dtm import DTM, BadTime
from fj_hl7.segment import NULL, D, Reading, Segment, Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fj_hl7.message import Segments

_PLACE: Final = re.compile(
    r"(?P<segment>[A-Z][A-Z0-9]{2})(?:\[(?P<which>[^\]=]+)=(?P<wanted>[^\]]+)\])?-(?P<field>[1-9]\d?)"
    r"(?:\[(?P<part>[1-9]\d?)=(?P<kind>[^\]]+)\])?(?:\.(?P<component>[1-9]\d?)(?:\.(?P<sub>[1-9]\d?))?)?"
)
_WHICH: Final = re.compile(r"(?P<field>[1-9]\d?)(?:\.(?P<component>[1-9]\d?))?")


class Selected(NamedTuple):
    """One segment of several, by what stands in it: of `OBX[3.1=MOD]` 3, 1 and MOD."""

    field: int
    component: int
    text: str


class Repeated(NamedTuple):
    """One repetition of several, by one of its components: of `PID-3[5=MR]` 5 and MR."""

    component: int
    text: str


@dataclass(frozen=True, slots=True)
class Place:
    """A field, or a component of it. Without a component it is the whole field, to be read as its data type."""

    segment: str
    field: int
    component: int = 0
    sub: int = 0
    selected: Selected | None = None
    repeated: Repeated | None = None

    @classmethod
    @lru_cache(maxsize=1024)
    def parse(cls, text: str) -> Self:
        """From `SEG-f`, `SEG-f.c`, `SEG-f.c.s`; `[…=…]` chooses among segments or repetitions. Raises ValueError."""
        match = _PLACE.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is no place: SEG-field, SEG-field.component, SEG[field=value]-field …")
        return cls(
            segment=match["segment"],
            field=int(match["field"]),
            component=int(match["component"] or 0),
            sub=int(match["sub"] or 0),
            selected=_selected(match["which"], match["wanted"]) if match["which"] else None,
            repeated=Repeated(int(match["part"]), match["kind"]) if match["part"] else None,
        )

    def find(self, scopes: "Sequence[Segments]") -> "Found | None":
        """What stands there, in the first scope that has the segment; None where nothing does."""
        for scope in scopes:
            segment = scope.segment(self.segment) if self.selected is None else self._selected(scope, self.selected)
            if segment is not None:
                return self.within(segment)
        return None

    def __str__(self) -> str:
        which = ""
        if self.selected is not None:
            component = f".{self.selected.component}" if self.selected.component > 1 else ""
            which = f"[{self.selected.field}{component}={self.selected.text}]"
        kind = f"[{self.repeated.component}={self.repeated.text}]" if self.repeated else ""
        parts = "".join(f".{number}" for number in (self.component, self.sub) if number)
        return f"{self.segment}{which}-{self.field}{kind}{parts}"

    def _selected(self, scope: "Segments", selected: Selected) -> Segment | None:
        field, component, text = selected
        return next((each for each in scope.segments(self.segment) if each.get(field, component) == text), None)

    def within(self, segment: Segment) -> "Found | None":
        """What stands there in this segment, whatever its name."""
        raw = segment.raw(self.field)
        if not raw:
            return None
        if self.repeated is None:
            text = segment.get(self.field, self.component or 1, 0, self.sub or 1).strip()
            return Found(self, text, segment) if text or self._is_whole(raw) else None
        for value in segment.values(self.field):
            if value.get(self.repeated.component) == self.repeated.text:
                text = value.get(self.component or 1, self.sub or 1)
                return Found(self, text, segment, value) if text or self._is_whole(value.raw) else None
        return None

    def _is_whole(self, raw: str) -> bool:
        """A field without its first component may still say something: the text of a code, a person's name."""
        return bool(raw) and not self.component and raw != NULL


@dataclass(frozen=True, slots=True)
class Constant:
    """What a sender never says and always means; written as in a message with the usual delimiters."""

    raw: str

    def find(self, _: "Sequence[Segments]") -> "Found":
        """The constant."""
        value = Value(self.raw, Reading(USUAL, "ascii", []))
        return Found(self, value.get(1), None, value)

    def __str__(self) -> str:
        return f"constant {self.raw}"


Source: TypeAlias = Place | Constant
"""Where something comes from."""


class Found(NamedTuple):
    """What stands in a place."""

    source: Source
    text: str
    """The component (of a whole field the first one, which may be empty), unescaped."""
    segment: Segment | None
    """None for a constant."""
    chosen: Value | None = None
    """The repetition, where one was chosen."""

    def read(self, kind: type[D]) -> D:
        """As a data type: the whole repetition, or the named component with its parts."""
        value = self.value
        for part in (self.source.component, self.source.sub) if isinstance(self.source, Place) else ():
            value = value.part(part) if part else value
        return kind.read(value)

    @property
    def value(self) -> Value:
        """The repetition in which it stands."""
        if self.chosen is not None:
            return self.chosen
        if self.segment is None or not isinstance(self.source, Place):
            raise ValueError("a constant has its value")
        return self.segment.value(self.source.field)

    def time(self) -> DTM | None:
        """As a time; None, with a warning on the message, when it is none."""
        try:
            return DTM.parse(self.text)
        except BadTime:
            if self.segment is not None:
                self.segment.warn(f"{self.source} is not a time")
            return None


def _selected(which: str, wanted: str) -> Selected:
    match = _WHICH.fullmatch(which.strip())
    if match is None:
        raise ValueError(f"[{which}=…] must be a field, or field.component, and what stands there")
    return Selected(int(match["field"]), int(match["component"] or 1), wanted)
