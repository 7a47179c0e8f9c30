"""Values of matching keys as conditions (PS3.4 C.2.2.2): the same for QIDO-RS and C-FIND."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Final

from storage_service.domain.search import Alike, AnyOf, Attribute, By, Condition, Dates, Like, Times

_UID: Final = re.compile(r"[0-9]+(\.[0-9]+)*")
_TIME: Final = re.compile(r"(?:[01]\d|2[0-3])(?:[0-5]\d(?:(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?")
_SEPARATORS: Final = re.compile(r"[,\\]")
_OPEN_END: Final = re.compile(r"\*(?=[\^= ]|$)")
"""A wildcard at the end of a word, which fuzzy matching implies."""
_TEXT_MAX: Final = 256
_CODES_MAX: Final = 16


class BadValue(Exception):
    """A value that cannot be matched; the message says what would fit, without the value."""


def condition(attribute: Attribute, value: str, *, fuzzy: bool = False) -> Condition | None:
    """What a value asks for; None where it matches everything (PS3.4 C.2.2.2.3). Raises BadValue."""
    value = value.strip()
    if not value.strip("*"):
        return None
    begins = _OPEN_END.sub("", value)
    if fuzzy and attribute.by is By.NAME and not _has_wildcard(begins):
        return Alike(attribute, _short(begins))
    return _READERS[attribute.by](attribute, value)


def _uids(attribute: Attribute, value: str) -> Condition:
    values = tuple(part.strip() for part in _SEPARATORS.split(value))
    if not all(len(uid) <= 64 and _UID.fullmatch(uid) for uid in values):
        raise BadValue("expected a UID or a list of UIDs")
    return AnyOf(attribute, values)


def _text(attribute: Attribute, value: str) -> Condition:
    return Like(attribute, (_short(value),)) if _has_wildcard(value) else AnyOf(attribute, (_short(value),))


def _words(attribute: Attribute, value: str) -> Condition:
    return Like(attribute, (_short(value),))


def _codes(attribute: Attribute, value: str) -> Condition:
    values = tuple(part.strip() for part in _SEPARATORS.split(value) if part.strip())
    if not values or any(len(code) > 16 for code in values):
        raise BadValue("expected a code of at most 16 characters or a list of them")
    return Like(attribute, values) if any(map(_has_wildcard, values)) else AnyOf(attribute, values)


def _coded(attribute: Attribute, value: str) -> Condition:
    codes = tuple(part.strip() for part in _SEPARATORS.split(value) if part.strip())
    if not 1 <= len(codes) <= _CODES_MAX or any(map(_has_wildcard, codes)):
        raise BadValue(f"expected a code without wildcards, or a list of at most {_CODES_MAX}")
    return AnyOf(attribute, tuple(map(_short, codes)))


def _meaning(attribute: Attribute, value: str) -> Condition:
    if _has_wildcard(value):
        raise BadValue("expected a code meaning without wildcards")
    return AnyOf(attribute, (_short(value),))


def _numbers(attribute: Attribute, value: str) -> Condition:
    try:
        number = int(value)
    except ValueError:
        number = 2**31
    if not -(2**31) <= number < 2**31:
        raise BadValue("expected an integer")
    return AnyOf(attribute, (number,))


def _dates(attribute: Attribute, value: str) -> Condition:
    first, last = _range(value)
    return Dates(attribute, _date(first), _date(last))


def _times(attribute: Attribute, value: str) -> Condition:
    first, last = _range(value)
    for bound in (first, last):
        if bound and not _TIME.fullmatch(bound):
            raise BadValue("expected HH, HHMM or HHMMSS with an optional fraction, or a range of two")
    return Times(attribute, first or None, last or None)


def _range(value: str) -> tuple[str, str]:
    first, dash, last = value.partition("-")
    if dash and not (first or last):
        raise BadValue("the range has neither a beginning nor an end")
    return (first.strip(), last.strip()) if dash else (value, value)


def _date(text: str) -> date | None:
    if not text:
        return None
    try:
        if len(text) == 8 and text.isascii() and text.isdigit():
            return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        pass
    raise BadValue("expected YYYYMMDD or a range of two")


def _short(value: str) -> str:
    if len(value) > _TEXT_MAX:
        raise BadValue(f"is longer than {_TEXT_MAX} characters")
    return value


def _has_wildcard(value: str) -> bool:
    return "*" in value or "?" in value


_READERS: Final[dict[By, Callable[[Attribute, str], Condition]]] = {
    By.UID: _uids,
    By.EXACT: _text,
    By.WORDS: _words,
    By.NAME: _words,
    By.CODES: _codes,
    By.CODE: _coded,
    By.MEANING: _meaning,
    By.DATE: _dates,
    By.TIME: _times,
    By.NUMBER: _numbers,
}
