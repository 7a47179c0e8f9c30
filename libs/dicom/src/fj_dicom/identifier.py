"""Response identifiers of a C-FIND, encoded straight from values: only what was asked for (PS3.4 C.4.1.1.3.2).

An answer is a few dozen short texts; going through a data set object for each costs ten times as much.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final, TypeAlias

from pydicom import Dataset
from pydicom.charset import python_encoding

SPECIFIC_CHARACTER_SET: Final = 0x00080005
UTF_8: Final = "ISO_IR 192"

_TEXT: Final = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""Value representations that Specific Character Set applies to (PS3.5 section 6.1.2.3)."""
_LONG: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
"""Value representations with a length of 32 bits in explicit VR (PS3.5 section 7.1.2)."""
_IMPLICIT: Final = Struct("<HHI")
_SHORT_FORM: Final = Struct("<HH2sH")
_LONG_FORM: Final = Struct("<HH2sHI")
_ITEM: Final = Struct("<HHI")
_US: Final = Struct("<H")


@dataclass(frozen=True, slots=True)
class Text:
    """An attribute whose value can be told as text (numbers too): how to read it from what is described."""

    vr: str
    read: Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Items:
    """A sequence: what its items describe, and the attributes of an item."""

    read: Callable[[Any], Sequence[Any]]
    attributes: "Attributes"


Attributes: TypeAlias = Mapping[int, Text | Items]


@dataclass(frozen=True, slots=True)
class Asked:
    """One requested attribute; `known` is None where it is not ours, `items` what is asked of a sequence's items."""

    tag: int
    vr: str
    known: Text | Items | None
    items: tuple["Asked", ...] = ()

    @property
    def is_supported(self) -> bool:
        """Whether it, and all that is asked inside it, is known here (existence, PS3.4 C.2.2.1.2)."""
        return self.known is not None and all(each.is_supported for each in self.items)


def asked(identifier: Dataset, attributes: Attributes) -> tuple[Asked, ...]:
    """What a request identifier asks for. An empty sequence, or an empty item, asks for all that its items have."""
    found = []
    for element in identifier:
        tag = int(element.tag)
        if tag <= SPECIFIC_CHARACTER_SET or not tag & 0xFFFF:  # group lengths and what comes before any attribute
            continue
        known = attributes.get(tag)
        if element.VR != "SQ":
            found.append(Asked(tag, element.VR, known if isinstance(known, Text) else None))
        elif isinstance(known, Items):
            item = next(iter(element.value), None)
            found.append(Asked(tag, "SQ", known, asked(item, known.attributes) if item else _all(known.attributes)))
        else:
            found.append(Asked(tag, "SQ", None))
    return tuple(found)


class Encoder:
    """Encodes what was asked for; `character_set` is the one of the request, taken where the values fit into it."""

    def __init__(self, wanted: Sequence[Asked], character_set: str, *, implicit: bool) -> None:
        self._wanted = wanted
        self._implicit = implicit
        asked_for = [character_set] if _is_single(character_set) else [""]
        self._character_sets = list(dict.fromkeys([*asked_for, UTF_8]))

    def encode(self, described: object) -> bytes:
        """The identifier; in Unicode where the values do not fit into the character set asked for."""
        *first, last = self._character_sets
        for name in first:
            try:
                return self._identifier(described, name)
            except UnicodeEncodeError:
                continue
        return self._identifier(described, last)

    def _identifier(self, described: object, character_set: str) -> bytes:
        codec = python_encoding[character_set] if character_set else "ascii"
        head = self._element(SPECIFIC_CHARACTER_SET, "CS", _padded(character_set, "CS", "ascii"))
        body = self._attributes(described, self._wanted, codec)
        return head + body if character_set else body

    def _attributes(self, described: object, wanted: Sequence[Asked], codec: str) -> bytes:
        return b"".join(self._element(each.tag, *self._value(described, each, codec)) for each in wanted)

    def _value(self, described: object, each: Asked, codec: str) -> tuple[str, bytes]:
        known = each.known
        if known is None:
            return each.vr, b""
        if isinstance(known, Text):
            return known.vr, _padded(known.read(described), known.vr, codec)
        items = (self._attributes(item, each.items, codec) for item in known.read(described))
        return "SQ", b"".join(_ITEM.pack(0xFFFE, 0xE000, len(item)) + item for item in items)

    def _element(self, tag: int, vr: str, value: bytes) -> bytes:
        group, element = tag >> 16, tag & 0xFFFF
        if self._implicit:
            return _IMPLICIT.pack(group, element, len(value)) + value
        if vr in _LONG:
            return _LONG_FORM.pack(group, element, vr.encode(), 0, len(value)) + value
        return _SHORT_FORM.pack(group, element, vr.encode(), len(value)) + value


def _all(attributes: Attributes) -> tuple[Asked, ...]:
    return tuple(
        Asked(tag, known.vr, known) if isinstance(known, Text) else Asked(tag, "SQ", known, _all(known.attributes))
        for tag, known in sorted(attributes.items())
    )


def _is_single(character_set: str) -> bool:
    """One character set without code extensions that is known here."""
    return character_set.startswith(("ISO_IR ", "GB")) and character_set in python_encoding


def _padded(text: str, vr: str, codec: str) -> bytes:
    if vr == "UI":
        value = text.encode("ascii", "replace")
        return value + b"\0" if len(value) % 2 else value
    if vr == "US":
        return b"".join(_US.pack(int(number)) for number in text.split("\\") if number)
    value = text.encode(codec) if vr in _TEXT else text.encode("ascii", "replace")
    return value + b" " if len(value) % 2 else value
