"""Dates and times (HL7 v2.5.1 ch. 2.A.22)."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from fj_hl7 import DTM, BadTime, Precision, write_dtm
from hypothesis import given
from hypothesis import strategies as st

INDIA = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    ("text", "at", "precision"),
    [
        ("2026", (2026, 1, 1), Precision.YEAR),
        ("202603", (2026, 3, 1), Precision.MONTH),
        ("20260302", (2026, 3, 2), Precision.DAY),
        ("2026030209", (2026, 3, 2, 9), Precision.HOUR),
        ("202603020915", (2026, 3, 2, 9, 15), Precision.MINUTE),
        ("20260302091530", (2026, 3, 2, 9, 15, 30), Precision.SECOND),
        ("20260302091530.25", (2026, 3, 2, 9, 15, 30, 250_000), Precision.FRACTION),
        ("20260302091530.12345678", (2026, 3, 2, 9, 15, 30, 123_456), Precision.FRACTION),
        ("20260302091530.", (2026, 3, 2, 9, 15, 30), Precision.SECOND),
        ("202603022400", (2026, 3, 3), Precision.MINUTE),
        (" 20260302 ", (2026, 3, 2), Precision.DAY),
    ],
)
def test_without_an_offset_it_is_naive(text: str, at: tuple[int, int, int], precision: Precision) -> None:
    assert DTM.parse(text) == DTM(datetime(*at), precision)  # noqa: DTZ001 - that is the point


def test_with_an_offset_it_is_aware() -> None:
    assert DTM.parse("20260302091530+0530").at == datetime(2026, 3, 2, 9, 15, 30, tzinfo=INDIA)
    assert DTM.parse("202603020915-0800").at.utcoffset() == timedelta(hours=-8)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "R",
        "20",
        "20261",
        "20261302",
        "20260230",
        "2026030225",
        "20260302096100",
        "YYYYMMDD",
        "2026-03-02",
        "20260302+9900",
    ],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(BadTime):
        DTM.parse(text)


def test_a_day_is_written_without_a_zone() -> None:
    at = datetime(2026, 3, 2, 9, 15, 30, 250_000, tzinfo=INDIA)
    assert write_dtm(at) == "20260302091530+0530"
    assert write_dtm(at, Precision.DAY) == "20260302"
    assert write_dtm(at, Precision.FRACTION) == "20260302091530.2500+0530"


@given(st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - a bound
def test_a_time_survives(at: datetime) -> None:
    assert DTM.parse(write_dtm(at)).at == at.replace(microsecond=0)


@given(st.text(st.sampled_from("0123456789.+-: Z")))
def test_nothing_else_is_raised(text: str) -> None:
    with suppress(BadTime):
        DTM.parse(text)
