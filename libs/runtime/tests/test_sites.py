"""Sites: whose numbers are whose, and what a time without an offset means."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fj_runtime import Issuers, SettingsError, Sites

NETWORK = """
sites:
  MAIN:
    time_zone: Europe/Berlin
    issuers: {patient: KH-MITTE}
    senders:
      - {application: EPIC, facility: MITTE}
  NORTH:
    time_zone: America/New_York
    issuers: {patient: NORTH-MRN, accession: NORTH-ACC, placer: EPIC, filler: RIS}
    senders:
      - {application: EPIC, facility: NORTH}
      - {facility: N2}
      - {application: NORTHRIS}
    accession: [ORC-3]
  SOUTH:
    accession: []
"""


@pytest.fixture
def sites(tmp_path: Path) -> Sites:
    return load(tmp_path, NETWORK)


def load(folder: Path, text: str) -> Sites:
    path = folder / "sites.yaml"
    path.write_text(text)
    return Sites.load(path)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def refused(folder: Path, text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(folder, text)
    return str(caught.value).replace(str(folder), "")


def test_without_a_file_there_is_main_and_it_is_in_utc() -> None:
    sites = Sites.load(None)
    assert [site.name for site in sites] == ["MAIN"]
    main = sites.of_sender("ANY", "THING")
    assert main is sites.main is sites["MAIN"]
    assert main.issuers == Issuers(patient="MAIN", accession="MAIN", placer="MAIN", filler="MAIN")
    assert main.accession == ("IPC-1", "ORC-3", "OBR-18", "OBR-20")
    assert main.localize(at("2026-07-01T08:00")) == datetime(2026, 7, 1, 8, tzinfo=UTC)


def test_issuers_that_are_left_out_are_the_sites_name(sites: Sites) -> None:
    assert sites["MAIN"].issuers.patient == "KH-MITTE"
    assert sites["MAIN"].issuers.placer == "MAIN"
    assert sites["SOUTH"].issuers.accession == "SOUTH"
    assert sites["NORTH"].issuers.filler == "RIS"


@pytest.mark.parametrize(
    ("application", "facility", "site"),
    [
        ("EPIC", "NORTH", "NORTH"),
        ("EPIC", "MITTE", "MAIN"),
        ("ANY", "N2", "NORTH"),
        ("NORTHRIS", "ELSEWHERE", "NORTH"),
        ("EPIC", "UNKNOWN", "MAIN"),
        ("", "", "MAIN"),
    ],
)
def test_a_sender_belongs_to_the_most_exact_entry(sites: Sites, application: str, facility: str, site: str) -> None:
    assert sites.of_sender(application, facility).name == site


def test_an_exact_pair_wins_over_an_application_and_that_over_a_facility(tmp_path: Path) -> None:
    claims = {"A": "{application: X}", "B": "{facility: Y}", "C": "{application: X, facility: Z}"}
    sites = load(tmp_path, "sites:" + "".join(f"\n  {name}: {{senders: [{pair}]}}" for name, pair in claims.items()))
    found = [sites.of_sender(*pair).name for pair in (("X", "Y"), ("W", "Y"), ("X", "Z"))]
    assert found == ["A", "B", "C"]


def test_main_is_there_even_where_the_file_does_not_name_it(tmp_path: Path) -> None:
    assert load(tmp_path, "sites: {EAST: {}}").of_sender("A", "B").name == "MAIN"


def test_a_time_is_in_its_sites_zone(sites: Sites) -> None:
    naive = at("2026-01-15T12:00")
    assert sites["MAIN"].localize(naive) == datetime(2026, 1, 15, 11, tzinfo=UTC)
    assert sites["NORTH"].localize(naive) == datetime(2026, 1, 15, 17, tzinfo=UTC)


def test_the_hour_that_comes_twice_is_the_first_and_the_one_that_never_comes_moves_on(sites: Sites) -> None:
    assert sites["MAIN"].localize(at("2026-10-25T02:30")) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    skipped = sites["MAIN"].localize(at("2026-03-29T02:30"))
    assert (skipped.hour, skipped.minute, skipped.utcoffset()) == (3, 30, timedelta(hours=2))


def test_a_time_with_an_offset_is_not_the_sites_business(sites: Sites) -> None:
    with pytest.raises(ValueError, match="has an offset already"):
        sites["MAIN"].localize(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "must be one mapping 'sites'"),
        ("sites: []", "must be one mapping 'sites'"),
        ("{sites: {A: {}}, more: 1}", "must be one mapping 'sites'"),
        ("sites: {A: {time_zone: Europe/Berln}}", "sites.A.time_zone: there is no time zone 'Europe/Berln'"),
        ("sites: {A: {timezone: UTC}}", "sites.A.timezone: Extra inputs are not permitted"),
        ("sites: {A: 4}", "sites.A"),
        ("sites: {NO: {}}", "sites.False.name: Input should be a valid string"),
        ("sites: {'A B': {}}", "sites.A B.name: String should match pattern"),
        ("sites: {A: {issuers: {doctor: X}}}", "sites.A.issuers.doctor: Extra inputs are not permitted"),
        ("sites: {A: {accession: [ORC3]}}", "sites.A.accession.0: String should match pattern"),
        (
            "sites: {A: {senders: [{application: X}]}, B: {senders: [{application: X}]}}",
            "sender X/* is claimed by A and B",
        ),
        ("sites: {A: {", "while parsing a flow"),
    ],
)
def test_what_does_not_fit_is_named_with_file_and_place(tmp_path: Path, text: str, reason: str) -> None:
    told = refused(tmp_path, text)
    assert told.startswith("FJ_SITES /sites.yaml: ")
    assert reason in told


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"FJ_SITES .*/none\.yaml: .*No such file"):
        Sites.load(tmp_path / "none.yaml")
