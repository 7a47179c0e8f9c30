"""How long studies are kept, by the rules of FJ_LIFECYCLE."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fj_events import ObjectRef
from storage_service.adapters.lifecycle import BadLifecycle, load_lifecycle, load_tiers
from storage_service.domain.retention import Lifecycle, Retained, years_after
from storage_service.domain.tiering import Movable

TODAY = date(2026, 3, 2)


def load(folder: Path, rules: str) -> Lifecycle:
    file = folder / "lifecycle.yaml"
    file.write_text(rules)
    return load_lifecycle(file)


def a_study(**changed: Any) -> Retained:
    fields: dict[str, Any] = {
        "study_instance_uid": "1.2",
        "site": "NORTH",
        "modalities": ("CT", "SR"),
        "description": "CT Chest",
        "study_date": date(2010, 3, 2),
        "received_at": datetime(2012, 3, 2, tzinfo=UTC),
        "accessed_at": None,
        "birth_date": date(1970, 4, 1),
    }
    return Retained(**fields | changed)


def test_without_a_rule_everything_is_kept(tmp_path: Path) -> None:
    for rules in (load_lifecycle(None), load(tmp_path, "")):
        assert rules.expired(a_study(study_date=date(1900, 1, 1)), TODAY) is None
        assert rules.shortest is None


@pytest.mark.parametrize(
    ("rule", "due"),
    [
        ("{name: r, keep: {years: 16}}", True),
        ("{name: r, keep: {years: 16, days: 1}}", False),
        ("{name: r, keep: {days: 5844}}", True),
        ("{name: r, keep: forever}", False),
        ("{name: r, keep: {years: 14}, since: receipt}", True),
        ("{name: r, keep: {years: 15}, since: receipt}", False),
        ("{name: r, keep: {years: 10}, when: {site: NORTH, modality: [CT, PT]}}", True),
        ("{name: r, keep: {years: 10}, when: {site: SOUTH}}", False),
        ("{name: r, keep: {years: 10}, when: {modality: MR}}", False),
        ("{name: r, keep: {years: 10}, when: {description: '*CHEST*'}}", True),
    ],
)
def test_a_rule_counts_from_what_it_says(tmp_path: Path, rule: str, due: bool) -> None:
    found = load(tmp_path, f"retention: [{rule}]").expired(a_study(), TODAY)
    assert (found is not None) is due


def test_who_was_a_minor_has_it_kept_until_long_after_coming_of_age(tmp_path: Path) -> None:
    rules = load(tmp_path, "retention: [{name: r, keep: {years: 10}, minors: {majority: 18, keep: {years: 10}}}]")
    child = a_study(birth_date=date(2005, 3, 3))
    assert rules.expired(child, date(2033, 3, 2)) is None
    assert rules.expired(child, date(2033, 3, 3)) is not None
    assert rules.expired(a_study(birth_date=date(1992, 3, 2)), date(2020, 3, 2)) is not None, "of age on that day"
    assert rules.expired(a_study(birth_date=None), date(2038, 3, 1)) is None, "it may have been a newborn"


def test_a_look_at_a_study_keeps_it_where_the_rule_counts_from_that(tmp_path: Path) -> None:
    rules = load(tmp_path, "retention: [{name: r, keep: {years: 5}, since: access}]")
    assert rules.expired(a_study(), TODAY) is not None
    assert rules.expired(a_study(accessed_at=datetime(2025, 1, 1, tzinfo=UTC)), TODAY) is None


def test_of_several_rules_the_one_that_keeps_longest_decides(tmp_path: Path) -> None:
    ct = "{name: ct, when: {modality: CT}, keep: {years: 15}, grace: {days: 7}}"
    rules = load(tmp_path, f"retention: [{{name: all, keep: {{years: 5}}}}, {ct}]")
    assert rules.expired(a_study(study_date=date(2020, 1, 1)), TODAY) is None
    found = rules.expired(a_study(), TODAY)
    assert found is not None
    assert (found.rule, found.since, found.grace) == ("ct", date(2025, 3, 2), timedelta(days=7))
    assert found.reason == "15 years since study"
    assert rules.shortest == timedelta(days=5 * 365)
    kept = load(tmp_path, "retention: [{name: all, keep: {years: 5}}, {name: ct, when: {modality: CT}, keep: forever}]")
    assert kept.expired(a_study(), TODAY) is None


def test_what_was_rejected_goes_where_a_rule_says_so_of_every_code(tmp_path: Path) -> None:
    rules = load(tmp_path, "rejected: [{name: r, codes: ['113039', '113037'], after: {days: 10}}]")
    since = datetime(2026, 2, 20, tzinfo=UTC)
    assert rules.rejected_long_ago(a_study(), {"113039"}, since, TODAY) is not None
    assert rules.rejected_long_ago(a_study(), {"113039", "113038"}, since, TODAY) is None
    assert rules.rejected_long_ago(a_study(), {"113039"}, since + timedelta(days=1), TODAY) is None
    assert rules.rejected_long_ago(a_study(), set(), since, TODAY) is None
    assert rules.expired(a_study(), TODAY) is None


TIERS = """
tiers:
  - {name: warm, after: {days: 30}, since: access, to: {bucket: warm}}
  - {name: cold-ct, when: {modality: CT}, after: {years: 1}, to: {bucket: cold, storage_class: GLACIER_IR}}
