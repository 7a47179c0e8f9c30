"""Opening hours and slots in any zone, on any day, also in nights in which the clock is changed (Hypothesis)."""

import itertools
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scheduling_service.domain.catalogue import OpeningHours, Station, StepTemplate, Weekday
from scheduling_service.domain.slots import Span, is_open, open_spans, slots

# By an hour, by half an hour, at midnight, in the south, not at all, by a whole day that was left out (Apia, 2011).
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Pacific/Apia",
)
CHANGES = (
    date(2026, 3, 29),
    date(2026, 10, 25),
    date(2026, 4, 5),
    date(2026, 11, 1),
    date(2018, 11, 4),
    date(2011, 12, 30),
)
zones = st.sampled_from(ZONES).map(ZoneInfo)
days = st.builds(
    lambda day, by: day + timedelta(days=by), st.sampled_from(CHANGES), st.integers(min_value=-2, max_value=2)
)
times = st.builds(time, st.integers(0, 23), st.sampled_from((0, 15, 30, 45)))


@st.composite
def stations(draw: st.DrawFn) -> Station:
    hours = OpeningHours(days=tuple(Weekday), opens=draw(times), closes=draw(times))
    return Station(ae_title="CT1", modality="CT", opening_hours=(hours,))


def around(day: date) -> Span:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    return Span(noon - timedelta(days=2), noon + timedelta(days=2))


def is_plain(wall: datetime, zone: ZoneInfo) -> bool:
    """The clock shows this time once: neither twice nor never."""
    first, second = (wall.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    return first == second


def naive_hours(hours: OpeningHours, day: date) -> tuple[datetime, datetime]:
    end = day if hours.closes > hours.opens else day + timedelta(days=1)
    return datetime.combine(day, hours.opens), datetime.combine(end, hours.closes)


@settings(max_examples=300, deadline=None)
@given(stations(), zones, days, st.integers(min_value=0, max_value=4 * 288))
def test_a_station_is_open_when_the_clock_on_its_wall_says_so(
    station: Station, zone: ZoneInfo, day: date, five_minutes: int
) -> None:
    within = around(day)
    instant = within.start + timedelta(minutes=5 * five_minutes)
    assume(instant < within.end)
    wall = instant.astimezone(zone).replace(tzinfo=None)
    hours = [naive_hours(station.opening_hours[0], wall.date() - timedelta(days=by)) for by in (-1, 0, 1, 2)]
    assume(all(is_plain(each, zone) for each in (wall, *itertools.chain(*hours))))
    expected = any(opens <= wall < closes for opens, closes in hours)
    found = any(span.start <= instant < span.end for span in open_spans(station, zone, within))
    assert found == expected


@settings(max_examples=200, deadline=None)
@given(stations(), zones, days, st.sampled_from((15, 20, 45, 60)))
def test_what_is_offered_can_be_booked_and_no_two_overlap(
    station: Station, zone: ZoneInfo, day: date, minutes: int
) -> None:
    within = around(day)
    step = StepTemplate(modality="CT", duration_minutes=minutes)
    spans = open_spans(station, zone, within)
    found = [slot[0].span for slot in slots([step], [[station]], {"CT1": spans}, within)]
    assert all(is_open(station, zone, span) for span in found)
    assert all(one.end <= other.start for one, other in itertools.pairwise(found))
    assert {span.end - span.start for span in found} <= {timedelta(minutes=minutes)}
    assert all(one.end < other.start for one, other in itertools.pairwise(spans))
    room = sum(((span.end - span.start) // timedelta(minutes=minutes) for span in spans), start=0)
    assert room - len(spans) <= len(found) <= room


def test_both_of_an_hour_that_comes_twice_are_slots_of_their_own() -> None:
    zone = ZoneInfo("Europe/Berlin")
    night = Span(datetime(2026, 10, 25, tzinfo=UTC), datetime(2026, 10, 25, 2, tzinfo=UTC))
    station = Station(ae_title="CT1", modality="CT")
    step = StepTemplate(modality="CT", duration_minutes=30)
    found = [slot[0].span.start for slot in slots([step], [[station]], {"CT1": [night]}, night)]
    assert [f"{start.astimezone(zone):%H:%M}" for start in found] == ["02:00", "02:30", "02:00", "02:30"]
    assert len(set(found)) == 4


def test_in_an_hour_that_is_left_out_there_is_no_slot() -> None:
    zone = ZoneInfo("Europe/Berlin")
    night = Span(datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 3, 29, 2, tzinfo=UTC))
    station = Station(ae_title="CT1", modality="CT")
    step = StepTemplate(modality="CT", duration_minutes=30)
    found = [slot[0].span.start for slot in slots([step], [[station]], {"CT1": [night]}, night)]
    assert [f"{start.astimezone(zone):%H:%M}" for start in found] == ["01:00", "01:30", "03:00", "03:30"]
