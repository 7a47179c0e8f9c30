"""What the rules say of a study."""

from pathlib import Path
from typing import Any

import pytest
from fj_events import Priority
from fj_runtime import SettingsError
from triage_service.adapters.rules import load_rules
from triage_service.domain.rules import Rule, Subject, When, judge


def a_rule(priority: Priority = Priority.URGENT, **when: Any) -> Rule:
    return Rule(name="a-rule", when=When(**when), priority=priority, reason="because")


def a_study(**known: Any) -> Subject:
    return Subject(study_instance_uid="1.2", site="MAIN", **known)


@pytest.mark.parametrize(
    ("when", "study", "fits"),
    [
        ({}, {}, True),
        ({"site": ["main"]}, {}, True),
        ({"site": ["NORTH"]}, {}, False),
        ({"modality": ["CT"]}, {"modalities": frozenset({"CT", "SR"})}, True),
        ({"modality": ["CT"]}, {"ordered_modality": "CT"}, True),
        ({"modality": ["CT"]}, {"modalities": frozenset({"MR"})}, False),
        ({"procedure_code": ["CTHEAD"]}, {"procedure_code": "ctHead"}, True),
        ({"procedure_code": ["CTHEAD"]}, {}, False),
        ({"text_contains": ["stroke"]}, {"procedure_text": "CT Stroke protocol"}, True),
        ({"text_contains": ["stroke"]}, {"description": "Stroke CT"}, True),
        ({"text_contains": ["stroke"]}, {"description": "chest"}, False),
        ({"modality": ["CT"], "text_contains": ["stroke"]}, {"ordered_modality": "CT", "description": "chest"}, False),
    ],
)
def test_a_rule_fits_when_all_that_it_asks_is_so(when: dict[str, Any], study: dict[str, Any], fits: bool) -> None:
    assert (judge(a_study(**study), [a_rule(**when)]) is not None) is fits


def test_a_stat_order_is_read_first_and_the_reason_is_the_order() -> None:
    verdict = judge(a_study(ordered_priority=Priority.STAT), [a_rule(Priority.STAT)])
    assert verdict is not None
    assert (verdict.priority, verdict.rule, verdict.reason) == (Priority.STAT, "order-priority", "the order is STAT")


def test_the_most_urgent_rule_counts() -> None:
    verdict = judge(
        a_study(ordered_priority=Priority.ROUTINE), [a_rule(), a_rule(Priority.STAT), a_rule(Priority.ASAP)]
    )
    assert verdict is not None
    assert verdict.priority is Priority.STAT


@pytest.mark.parametrize("now", [Priority.URGENT, Priority.STAT])
def test_a_priority_is_only_ever_raised(now: Priority) -> None:
    assert judge(a_study(priority=now), [a_rule(Priority.URGENT)]) is None


def test_a_routine_order_and_no_rule_raise_nothing() -> None:
    assert judge(a_study(ordered_priority=Priority.ROUTINE), []) is None


def test_the_rules_that_come_with_the_service_can_be_read() -> None:
    assert {rule.name for rule in load_rules(None)} >= {"head-ct-for-stroke"}


@pytest.mark.parametrize("text", ["rules: [{name: x}]", "rules: 5", ": :", "rule: []"])
def test_a_wrong_rule_file_is_refused_at_start(tmp_path: Path, text: str) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError, match="TRIAGE_RULES"):
        load_rules(file)
