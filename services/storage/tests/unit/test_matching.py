"""Which order a study belongs to, and what is said when there is none."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from fj_events import Identifier, MatchRule, PatientPhi, Sex
from storage_service.domain.keys import OrderKeys, StudyKeys
from storage_service.domain.matching import Match, NoMatch, confirmed_patient, match

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


def test_an_order_may_be_on_its_way_where_the_images_carry_a_number_that_none_has() -> None:
    ada, ben = PatientPhi(family_name="Lovett", given_name="Ada"), PatientPhi(family_name="Oka", given_name="Ben")
    of_ben = an_order(accession_number=STUDY.accession_number, named=(ben,))
    for study, orders, to_come in (
        (STUDY, [], True),
        (STUDY, [an_order(accession_number=Identifier(value="A1", issuer="OTHER"))], True),
        (replace(STUDY, patient=ada), [of_ben], False),
        (BARE, [], False),
    ):
        found = match(study, orders, complete=False, window=WINDOW)
        assert isinstance(found, NoMatch)
        assert found.order_to_come is to_come


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


def test_of_orders_for_two_patients_the_one_whom_the_images_name() -> None:
    shared: dict[str, Any] = {"accession_number": STUDY.accession_number}
    ada, ben = PatientPhi(family_name="Lovett", given_name="Ada"), PatientPhi(family_name="Oka", given_name="Ben")
    theirs, other = an_order(**shared), an_order(**shared, whose=uuid4(), placed_at=datetime(2026, 2, 1, tzinfo=UTC))
    assert matched(STUDY, other, theirs)[0] == theirs.order_id
    stranger = replace(STUDY, patient_ids=frozenset(), patient=ada)
    named = replace(theirs, named=(ada,))
    assert matched(stranger, other, named)[0] == named.order_id
    nameless = replace(STUDY, patient_ids=frozenset())
    assert matched(nameless, replace(other, ended=True), theirs)[0] == theirs.order_id
    assert "do not say whose they are" in refused(nameless, other, theirs)
    assert matched(nameless, replace(other, whose=PATIENT), theirs)[0] == other.order_id
    assert "another name" in refused(stranger, replace(other, named=(ben,)), replace(theirs, named=(ben,)))


@pytest.mark.parametrize(
    ("shown", "doubt"),
    [
        (PatientPhi(family_name="Lovett", given_name="Ada", sex=Sex.FEMALE), ()),
        (PatientPhi(family_name="Lovet", given_name="A"), ()),
        (PatientPhi(family_name="Unknown"), ()),
        (PatientPhi(family_name="Oka", given_name="Ben", sex=Sex.MALE), ("name", "sex")),
        (PatientPhi(family_name="Lovett", given_name="Ada", sex=Sex.MALE), ("sex",)),
    ],
)
def test_images_without_an_order_are_of_whom_their_number_is_unless_they_show_somebody_else(
    shown: PatientPhi, doubt: tuple[str, ...]
) -> None:
    registered = [PatientPhi(family_name="Lovett", given_name="Ada", sex=Sex.FEMALE)]
    study, none = replace(BARE, patient=shown), NoMatch("no order")
    assert confirmed_patient(none, study, registered).contradicted_by == doubt
    assert confirmed_patient(none, replace(study, patient_confirmed=True), registered) == none
    assert confirmed_patient(none, study, []) == none


def test_a_person_who_confirmed_the_number_confirmed_it_for_an_order_of_that_patient_too() -> None:
    uid: dict[str, Any] = {"study_instance_uid": "1.2.3", "named": (PatientPhi(family_name="Lovett", sex=Sex.FEMALE),)}
    confirmed = replace(STUDY, patient=PatientPhi(family_name="Oka", sex=Sex.MALE), patient_confirmed=True)
    assert matched(confirmed, an_order(**uid))
    assert "another name" in refused(confirmed, an_order(**uid, whose=uuid4()))
