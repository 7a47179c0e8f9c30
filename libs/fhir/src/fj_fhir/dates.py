"""FHIR dates and times of any precision (R4 section 2.24.0.1), as the interval that they stand for."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final

_FORM: Final = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d{2})(-(?P<day>\d{2})"
    r"(T(?P<hour>\d{2}):(?P<minute>\d{2})(:(?P<second>\d{2})(\.(?P<fraction>\d{1,9}))?)?(?P<zone>Z|[+-]\d{2}:\d{2})?)?)?)?"
)


@dataclass(frozen=True, slots=True)
class Interval:
    """A span of time: `low` is in it, `high` is the first moment after it."""

    low: datetime
    high: datetime


class Prefix(StrEnum):
    """How a date of a resource compares to the given one (R4 section 3.1.1.4.6)."""

    EQ = "eq"
    NE = "ne"
    GT = "gt"
    LT = "lt"
    GE = "ge"
    LE = "le"


@dataclass(frozen=True, slots=True)
class Dated:
    """A comparison with a span of time."""

    prefix: Prefix
    span: Interval

    def holds(self, moment: datetime) -> bool:
        """Whether a moment compares so."""
        before, after = moment < self.span.low, moment >= self.span.high
        within = not before and not after
        return {
            Prefix.EQ: within,
            Prefix.NE: not within,
            Prefix.GT: after,
            Prefix.LT: before,
            Prefix.GE: not before,
            Prefix.LE: not after,
        }[self.prefix]

    @property
    def earliest(self) -> datetime | None:
        """Before which nothing holds."""
        return {Prefix.EQ: self.span.low, Prefix.GE: self.span.low, Prefix.GT: self.span.high}.get(self.prefix)

    @property
    def latest(self) -> datetime | None:
        """From which on nothing holds."""
        return {Prefix.EQ: self.span.high, Prefix.LE: self.span.high, Prefix.LT: self.span.low}.get(self.prefix)


def interval(text: str) -> Interval:
    """The span that a date or time stands for; UTC counts where the text has no offset. Raises ValueError."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no FHIR date or time (YYYY, YYYY-MM, YYYY-MM-DD, YYYY-MM-DDThh:mm:ss+zz:zz)")
    year, month, day, hour, minute, second = (
        int(found[name] or default)
        for name, default in (("year", 1), ("month", 1), ("day", 1), ("hour", 0), ("minute", 0), ("second", 0))
    )
    micro = int(((found["fraction"] or "") + "000000")[:6])
    offset = datetime.fromisoformat(f"2000-01-01T00:00:00{found['zone']}").tzinfo if found["zone"] else UTC
    try:
        low = datetime(year, month, day, hour, minute, min(second, 59), micro, tzinfo=offset)
        return Interval(low, _end(low, found))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is no date or time: {error}") from None


def _end(low: datetime, found: re.Match[str]) -> datetime:
    if found["fraction"]:
        return low + timedelta(microseconds=10 ** max(0, 6 - len(found["fraction"])))
    if found["second"]:
        return low + timedelta(seconds=1)
    if found["hour"]:
        return low + timedelta(minutes=1)
    if found["day"]:
        return low + timedelta(days=1)
    if found["month"]:
        return low.replace(year=low.year + low.month // 12, month=low.month % 12 + 1)
    return low.replace(year=low.year + 1)


def date_or_time(text: str) -> datetime | date:
    """A dateTime element: a moment where it has a time, else the first day that it names. Raises ValueError."""
    low = interval(text).low
    return low if "T" in text else low.date()
