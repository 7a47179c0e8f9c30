"""Query parameters of QIDO-RS (PS3.18 section 8.3.4) as a search."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from pydicom.datadict import dictionary_has_tag, tag_for_keyword

from storage_service.domain.search import (
    ATTRIBUTES,
    SEQUENCES,
    AnyOf,
    Attribute,
    By,
    Condition,
    Dates,
    Level,
    Like,
    Search,
    Times,
)

_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}")
_UID: Final = re.compile(r"[0-9]+(\.[0-9]+)*")
_TIME: Final = re.compile(r"(?:[01]\d|2[0-3])(?:[0-5]\d(?:(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?")
_SEPARATORS: Final = re.compile(r"[,\\]")
_BY_TAG: Final = {attribute.tag: attribute for attribute in ATTRIBUTES.values()}
_KEYWORD_OF_SEQUENCE: Final = {tag: keyword for keyword, tag in SEQUENCES.items()}
_NOT_SUPPORTED: Final = {
    "fuzzymatching": "The fuzzymatching parameter is not supported. Only literal matching has been performed.",
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
    for name, value in parameters:
        if name in {"limit", "offset"}:
            if name in paging:
                raise BadParameter(name, "is given twice")
            paging[name] = _count(name, value)
        elif name == "includefield":
            included |= _included(value)
        elif name in _NOT_SUPPORTED:
            warnings += [_NOT_SUPPORTED[name]] if _switch(name, value) else []
        elif name != "accept":
            conditions += _conditions(name, value, level)
    search = Search(
        level=level,
        conditions=tuple(conditions),
        fields=_fields(level, {condition.attribute.keyword for condition in conditions} | included, path),
        limit=min(paging.get("limit", most), most),
        offset=paging.get("offset", 0),
    )
    return Request(search, tuple(warnings))


def _conditions(name: str, value: str, level: Level) -> list[Condition]:
    attribute = _attribute(name)
    if attribute is None or attribute.by is By.NOTHING:
        raise BadParameter(_shown(name), "is not matched here; it can only be an includefield")
    if attribute.level > level:
        raise BadParameter(
            name, f"belongs to the {attribute.level.noun} level, this search is of the {level.noun} level"
        )
    value = value.strip()
    if not value.strip("*"):  # universal matching (PS3.4 C.2.2.2.3)
        return []
    return [_READERS[attribute.by](attribute, name, value)]


def _attribute(name: str) -> Attribute | None:
    """By keyword or tag, alone or inside its sequence. None: DICOM knows it and the index does not."""
    *sequences, last = name.split(".")
    attribute = ATTRIBUTES.get(last) or _BY_TAG.get(last.upper())
    outer = _KEYWORD_OF_SEQUENCE.get(sequences[0], sequences[0]) if sequences else None
    if attribute is not None and len(sequences) <= 1 and attribute.within == outer:
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
        return attribute.always and (attribute.by is By.UID or attribute.level not in fixed)

    return tuple(filter(returned, ATTRIBUTES.values()))


def _uids(attribute: Attribute, name: str, value: str) -> Condition:
    values = tuple(part.strip() for part in _SEPARATORS.split(value))
    if not all(len(uid) <= 64 and _UID.fullmatch(uid) for uid in values):
        raise BadParameter(name, "expected a UID or a list of UIDs")
    return AnyOf(attribute, values)


def _text(attribute: Attribute, name: str, value: str) -> Condition:
    if len(value) > 256:
        raise BadParameter(name, "is longer than 256 characters")
    return Like(attribute, (value,)) if _has_wildcard(value) else AnyOf(attribute, (value,))


def _words(attribute: Attribute, name: str, value: str) -> Condition:
    if len(value) > 256:
        raise BadParameter(name, "is longer than 256 characters")
    return Like(attribute, (value,))


def _codes(attribute: Attribute, name: str, value: str) -> Condition:
    values = tuple(part.strip() for part in _SEPARATORS.split(value) if part.strip())
    if not values or any(len(code) > 16 for code in values):
        raise BadParameter(name, "expected a code of at most 16 characters or a list of them")
    return Like(attribute, values) if any(map(_has_wildcard, values)) else AnyOf(attribute, values)


def _numbers(attribute: Attribute, name: str, value: str) -> Condition:
    try:
        number = int(value)
    except ValueError:
        number = 2**31
    if not -(2**31) <= number < 2**31:
        raise BadParameter(name, "expected an integer")
    return AnyOf(attribute, (number,))


def _dates(attribute: Attribute, name: str, value: str) -> Condition:
    first, last = _range(name, value)
    return Dates(attribute, _date(name, first), _date(name, last))


def _times(attribute: Attribute, name: str, value: str) -> Condition:
    first, last = _range(name, value)
    for bound in (first, last):
        if bound and not _TIME.fullmatch(bound):
            raise BadParameter(name, "expected HH, HHMM or HHMMSS with an optional fraction, or a range of two")
    return Times(attribute, first or None, last or None)


def _range(name: str, value: str) -> tuple[str, str]:
    first, dash, last = value.partition("-")
    if dash and not (first or last):
        raise BadParameter(name, "the range has neither a beginning nor an end")
    return (first.strip(), last.strip()) if dash else (value, value)


def _date(name: str, text: str) -> date | None:
    if not text:
        return None
    try:
        if len(text) == 8 and text.isascii() and text.isdigit():
            return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        pass
    raise BadParameter(name, "expected YYYYMMDD or a range of two")


def _has_wildcard(value: str) -> bool:
    return "*" in value or "?" in value


def _count(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise BadParameter(name, "expected a whole number from 0")
    return int(value)


def _switch(name: str, value: str) -> bool:
    if value not in {"true", "false"}:
        raise BadParameter(name, "expected true or false")
    return value == "true"


_READERS: Final[dict[By, Callable[[Attribute, str, str], Condition]]] = {
    By.UID: _uids,
    By.EXACT: _text,
    By.WORDS: _words,
    By.CODES: _codes,
    By.DATE: _dates,
    By.TIME: _times,
    By.NUMBER: _numbers,
}
