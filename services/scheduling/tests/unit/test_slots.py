"""Free slots: opening hours by the clock on the wall, also in the nights in which it is changed."""

import itertools
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from scheduling_service.domain.catalogue import OpeningHours, Station, StepTemplate, Weekday
from scheduling_service.domain.slots import Span, free_spans, is_open, open_spans, slots

BERLIN = ZoneInfo("Europe/Berlin")


def a_station(opens: str, closes: str, *, title: str = "CT1", modality: str = "CT") -> Station:
    hours = OpeningHours(days=tuple(Weekday), opens=time.fromisoformat(opens), closes=time.fromisoformat(closes))
    return Station(ae_title=title, modality=modality, opening_hours=(hours,))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


SPRING = Span(utc("2026-03-28T12:00"), utc("2026-03-29T12:00"))
AUTUMN = Span(utc("2026-10-24T12:00"), utc("2026-10-25T12:00"))
NIGHTS = [
    # The clock goes from 02:00 CET to 03:00 CEST at 01:00 UTC, and from 03:00 CEST to 02:00 CET at 01:00 UTC.
    (SPRING, "22:00", "06:00", "2026-03-28T21:00", "2026-03-29T04:00"),
    (AUTUMN, "22:00", "06:00", "2026-10-24T20:00", "2026-10-25T05:00"),
    (SPRING, "02:30", "05:00", "2026-03-29T01:30", "2026-03-29T03:00"),
    (AUTUMN, "02:30", "05:00", "2026-10-25T00:30", "2026-10-25T04:00"),
    (AUTUMN, "00:00", "02:30", "2026-10-24T22:00", "2026-10-25T01:30"),
    (SPRING, "08:00", "17:00", "2026-03-29T06:00", "2026-03-29T12:00"),
    (AUTUMN, "08:00", "17:00", "2026-10-25T07:00", "2026-10-25T12:00"),
]


@pytest.mark.parametrize(("within", "opens", "closes", "start", "end"), NIGHTS)
def test_opening_hours_over_a_change_of_the_clock(within: Span, opens: str, closes: str, start: str, end: str) -> None:
    spans = open_spans(a_station(opens, closes), BERLIN, within)
    assert Span(utc(start), utc(end)) in spans


@pytest.mark.parametrize(("night", "count"), [(SPRING, 7), (AUTUMN, 9)])
def test_a_night_has_as_many_slots_as_hours_pass(night: Span, count: int) -> None:
    station = a_station("22:00", "06:00")
    step = StepTemplate(modality="CT", duration_minutes=60)
    free = {"CT1": open_spans(station, BERLIN, night)}
    found = [slot[0].span for slot in slots([step], [[station]], free, night)]
    assert len(found) == count
    assert all(one.end == other.start for one, other in itertools.pairwise(found))


def test_a_station_without_hours_is_always_open_and_one_with_hours_only_for_the_whole_of_a_span() -> None:
    span = Span(utc("2026-06-01T05:00"), utc("2026-06-01T05:30"))
    assert is_open(Station(ae_title="CT1", modality="CT"), BERLIN, span)
    assert not is_open(a_station("08:00", "17:00"), BERLIN, span)
    last = Span(utc("2026-06-01T14:45"), utc("2026-06-01T15:15"))
    assert not is_open(a_station("08:00", "17:00"), BERLIN, last)
    assert is_open(a_station("08:00", "17:00"), BERLIN, Span(last.start, utc("2026-06-01T15:00")))


def test_what_is_taken_is_not_free() -> None:
    nine, ten, eleven, noon = (utc(f"2026-06-01T{hour:02}:00") for hour in (9, 10, 11, 12))
    assert free_spans([Span(nine, noon)], [Span(ten, eleven)]) == [Span(nine, ten), Span(eleven, noon)]
    assert free_spans([Span(ten, eleven)], [Span(nine, noon)]) == []


def test_the_steps_of_a_slot_follow_each_other_at_stations_that_are_free_then() -> None:
    nine = utc("2026-06-01T09:00")
    rf, mr1, mr2 = (
        Station(ae_title=title, modality=kind) for title, kind in (("RF1", "RF"), ("MR1", "MR"), ("MR2", "MR"))
    )
    day = Span(nine, nine + timedelta(hours=8))
    free = {"RF1": [day], "MR1": [Span(nine + timedelta(hours=1), day.end)], "MR2": [Span(nine, day.end)]}
    steps = [StepTemplate(modality="RF", duration_minutes=20), StepTemplate(modality="MR", duration_minutes=30)]
    first = next(slots(steps, [[rf], [mr1, mr2]], free, day))
    assert [(place.station.ae_title, place.span.start) for place in first] == [
        ("RF1", nine),
        ("MR2", nine + timedelta(minutes=20)),
    ]


def test_slots_start_on_five_minutes() -> None:
    at = utc("2026-06-01T09:02") + timedelta(seconds=7)
    station = Station(ae_title="CT1", modality="CT")
    day = Span(at, at + timedelta(hours=1))
    step = StepTemplate(modality="CT", duration_minutes=15)
    found = [slot[0].span.start.minute for slot in slots([step], [[station]], {"CT1": [day]}, day)]
    assert found == [5, 20, 35]
