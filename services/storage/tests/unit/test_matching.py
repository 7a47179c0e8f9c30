"""Which order a study belongs to, and what is said when there is none."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from fj_events import Identifier, MatchRule
from storage_service.domain.keys import OrderKeys, StudyKeys
from storage_service.domain.matching import Match, NoMatch, match

DAY = date(2026, 3, 2)
WINDOW = timedelta(days=1)
PATIENT = uuid4()
STUDY = StudyKeys("1.2.3", Identifier(value="A1", issuer="MAIN"), frozenset({PATIENT}), ("CT",), DAY)
BARE = replace(STUDY, accession_number=None)


def an_order(**changed: Any) -> OrderKeys:
    order = OrderKeys(
        order_id=uuid4(),
        patient_id=PATIENT,
        whose=PATIENT,
        accession_number=Identifier(value="A9", issuer="MAIN"),
        study_instance_uid="1.2.9",
        modalities=("CT",),
        day=DAY,
        placed_at=datetime(2026, 3, 1, tzinfo=UTC),
        open=True,
    )
    return replace(order, **changed)


def matched(study: StudyKeys, *orders: OrderKeys, complete: bool = True) -> tuple[UUID, MatchRule]:
    found = match(study, orders, complete=complete, window=WINDOW)
    assert isinstance(found, Match)
    return found.order.order_id, found.matched_by


def refused(study: StudyKeys, *orders: OrderKeys, complete: bool = True) -> str:
    found = match(study, orders, complete=complete, window=WINDOW)
    assert isinstance(found, NoMatch)
    return found.reason


def test_the_study_uid_is_stronger_than_the_accession_number() -> None:
    by_uid, by_accession = an_order(study_instance_uid="1.2.3"), an_order(accession_number=STUDY.accession_number)
    assert matched(STUDY, by_accession, by_uid) == (by_uid.order_id, MatchRule.STUDY_UID)
    assert matched(STUDY, by_accession) == (by_accession.order_id, MatchRule.ACCESSION)


def test_uid_and_accession_number_decide_before_the_study_is_complete_and_for_orders_that_are_closed() -> None:
    cancelled = an_order(study_instance_uid="1.2.3", open=False, whose=uuid4())
    assert matched(STUDY, cancelled, complete=False) == (cancelled.order_id, MatchRule.STUDY_UID)


def test_of_orders_that_share_a_study_the_one_with_its_accession_number_then_the_open_then_the_first() -> None:
    uid: dict[str, Any] = {"study_instance_uid": "1.2.3"}
    first, later = an_order(**uid), an_order(**uid, placed_at=datetime(2026, 3, 2, tzinfo=UTC))
    closed = an_order(**uid, open=False, placed_at=datetime(2026, 2, 1, tzinfo=UTC))
    same = an_order(**uid, accession_number=STUDY.accession_number, placed_at=datetime(2026, 3, 3, tzinfo=UTC))
    assert matched(STUDY, closed, later, first)[0] == first.order_id
    assert matched(STUDY, closed, later, first, same)[0] == same.order_id


def test_the_accession_number_of_another_issuer_is_another_number() -> None:
    foreign = an_order(accession_number=Identifier(value="A1", issuer="OTHER"))
    assert refused(STUDY, foreign) == "no order has this Study Instance UID or the accession number A1^MAIN"


def test_the_only_open_order_of_the_patient_decides_for_bare_images() -> None:
    order = an_order()
    assert matched(BARE, order) == (order.order_id, MatchRule.PATIENT)
    assert refused(BARE, order, complete=False) == "the study is still arriving"


@pytest.mark.parametrize(
    ("orders", "reason"),
    [
        ([], "no open CT order of this patient within 1 d"),
        ([{"open": False}], "no open CT order"),
        ([{"whose": uuid4()}], "no open CT order"),
        ([{"modalities": ("MR",)}], "no open CT order"),
        ([{"day": DAY - timedelta(days=2)}], "no open CT order"),
        ([{}, {}], "more than one (2) open CT order"),
        ([{}, {"modalities": ()}], "more than one (2) open CT order"),
        ([{"modalities": ()}], "the modality of the only open CT order of this patient within 1 d is not known"),
    ],
)
def test_the_patient_alone_does_not_decide(orders: list[dict[str, Any]], reason: str) -> None:
    assert reason in refused(BARE, *(an_order(**changed) for changed in orders))


def test_images_with_an_unknown_accession_number_are_never_matched_by_their_patient() -> None:
    assert "the accession number A1^MAIN" in refused(STUDY, an_order())


def test_images_of_nobody_match_nothing() -> None:
    assert "no patient number" in refused(replace(BARE, patient_ids=frozenset()), an_order())