"""


@pytest.mark.parametrize(
    ("bucket", "study", "tier"),
    [
        ("near", {}, "cold-ct"),
        ("near", {"modalities": ("MR",)}, "warm"),
        ("near", {"study_date": TODAY}, "warm"),
        ("near", {"study_date": TODAY, "accessed_at": datetime(2026, 3, 1, tzinfo=UTC)}, None),
        ("warm", {}, "cold-ct"),
        ("cold", {}, None),
        ("cold", {"study_date": TODAY}, None),
    ],
)
def test_a_pack_is_moved_to_the_farthest_tier_that_takes_it_and_never_back(
    tmp_path: Path, bucket: str, study: dict[str, Any], tier: str | None
) -> None:
    file = tmp_path / "lifecycle.yaml"
    file.write_text(TIERS)
    stored = ObjectRef(bucket=bucket, key="packs/1.tar", size=1, sha256="0" * 64)
    found = load_tiers(file).of(Movable(1, stored, a_study(**study)), TODAY)
    assert (found.name if found else None) == tier


@pytest.mark.parametrize(
    ("day", "years", "expected"),
    [
        (date(2024, 2, 29), 1, date(2025, 3, 1)),
        (date(2024, 2, 29), 4, date(2028, 2, 29)),
        (date(9990, 1, 1), 10, date.max),
    ],
)
def test_years_are_counted_by_the_calendar(day: date, years: int, expected: date) -> None:
    assert years_after(day, years) == expected


@pytest.mark.parametrize(
    ("rules", "complaint"),
    [
        ("- name: r", "FJ_LIFECYCLE"),
        ("retention: {name: r}", "a list of rules"),
        ("retention: [{keep: {years: 1}}]", "each rule has a name"),
        ("retention: [{name: r}]", "retention r: keep is missing"),
        ("retention: [{name: r, keep: {}}]", "years or days expected"),
        ("retention: [{name: r, keep: {years: ten}}]", "a whole number"),
        ("retention: [{name: r, keep: {years: -1}}]", "a whole number"),
        ("retention: [{name: r, keep: {months: 1}}]", "not months"),
        ("retention: [{name: r, keep: {years: 1}, when: {modalitty: CT}}]", "not modalitty"),
        ("retention: [{name: r, keep: {years: 1}, when: {modality: []}}]", "a text or a list of texts"),
        ("retention: [{name: r, keep: {years: 1}, since: birth}]", "since is one of"),
        ("retention: [{name: r, keep: {years: 1}, grace: {days: 0}}]", "at least one day"),
        ("retention: [{name: r, keep: {years: 1}, minors: {majority: 18}}]", "keep is missing"),
        ("retention: [{name: r, keep: forever}, {name: r, keep: forever}]", "two rules"),
        ("rejected: [{name: r, codes: ['113000'], after: {days: 1}}]", "not 113000"),
        ("removal: []", "not removal"),
        ("retention: [", "FJ_LIFECYCLE"),
    ],
)
def test_a_rule_that_does_not_fit_is_named(tmp_path: Path, rules: str, complaint: str) -> None:
    with pytest.raises(BadLifecycle, match=complaint):
        load(tmp_path, rules)


@pytest.mark.parametrize(
    ("tier", "complaint"),
    [
        ("{name: t, after: {days: 1}}", "to is missing"),
        ("{name: t, after: {days: 1}, to: cold}", "bucket, storage_class expected"),
        ("{name: t, after: {days: 1}, to: {storage_class: COLD}}", "bucket is missing"),
        ("{name: t, after: {days: 1}, to: {bucket: 7}}", "texts"),
    ],
)
def test_a_tier_that_does_not_fit_is_named(tmp_path: Path, tier: str, complaint: str) -> None:
    file = tmp_path / "lifecycle.yaml"
    file.write_text(f"tiers: [{tier}]")
    with pytest.raises(BadLifecycle, match=complaint):
        load_tiers(file)
