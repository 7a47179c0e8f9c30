"""Which instances go while their study stays."""

from datetime import UTC, date, datetime, timedelta

import pytest
from fj_events import ObjectRef
from storage_service.domain.manifest import Entry
from storage_service.domain.retention import RejectedRule, Span
from storage_service.domain.thinning import Held, Said, Sentence, plan, removed_of

RULE = RejectedRule("expired", frozenset({"113039", "113001"}), Span(days=10), timedelta(days=30))
REJECTED = datetime(2026, 1, 1, tzinfo=UTC)
NOW = Sentence(RULE, datetime(2026, 2, 1, tzinfo=UTC), date(2026, 3, 1))


def an_entry(uid: str, place: int, revision: int = 0) -> Entry:
    return Entry(uid, "1.2.840", "1.2.3", place, 16, 16, 1, 512 * place, 400, 100, bytes(32), revision)


def a_pack(key: int, *entries: Entry) -> tuple[int, ObjectRef, list[Held]]:
    stored = ObjectRef(bucket="b", key=f"packs/{key}.tar", size=9999, sha256="0" * 64)
    return key, stored, [Held(1, "1.5", entries)]


def said(series: str, instance: str, code: str = "113039", at: datetime = REJECTED) -> Said:
    return Said(series, instance, "note", code, at)


PACKS = [a_pack(1, an_entry("1.5.1", 1), an_entry("1.5.2", 2)), a_pack(2, an_entry("1.5.3", 1))]


@pytest.mark.parametrize(
    ("rejections", "gone"),
    [
        ([said("1.5", "1.5.1")], {"1.5.1"}),
        ([said("1.5", "1.5.1"), said("1.5", "1.5.3", "113001")], {"1.5.1", "1.5.3"}),
        ([said("1.5", "")], {"1.5.1", "1.5.2", "1.5.3"}),
        ([said("1.6", "")], set()),
        ([said("1.5", "1.5.1"), said("", "", "113037")], set()),
        ([said("1.5", "1.5.1", at=NOW.by + timedelta(seconds=1))], set()),
        ([said("1.5", "1.5.1"), said("1.5", "1.5.1", at=NOW.by + timedelta(seconds=1))], {"1.5.1"}),
        ([], set()),
    ],
)
def test_what_goes_is_rejected_for_the_reasons_of_the_rule_alone(rejections: list[Said], gone: set[str]) -> None:
    found = plan(PACKS, rejections, NOW)
    assert {entry.sop_instance_uid for one in found for held in one.gone for entry in held.entries} == gone
    kept = {entry.sop_instance_uid for one in found for held in one.kept for entry in held.entries}
    assert kept.isdisjoint(gone)


def test_a_rejection_that_is_not_old_enough_removes_nothing_yet() -> None:
    early = Sentence(RULE, NOW.by, date(2026, 1, 10))
    assert plan(PACKS, [said("", "")], early) == []
    assert plan(PACKS, [said("", "")], Sentence(RULE, NOW.by, date(2026, 1, 11)))


def test_under_whose_uid_other_bytes_came_is_kept_in_all_packs() -> None:
    disputed = [*PACKS, a_pack(3, an_entry("1.5.1", 1, revision=1))]
    found = plan(disputed, [said("1.5", "")], NOW)
    assert [(one.pack_key, sorted(one.offsets)) for one in found] == [(1, [512]), (2, [])]
    assert [entry.sop_instance_uid for held in found[0].kept for entry in held.entries] == ["1.5.1"]
    removed = removed_of(found)
    assert (len(removed.instances), removed.number_of_packs, removed.bytes) == (2, 2, 800)
