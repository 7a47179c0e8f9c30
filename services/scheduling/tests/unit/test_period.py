"""Dates, times and ranges of them (PS3.4 C.2.2.2.5 and Table K.6-1).

The times of a worklist have no zone: they are those of the clock on the wall.
"""
# ruff: noqa: DTZ001 - see above

from datetime import date, datetime, time

import pytest
from scheduling_service.domain.errors import BadRange
from scheduling_service.domain.period import Dates, Period, Times, dates, hours, period

FIFTH, SEVENTH = date(2026, 7, 5), date(2026, 7, 7)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Dates(None, None, is_range=False)),
        ("20260705", Dates(FIFTH, FIFTH, is_range=False)),
        (" 20260705 ", Dates(FIFTH, FIFTH, is_range=False)),
        ("2026.07.05", Dates(FIFTH, FIFTH, is_range=False)),
        ("20260705-20260707", Dates(FIFTH, SEVENTH, is_range=True)),
        ("20260705 - 20260707", Dates(FIFTH, SEVENTH, is_range=True)),
        ("20260705-", Dates(FIFTH, None, is_range=True)),
        ("-20260707", Dates(None, SEVENTH, is_range=True)),
    ],
)
def test_dates(text: str, expected: Dates) -> None:
    assert dates(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Times(None, None, is_range=False)),
        ("103015.25", Times(time(10, 30, 15, 250000), time(10, 30, 15, 250000), is_range=False)),
        ("103015", Times(time(10, 30, 15), time(10, 30, 15, 999999), is_range=False)),
        ("1030", Times(time(10, 30), time(10, 30, 59, 999999), is_range=False)),
        ("10", Times(time(10), time(10, 59, 59, 999999), is_range=False)),
        ("10:30", Times(time(10, 30), time(10, 30, 59, 999999), is_range=False)),
        ("235960", Times(time(23, 59, 59), time(23, 59, 59, 999999), is_range=False)),
        ("10-18", Times(time(10), time(18, 59, 59, 999999), is_range=True)),
        ("1000-", Times(time(10), None, is_range=True)),
        ("-1800", Times(None, time(18, 0, 59, 999999), is_range=True)),
    ],
)
def test_times(text: str, expected: Times) -> None:
    assert hours(text) == expected


@pytest.mark.parametrize("text", ["July", "2026", "20260231", "20260705-July", "-", "20260705-20260706-20260707"])
def test_no_dates(text: str) -> None:
    with pytest.raises(BadRange):
        dates(text)


@pytest.mark.parametrize("text", ["noon", "25", "1060", "-", "10-12-14", "1030.5"])
def test_no_times(text: str) -> None:
    with pytest.raises(BadRange):
        hours(text)


LAST = time.max


@pytest.mark.parametrize(
    ("start_date", "start_time", "expected"),
    [
        ("", "", Period()),
        ("20260705", "", Period(earliest=datetime(2026, 7, 5), latest=datetime.combine(FIFTH, LAST))),
        (
            "20260705-20260707",
            "1000-1800",
            Period(earliest=datetime(2026, 7, 5, 10), latest=datetime(2026, 7, 7, 18, 0, 59, 999999)),
        ),
        ("20260705-", "1000-1800", Period(earliest=datetime(2026, 7, 5, 10))),
        ("-20260707", "1000-", Period(latest=datetime.combine(SEVENTH, LAST))),
        ("", "1000-1800", Period(time_from=time(10), time_to=time(18, 0, 59, 999999))),
        (
            "20260705",
            "1000-",
            Period(
                earliest=datetime(2026, 7, 5),
                latest=datetime.combine(FIFTH, LAST),
                time_from=time(10),
            ),
        ),
        (
            "20260705-20260707",
            "10",
            Period(
                earliest=datetime(2026, 7, 5),
                latest=datetime.combine(SEVENTH, LAST),
                time_from=time(10),
                time_to=time(10, 59, 59, 999999),
            ),
        ),
    ],
)
def test_period(start_date: str, start_time: str, expected: Period) -> None:
    assert period(start_date, start_time) == expected
