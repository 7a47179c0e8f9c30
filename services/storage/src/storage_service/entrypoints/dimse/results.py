"""What the answers to a C-FIND are made of: values of the index as text (PS3.4 C.4.1.1.3.2)."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from typing import Final

from fj_dicom import Asked, Attributes, Items, Text

from storage_service.domain.search import ATTRIBUTES, SEQUENCES, Attribute, Level, items
from storage_service.entrypoints.dimse.models import LEVELS, QUERY_RETRIEVE_LEVEL

RETRIEVE_AE_TITLE: Final = 0x00080054
INSTANCE_AVAILABILITY: Final = 0x00080056
_ALWAYS: Final[Mapping[int, str]] = {QUERY_RETRIEVE_LEVEL: "CS", RETRIEVE_AE_TITLE: "AE", INSTANCE_AVAILABILITY: "CS"}
"""In every answer, asked for or not."""


@cache
def attributes_of(level: Level, ae_title: str) -> Attributes:
    """The attributes that answers of a level can have."""
    name = next(name for name, one in LEVELS.items() if one is level)
    own = {QUERY_RETRIEVE_LEVEL: name, RETRIEVE_AE_TITLE: ae_title, INSTANCE_AVAILABILITY: "ONLINE"}
    described: dict[int, Text | Items] = {tag: _constant(_ALWAYS[tag], value) for tag, value in own.items()}
    sequences: dict[str, dict[int, Text | Items]] = {}
    for attribute in ATTRIBUTES.values():
        if attribute.level <= level:
            into = sequences.setdefault(attribute.within, {}) if attribute.within else described
            into[int(attribute.tag, 16)] = _attribute(attribute)
    for keyword, inside in sequences.items():
        described[int(SEQUENCES[keyword], 16)] = _sequence(keyword, inside)
    return described


def with_own(wanted: Sequence[Asked], known: Attributes) -> tuple[Asked, ...]:
    """What was asked for, and what is in every answer, in order of the tags."""
    missing = _ALWAYS.keys() - {each.tag for each in wanted}
    own = (Asked(tag, _ALWAYS[tag], known[tag]) for tag in missing)
    return tuple(sorted((*wanted, *own), key=lambda each: each.tag))


def keywords_of(wanted: Sequence[Asked]) -> set[str]:
    """The attributes of the index that answers need."""
    asked = {("", f"{each.tag:08X}") for each in wanted if each.known}
    asked |= {(f"{each.tag:08X}", f"{item.tag:08X}") for each in wanted for item in each.items}
    return {
        keyword
        for keyword, attribute in ATTRIBUTES.items()
        if (SEQUENCES[attribute.within] if attribute.within else "", attribute.tag) in asked
    }


def _constant(vr: str, value: str) -> Text:
    return Text(vr, lambda _: value)


def _attribute(attribute: Attribute) -> Text:
    keyword = attribute.keyword
    return Text(attribute.vr, lambda row: _text(row.get(keyword)))


def _sequence(sequence: str, inside: Attributes) -> Items:
    keywords = [keyword for keyword, attribute in ATTRIBUTES.items() if attribute.within == sequence]

    return Items(lambda row: items(row, keywords), inside)


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case date():
            return value.isoformat().replace("-", "")
        case tuple():  # the component groups of a name
            return "=".join(group or "" for group in value).rstrip("=")
        case list():
            return "\\".join(map(str, value))
        case _:
            return str(value).replace("\\", "/")  # of a text that is one value
