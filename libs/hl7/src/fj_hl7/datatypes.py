"""The composite data types that imaging needs (HL7 v2.5.1 ch. 2.A), read leniently: absent parts are empty strings.

`write` gives the text of one repetition with the usual delimiters, escaped.
"""

from collections.abc import Iterable
from typing import NamedTuple, Self

from fj_hl7.delimiters import USUAL, escape
from fj_hl7.segment import Value


def join(parts: Iterable[str], delimiter: str = USUAL.component) -> str:
    """Already escaped parts, without the empty ones at the end."""
    return delimiter.join(parts).rstrip(delimiter)


class HD(NamedTuple):
    """Hierarchic designator (2.A.36): an assigning authority or a place."""

    namespace: str = ""
    universal_id: str = ""
    universal_id_type: str = ""

    @classmethod
    def read(cls, value: Value, component: int = 1) -> Self:
        return cls(value.get(component), value.get(component + 1), value.get(component + 2))

    def __bool__(self) -> bool:
        return bool(self.namespace or self.universal_id)

    def write(self) -> str:
        """As components; `as_subcomponents` inside another type."""
        return join(map(escape, (self.namespace, self.universal_id, self.universal_id_type)))

    def as_subcomponents(self) -> str:
        return self.write().replace(USUAL.component, USUAL.subcomponent)


class CX(NamedTuple):
    """Extended identifier (2.A.14) with the authority that assigned it."""

    value: str
    authority: HD = HD()
    type_code: str = ""

    @classmethod
    def read(cls, value: Value) -> Self:
        return cls(value.get(1), HD.read(value.part(4)), value.get(5))

    def write(self) -> str:
        return join((escape(self.value), "", "", self.authority.as_subcomponents(), escape(self.type_code)))


class EI(NamedTuple):
    """Entity identifier (2.A.28): a placer or filler number, an accession number, a UID."""

    value: str
    authority: HD = HD()

    @classmethod
    def read(cls, value: Value) -> Self:
        return cls(value.get(1), HD.read(value, 2))

    def write(self) -> str:
        return join((escape(self.value), self.authority.write()))


class CWE(NamedTuple):
    """Coded with exceptions (2.A.13), also CE (2.A.11): a code, its text, its system, and the alternate triple."""

    code: str
    text: str = ""
    system: str = ""
    alternate_code: str = ""
    alternate_text: str = ""
    alternate_system: str = ""

    @classmethod
    def read(cls, value: Value) -> Self:
        return cls(*value.texts(6))

    def write(self) -> str:
        texts = (self.code, self.text, self.system, self.alternate_code, self.alternate_text, self.alternate_system)
        return join(map(escape, texts))


class XPN(NamedTuple):
    """Extended person name (2.A.88). `representation`: A alphabetic, I ideographic, P phonetic."""

    family: str
    given: str = ""
    middle: str = ""
    suffix: str = ""
    prefix: str = ""
    degree: str = ""
    type_code: str = ""
    representation: str = ""

    @classmethod
    def read(cls, value: Value) -> Self:
        return cls(*value.texts(8))

    def write(self) -> str:
        names = (self.family, self.given, self.middle, self.suffix, self.prefix, self.degree)
        return join(map(escape, (*names, self.type_code, self.representation)))


class XCN(NamedTuple):
    """Extended composite id and name of a person (2.A.86)."""

    id: str
    family: str = ""
    given: str = ""
    middle: str = ""
    suffix: str = ""
    prefix: str = ""
    degree: str = ""
    authority: HD = HD()

    @classmethod
    def read(cls, value: Value) -> Self:
        if len(value) == 1:  # some senders of the 1990s write & where ^ belongs
            value = value.part(1)
        get = value.get
        return cls(get(1), get(2), get(3), get(4), get(5), get(6), get(7), HD.read(value.part(9)))

    def write(self) -> str:
        names = (self.id, self.family, self.given, self.middle, self.suffix, self.prefix, self.degree)
        return join((*map(escape, names), "", self.authority.as_subcomponents()))


class PL(NamedTuple):
    """Person location (2.A.53)."""

    point_of_care: str = ""
    room: str = ""
    bed: str = ""
    facility: HD = HD()
    building: str = ""
    floor: str = ""

    @classmethod
    def read(cls, value: Value) -> Self:
        facility = HD.read(value.part(4))
        return cls(value.get(1), value.get(2), value.get(3), facility, value.get(7), value.get(8))


class XAD(NamedTuple):
    """Extended address (2.A.84)."""

    street: str
    other: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = ""
    type_code: str = ""

    @classmethod
    def read(cls, value: Value) -> Self:
        return cls(*value.texts(7))

    def write(self) -> str:
        place = (self.street, self.other, self.city, self.state, self.postal_code, self.country, self.type_code)
        return join(map(escape, place))
