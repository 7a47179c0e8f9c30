"""Dates, times and ranges of them as a query gives them (PS3.4 C.2.2.2.5, PS3.5 section 6.2)."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple, NoReturn

from scheduling_service.domain.errors import BadRange

_DATE: Final = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")
_TIME: Final = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,6}))?)?)?")
_MICROSECOND: Final = timedelta(microseconds=1)


class Dates(NamedTuple):
    """First and last day; None: open on that side."""

    first: date | None
    last: date | None
    is_range: bool


class Times(NamedTuple):
    """First and last moment of a day; None: open on that side."""

    first: time | None
    last: time | None
    is_range: bool


@dataclass(frozen=True, slots=True)
class Period:
    """When a step has to start to match, in its site's local time; both bounds belong to it, None is open."""

    earliest: datetime | None = None
    latest: datetime | None = None
    time_from: time | None = None
    """Bounds of the time of day, on each of the days."""
    time_to: time | None = None


def period(start_date: str, start_time: str) -> Period:
    """The period that Start Date (0040,0002) and Start Time (0040,0003) ask for; empty is any. Raises BadRange.

    Two ranges are one: from the first date at the first time to the last date at the last time (PS3.4 Table K.6-1).
    """
    days, times = dates(start_date), hours(start_time)
    if days.is_range and times.is_range:
        return Period(earliest=_at(days.first, times.first or time.min), latest=_at(days.last, times.last or time.max))
    return Period(
        earliest=_at(days.first, time.min),
        latest=_at(days.last, time.max),
        time_from=times.first,
        time_to=times.last,
    )


def dates(text: str) -> Dates:
    """`20260705`, `20260705-20260707`, `20260705-`, `-20260707`; also the old form with dots. Raises BadRange."""
    first, last, is_range = _split(text)
    return Dates(_date(first), _date(last), is_range)


def hours(text: str) -> Times:
    """`10`, `1030`, `103015.5`, ranges of them, and the old form with colons. Raises BadRange.

    What a time leaves out is not narrowed down: `1030` is the whole minute, and `-1030` ends with it.
    """
    first, last, is_range = _split(text)
    return Times(_time(first, last=False), _time(last, last=True), is_range)


def _split(text: str) -> tuple[str, str, bool]:
    first, dash, last = (part.strip() for part in text.strip().partition("-"))
    if dash and not first and not last:
        raise BadRange("a range needs at least one end")
    return (first, last, True) if dash else (first, first, False)


def _date(text: str) -> date | None:
    if not text:
        return None
    found = _DATE.fullmatch(text)
    if found is None:
        _fail("date")
    try:
        return date(*map(int, found.groups()))
    except ValueError:
        _fail("date")


def _time(text: str, *, last: bool) -> time | None:
    if not text:
        return None
    found = _TIME.fullmatch(text)
    if found is None:
        _fail("time")
    hour, minute, second, fraction = found.groups()
    micro = int((fraction or "0").ljust(6, "0"))
    try:
        moment = time(int(hour), int(minute or 0), min(int(second or 0), 59), micro)  # a leap second is :60
    except ValueError:
        _fail("time")
    if not last or fraction:
        return moment
    step = timedelta(seconds=1) if second else timedelta(minutes=1) if minute else timedelta(hours=1)
    return (datetime.combine(date.min, moment) + step - _MICROSECOND).time()


def _fail(what: str) -> NoReturn:
    raise BadRange(f"not a {what} or a range of them (PS3.5 section 6.2)")


def _at(day: date | None, moment: time) -> datetime | None:
    return None if day is None else datetime.combine(day, moment)
