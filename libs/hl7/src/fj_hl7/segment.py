"""Lazy access to one segment: nothing is split, unescaped or typed before somebody asks for it."""

from typing import NamedTuple, Protocol, Self, TypeVar

from fj_hl7.delimiters import Delimiters, unescape
from fj_hl7.dtm import DTM, BadTime
from fj_hl7.errors import missing

NULL = '""'


class Reading(NamedTuple):
    """What all segments of one message share."""

    delimiters: Delimiters
    codec: str
    warnings: list[str]


class Value:
    """One repetition of one field."""

    __slots__ = ("_components", "_reading", "raw")

    def __init__(self, raw: str, reading: Reading) -> None:
        self.raw = raw
        self._reading = reading
        self._components = raw.split(reading.delimiters.component)

    def get(self, component: int = 1, sub: int = 1) -> str:
        """Unescaped text of one subcomponent, without outer blanks; empty when it is not there or HL7 null."""
        if component > len(self._components):
            return ""
        text = self._components[component - 1]
        if text.isalnum():
            return text if sub == 1 else ""
        delimiters = self._reading.delimiters
        text = _part(text, delimiters.subcomponent, sub - 1)
        if delimiters.escape in text:
            text = unescape(text, delimiters, self._reading.codec)
        return "" if text == NULL else text.strip()

    def texts(self, count: int) -> list[str]:
        """`get` of the first `count` components."""
        there = min(count, len(self._components))
        return [self.get(component) for component in range(1, there + 1)] + [""] * (count - there)

    def part(self, component: int) -> Self:
        """The subcomponents of one component as a value of their own (an HD inside a CX)."""
        raw = self._components[component - 1] if component <= len(self._components) else ""
        delimiters = self._reading.delimiters
        return type(self)(raw.replace(delimiters.subcomponent, delimiters.component), self._reading)

    def whole(self) -> str:
        """All of it unescaped: for text whose sender forgot to escape delimiters."""
        return "" if self.raw == NULL else unescape(self.raw, self._reading.delimiters, self._reading.codec)

    @property
    def is_null(self) -> bool:
        """The sender asks to delete what is stored (two double quotes)."""
        return self.raw == NULL

    def __len__(self) -> int:
        return len(self._components)


class Datatype(Protocol):
    """A composite data type that can read itself from a field (see `fj_hl7.datatypes`)."""

    @classmethod
    def read(cls, value: Value) -> Self: ...


D = TypeVar("D", bound=Datatype)


class Segment:
    """One segment. Fields count from 1 as in the standard, in MSH, FHS and BHS too."""

    __slots__ = ("_fields", "_line", "_reading", "name", "sequence")

    def __init__(self, name: str, line: str, reading: Reading, sequence: int = 1) -> None:
        self.name = name
        self.sequence = sequence
        self._line = line
        self._reading = reading
        self._fields: list[str] = []

    def raw(self, field: int) -> str:
        """The field as it stands in the message."""
        fields = self._fields or self._split()
        return fields[field] if field < len(fields) else ""

    def get(self, field: int, component: int = 1, repetition: int = 0, sub: int = 1) -> str:
        """Unescaped text of one place; empty when nothing stands there, or HL7 null (see `is_null`)."""
        fields = self._fields or self._split()
        text = fields[field] if field < len(fields) else ""
        if text.isalnum():  # the usual case: nothing to split, nothing to unescape
            return text if component == 1 and not repetition and sub == 1 else ""
        delimiters = self._reading.delimiters
        if delimiters.repetition in text or repetition:
            text = _part(text, delimiters.repetition, repetition)
        if delimiters.component in text or component != 1:
            text = _part(text, delimiters.component, component - 1)
            if text.isalnum() and sub == 1:
                return text
        if delimiters.subcomponent in text or sub != 1:
            text = _part(text, delimiters.subcomponent, sub - 1)
        if delimiters.escape in text:
            return unescape(text, delimiters, self._reading.codec)
        return "" if text == NULL else text

    def text(self, field: int, repetition: int = 0) -> str:
        """Unescaped text of a whole repetition: for text fields whose sender forgot to escape delimiters."""
        text = _part(self.raw(field), self._reading.delimiters.repetition, repetition)
        return "" if text == NULL else unescape(text, self._reading.delimiters, self._reading.codec)

    def required(self, field: int, component: int = 1) -> str:
        """As `get`, but an empty field is a refusal (AE, code 101) that points at it."""
        text = self.get(field, component).strip()
        if not text:
            raise missing(self.name, self.sequence, field, component if component > 1 else 0)
        return text

    def is_null(self, field: int, component: int = 1, repetition: int = 0) -> bool:
        """Whether the sender asks to delete the stored value there (two double quotes); empty means: no news."""
        text = self.raw(field)
        if NULL not in text:
            return False
        text = _part(text, self._reading.delimiters.repetition, repetition)
        return text == NULL or _part(text, self._reading.delimiters.component, component - 1) == NULL

    def values(self, field: int) -> list[Value]:
        """The repetitions of a field that are not empty; HL7 null counts as a value."""
        text, reading = self.raw(field), self._reading
        if reading.delimiters.repetition not in text:
            return [Value(text, reading)] if text else []
        return [Value(raw, reading) for raw in text.split(reading.delimiters.repetition) if raw]

    def value(self, field: int) -> Value:
        """The first repetition of a field, empty or not."""
        return Value(_part(self.raw(field), self._reading.delimiters.repetition, 0), self._reading)

    def warn(self, text: str) -> None:
        """A warning on the message, without any of its content."""
        self._reading.warnings.append(text)

    def each(self, kind: type[D], field: int) -> list[D]:
        """All repetitions of a field read as a data type: `pid.each(CX, 3)`; empty ones and HL7 nulls are left out."""
        return [kind.read(value) for value in self.values(field) if not value.is_null]

    def first(self, kind: type[D], field: int) -> D | None:
        """The first of `each`."""
        for value in self.values(field):
            if not value.is_null:
                return kind.read(value)
        return None

    def time(self, field: int, component: int = 1, repetition: int = 0) -> DTM | None:
        """A date or time; None when empty, and None with a warning on the message when it is no time."""
        text = self.get(field, component, repetition)
        if not text.strip():
            return None
        try:
            return DTM.parse(text)
        except BadTime:
            self.warn(f"{self.name}-{field} is not a time")
            return None

    def __str__(self) -> str:
        """The segment as it stands in the message."""
        return self._line

    def __bool__(self) -> bool:
        return True  # it is there, however many fields it has

    def __len__(self) -> int:
        """How many fields the segment has."""
        return len(self._fields or self._split()) - 1

    def _split(self) -> list[str]:
        separator = self._reading.delimiters.field
        fields = self._line.split(separator)
        if self.name in {"MSH", "FHS", "BHS"}:
            fields.insert(1, separator)
        self._fields = fields
        return fields


def _part(text: str, delimiter: str, index: int) -> str:
    if delimiter not in text:
        return "" if index else text
    parts = text.split(delimiter)
    return parts[index] if index < len(parts) else ""
