"""Query parameters of QIDO-RS (PS3.18 section 8.3.4) as a search."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pydicom.datadict import dictionary_has_tag, tag_for_keyword

from storage_service.domain.search import (
    ATTRIBUTES,
    SEQUENCES,
    Attribute,
    By,
    Condition,
    Level,
    Search,
    combined,
)
from storage_service.entrypoints.keys import BadValue, condition

_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}")
_BY_TAG: Final = {(attribute.within, attribute.tag): attribute for attribute in ATTRIBUTES.values()}
_KEYWORD_OF_SEQUENCE: Final = {tag: keyword for keyword, tag in SEQUENCES.items()}
_NOT_SUPPORTED: Final = {
    "emptyvaluematching": "The emptyvaluematching parameter is not supported. Empty values match everything.",
    "multiplevaluematching": "The multiplevaluematching parameter is not supported. Only UIDs and codes take lists.",
}


class BadParameter(Exception):
    """A parameter that cannot be understood; the message names it and says what would fit, without its value."""

    def __init__(self, parameter: str, expected: str) -> None:
        super().__init__(f"{parameter}: {expected}")
        self.parameter = parameter
        self.expected = expected


@dataclass(frozen=True, slots=True)
class Request:
    """A search, and what the answer must say about how it was understood."""

    search: Search
    warnings: tuple[str, ...]


def read(parameters: Iterable[tuple[str, str]], level: Level, path: Sequence[Condition], most: int) -> Request:
    """Understand the parameters of a search of `level` below `path`. Raises BadParameter."""
    conditions: list[Condition] = list(path)
    included: set[str] = set()
    paging: dict[str, int] = {}
    warnings: list[str] = []
    pairs = list(parameters)
    fuzzy = any(_switch(name, value) for name, value in pairs if name == "fuzzymatching")
    for name, value in pairs:
        if name in {"limit", "offset"}:
            if name in paging:
                raise BadParameter(name, "is given twice")
            paging[name] = _count(name, value)
        elif name == "includefield":
            included |= _included(value)
        elif name in _NOT_SUPPORTED:
            warnings += [_NOT_SUPPORTED[name]] if _switch(name, value) else []
        elif name not in {"accept", "fuzzymatching"}:
            conditions += _conditions(name, value, level, fuzzy=fuzzy)
    search = Search(
        level=level,
        conditions=combined(conditions),
        fields=_fields(level, {condition.attribute.keyword for condition in conditions} | included, path),
        limit=min(paging.get("limit", most), most),
        offset=paging.get("offset", 0),
    )
    return Request(search, tuple(warnings))


def _conditions(name: str, value: str, level: Level, *, fuzzy: bool) -> list[Condition]:
    attribute = _attribute(name)
    if attribute is None or attribute.by is By.NOTHING:
        raise BadParameter(_shown(name), "is not matched here; it can only be an includefield")
    if attribute.level > level:
        raise BadParameter(
            name, f"belongs to the {attribute.level.noun} level, this search is of the {level.noun} level"
        )
    try:
        asked = condition(attribute, value, fuzzy=fuzzy)
    except BadValue as reason:
        raise BadParameter(name, str(reason)) from None
    return [asked] if asked else []


def _attribute(name: str) -> Attribute | None:
    """By keyword or tag, alone or inside its sequence. None: DICOM knows it and the index does not."""
    *sequences, last = name.split(".")
    outer = ".".join(_KEYWORD_OF_SEQUENCE.get(one, one) for one in sequences) or None
    attribute = ATTRIBUTES.get(f"{outer}.{last}" if outer else last) or _BY_TAG.get((outer, last.upper()))
    if attribute is not None:
        return attribute
    for step in (*sequences, last):
        if tag_for_keyword(step) is None and not (_TAG.fullmatch(step) and dictionary_has_tag(int(step, 16))):
            raise BadParameter(_shown(name), "is no keyword or tag of a DICOM attribute")
    return None


def _shown(name: str) -> str:
    """A parameter's name, unless it could be anything."""
    return name if re.fullmatch(r"[A-Za-z0-9.]{1,80}", name) else "a parameter"


def _included(value: str) -> set[str]:
    keywords: set[str] = set()
    for name in value.split(","):
        if name == "all":
            keywords |= ATTRIBUTES.keys()
        elif attribute := _sequence_or_attribute(name):
            keywords |= attribute
    return keywords


def _sequence_or_attribute(name: str) -> set[str]:
    sequence = _KEYWORD_OF_SEQUENCE.get(name.upper(), name)
    if sequence in SEQUENCES:
        return {keyword for keyword, attribute in ATTRIBUTES.items() if attribute.within == sequence}
    attribute = _attribute(name)
    return {attribute.keyword} if attribute else set()


def _fields(level: Level, asked: set[str], path: Sequence[Condition]) -> tuple[Attribute, ...]:
    """What is always returned, from the levels that the path leaves open, and what is asked for (10.6.3.3)."""
    fixed = {condition.attribute.level for condition in path}

    def returned(attribute: Attribute) -> bool:
        if attribute.level > level:
            return False
        if attribute.keyword in asked:
            return True
        # A path that names the study leaves its patient no more open than itself.
        is_open = attribute.level not in fixed and not (fixed and attribute.level is Level.PATIENT)
        return attribute.always and (attribute.by is By.UID or is_open)

    return tuple(filter(returned, ATTRIBUTES.values()))


def _count(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise BadParameter(name, "expected a whole number from 0")
    return int(value)


def _switch(name: str, value: str) -> bool:
    if value not in {"true", "false"}:
        raise BadParameter(name, "expected true or false")
    return value == "true"
