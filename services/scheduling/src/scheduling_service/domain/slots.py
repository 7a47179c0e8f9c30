"""Free slots: when the stations that a procedure needs are open, and nobody has them.

All is reckoned in instants, so that a day of 23 or 25 hours is one: only opening hours know the clock on the wall.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from scheduling_service.domain.catalogue import OpeningHours, Station, StepTemplate, Weekday

_WEEK: Final = tuple(Weekday)
_GRID: Final = timedelta(minutes=5)


class Span(NamedTuple):
    """From an instant to another, which is not in it."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A time for which a station cannot be booked."""

    block_id: UUID
    site: str
    station_ae_title: str
    span: Span
    reason: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which slots somebody looks for."""

    site: str = "MAIN"
    station_ae_title: str | None = None
    """None: any that does it."""
    after: datetime | None = None
    """None: from now on, and for an exam not before the time that its order asks for."""
    before: datetime | None = None
    """None: as far ahead as anybody looks."""
    limit: int = 1


class Place(NamedTuple):
    """A step's part of a slot."""

    station: Station
    span: Span


Slot = tuple[Place, ...]
"""For each step of a procedure, where and when."""


def open_spans(station: Station, zone: ZoneInfo, within: Span) -> list[Span]:
    """When a station takes appointments, by start; spans that touch or overlap are one."""
    if not station.opening_hours:
        return [within]
    # Hours may go on after midnight, and a day may have been left out before that (Apia, 2011).
    day = within.start.astimezone(zone).date() - timedelta(days=2)
    last = within.end.astimezone(zone).date()
    spans = []
    while day <= last:
        hours = (each for each in station.opening_hours if _WEEK[day.weekday()] in each.days)
        spans += [_on(day, each, zone) for each in hours]
        day += timedelta(days=1)
    return _joined(_cut(spans, within))


def free_spans(open_: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    """What is left of the opening hours, by start."""
    gone = deque(_joined(sorted(taken)))
    left = []
    for start, end in open_:
        while gone and gone[0].end <= start:
            gone.popleft()
        free_from = start
        for each in gone:
            if each.start >= end:
                break
            left.append(Span(free_from, each.start))
            free_from = each.end
        left.append(Span(free_from, end))
    return [span for span in left if span.start < span.end]


def is_open(station: Station, zone: ZoneInfo, span: Span) -> bool:
    """Whether a station takes appointments for the whole of a span."""
    return open_spans(station, zone, span) == [span]


def slots(
    steps: Sequence[StepTemplate],
    stations: Sequence[Sequence[Station]],
    free: Mapping[str, Sequence[Span]],
    within: Span,
) -> Iterator[Slot]:
    """Slots by start: each step at the first of its stations that is free, and after it its pause and the next one."""
    whole = timedelta(minutes=sum(step.duration_minutes + step.pause_minutes for step in steps[:-1]))
    whole += timedelta(minutes=steps[-1].duration_minutes)
    start = _rounded_up(within.start)
    while start + whole <= within.end:
        slot = _slot_at(start, steps, stations, free)
        if slot is None:
            start += _GRID
        else:
            yield slot
            start = _rounded_up(start + timedelta(minutes=steps[0].duration_minutes))


def _slot_at(
    start: datetime,
    steps: Sequence[StepTemplate],
    stations: Sequence[Sequence[Station]],
    free: Mapping[str, Sequence[Span]],
) -> Slot | None:
    places = []
    for step, choice in zip(steps, stations, strict=True):
        span = Span(start, start + timedelta(minutes=step.duration_minutes))
        station = next((each for each in choice if _holds(free.get(each.ae_title, ()), span)), None)
        if station is None:
            return None
        places.append(Place(station, span))
        start = span.end + timedelta(minutes=step.pause_minutes)
    return tuple(places)


def _holds(spans: Sequence[Span], wanted: Span) -> bool:
    """Whether one of the spans, which are apart and in order, holds the wanted one."""
    before = bisect_right(spans, wanted.start, key=lambda span: span.start)
    return before > 0 and wanted.end <= spans[before - 1].end


def _on(day: date, hours: OpeningHours, zone: ZoneInfo) -> Span:
    """The hours of a day.

    A time that the clock shows twice opens at the first and closes at the second one; one that it skips is moved on by
    what was skipped.
    """
    end = day if hours.closes > hours.opens else day + timedelta(days=1)
    return Span(_instants(day, hours.opens, zone)[0], max(_instants(end, hours.closes, zone)))


def _instants(day: date, at: time, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """A time on the wall by the offset before a change of the clock, and by the one after it (PEP 495)."""
    local = datetime.combine(day, at, zone)
    return local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)


def _cut(spans: Iterable[Span], within: Span) -> list[Span]:
    cut = (Span(max(span.start, within.start), min(span.end, within.end)) for span in spans)
    return sorted(span for span in cut if span.start < span.end)


def _joined(spans: Iterable[Span]) -> list[Span]:
    joined: list[Span] = []
    for span in spans:
        if joined and span.start <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return joined


def _rounded_up(at: datetime) -> datetime:
    past = timedelta(seconds=at.timestamp() % _GRID.total_seconds())
    return at + (_GRID - past) if past else at
