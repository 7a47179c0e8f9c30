"""What images and an order say side by side, and when they show two persons."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import pytest
from fj_events import Identifier, MatchRule, PatientPhi, Sex
from storage_service.domain.agreement import Agreement, Criterion, compared, contradictions
from storage_service.domain.keys import OrderKeys, StudyKeys
from storage_service.domain.matching import Match, NoMatch, candidates, match

DAY = date(2026, 3, 2)
PATIENT = uuid4()
NUMBER = Identifier(value="A1", issuer="MAIN")
ADA = PatientPhi(
    id=Identifier(value="P1", issuer="MAIN"),
    family_name="Lovett",
    given_name="Ada",
    birth_date=date(1970, 4, 1),
    sex=Sex.FEMALE,
)
STUDY = StudyKeys("1.2.3", NUMBER, frozenset({PATIENT}), ("CT",), DAY, ADA)
OTHER_NUMBER = Identifier(value="P2", issuer="MAIN")


def an_order(**changed: Any) -> OrderKeys:
    order = OrderKeys(
        order_id=uuid4(),
        patient_id=PATIENT,
        whose=PATIENT,
        accession_number=NUMBER,
        study_instance_uid="1.2.9",
        modalities=("CT",),
        day=DAY,
        placed_at=datetime(2026, 3, 1, tzinfo=UTC),
        open=True,
        named=(ADA,),
    )
    return replace(order, **changed)


def images(**changed: Any) -> StudyKeys:
    return replace(STUDY, patient=ADA.model_copy(update=changed))


def foreign(**changed: Any) -> StudyKeys:
    """Images under another number of the same issuer."""
    return replace(images(id=OTHER_NUMBER, **changed), patient_ids=frozenset({uuid4()}))


def elsewhere(**changed: Any) -> StudyKeys:
    """Images under a number of another issuer, which nobody has linked."""
    return replace(images(id=Identifier(value="P1", issuer="SOUTH"), **changed), patient_ids=frozenset({uuid4()}))


@pytest.mark.parametrize(
    ("study", "doubts"),
    [
        (images(), ()),
        (images(family_name="LOVETT", given_name="ADA"), ()),
        (images(family_name=None, given_name=None, birth_date=None, sex=None), ()),
        (foreign(), ()),
        (images(family_name="Okafor", given_name="Ben"), ("name",)),
        (images(sex=Sex.MALE), ("sex",)),
        (images(sex=Sex.OTHER), ()),
        (images(birth_date=date(1981, 9, 30)), ("birth_date",)),
        (images(birth_date=date(1970, 1, 4)), ()),
        (images(birth_date=date(1970, 4, 11)), ()),
        (images(birth_date=date(1970, 1, 1)), ()),
        (images(family_name="Okafor", given_name="Ben", sex=Sex.MALE, birth_date=None), ("name", "sex")),
        # Near is not enough by itself: the number says it too, or the birth date where the numbers cannot be compared.
        (images(family_name="Married"), ()),
        (foreign(family_name="Married"), ("name",)),
        (elsewhere(family_name="Married"), ()),
        (elsewhere(family_name="Married", birth_date=None), ("name",)),
        # Nobody knew who that was.
        (foreign(family_name="Unknown", given_name="Female 7", birth_date=date(1900, 1, 1)), ()),
        (foreign(family_name="Unknown", given_name="Male 7", sex=Sex.MALE), ("sex",)),
    ],
)
def test_who_is_on_the_images_against_whom_the_order_is_for(study: StudyKeys, doubts: tuple[str, ...]) -> None:
    assert contradictions(study, an_order()) == doubts
    for found, rule in (
        (match(study, [an_order()], complete=False, window=DAY - DAY), MatchRule.ACCESSION),
        (match(study, [an_order(study_instance_uid="1.2.3")], complete=False, window=DAY - DAY), MatchRule.STUDY_UID),
    ):
        if doubts:
            assert isinstance(found, NoMatch)
            assert found.contradicted_by == doubts
            assert found.order_id is not None
        else:
            assert isinstance(found, Match)
            assert found.matched_by == rule


def test_an_unknown_patient_who_has_a_name_now_is_still_the_orders() -> None:
    nobody = ADA.model_copy(update={"family_name": "Unknown", "given_name": "Female 7", "birth_date": date(1900, 1, 1)})
    assert contradictions(images(), an_order(named=(nobody,))) == ()
    assert contradictions(images(), an_order(named=(nobody, ADA))) == ()
    ben = images(family_name="Okafor", given_name="Ben")
    assert contradictions(ben, an_order(named=(nobody, ADA))) == ("name",)


def test_the_sex_of_somebody_without_a_name_was_a_guess_where_the_number_says_who_it_is() -> None:
    nobody = {"family_name": "Unknown", "given_name": "Male 7", "sex": Sex.MALE}
    assert contradictions(images(**nobody), an_order()) == ()
    assert contradictions(foreign(**nobody), an_order()) == ("sex",)


def test_who_was_registered_under_a_number_that_was_merged_is_the_same_person() -> None:
    before = ADA.model_copy(update={"id": OTHER_NUMBER, "family_name": "Maiden", "given_name": "Adelheid"})
    study = replace(images(id=OTHER_NUMBER, family_name="Maiden", given_name="Adelheid"), accession_number=NUMBER)
    assert contradictions(study, an_order()) == ("name",)
    assert contradictions(study, an_order(named=(ADA, before))) == ()


def test_an_order_whose_patient_nobody_described_is_not_contradicted() -> None:
    assert contradictions(images(family_name="Okafor"), an_order(named=())) == ()


def test_of_orders_with_one_number_the_one_of_this_patient_is_taken() -> None:
    ben = PatientPhi(family_name="Okafor", given_name="Ben", sex=Sex.MALE)
    wrong = an_order(named=(ben,), whose=uuid4(), placed_at=datetime(2026, 2, 1, tzinfo=UTC))
    right = an_order()
    found = match(STUDY, [wrong, right], complete=False, window=DAY - DAY)
    assert isinstance(found, Match)
    assert found.order.order_id == right.order_id


def test_the_ids_of_the_worklist_entry_and_the_patient_match_bare_images() -> None:
    bare = replace(STUDY, accession_number=None)
    other, meant = an_order(requested_procedure_id="RP1"), an_order(requested_procedure_id="RP2", step_ids=("S2",))
    for study in (
        replace(bare, requested_procedure_ids=frozenset({"RP2"})),
        replace(bare, step_ids=frozenset({"S2"})),
    ):
        found = match(study, [other, meant], complete=False, window=DAY - DAY)
        assert isinstance(found, Match)
        assert (found.order.order_id, found.matched_by) == (meant.order_id, MatchRule.STEP)
    somebody_else = replace(bare, step_ids=frozenset({"S2"}), patient_ids=frozenset({uuid4()}))
    assert isinstance(match(somebody_else, [other, meant], complete=True, window=DAY - DAY), NoMatch)


def test_candidates_are_ranked_with_a_reason_for_each_criterion() -> None:
    bare = replace(STUDY, accession_number=Identifier(value="A7", issuer="MAIN"), station="CT1")
    best = an_order(stations=("CT1",))
    stranger = an_order(named=(PatientPhi(family_name="Okafor", given_name="Ben"),), whose=uuid4())
    later = an_order(day=date(2026, 3, 9))
    found = candidates(bare, [stranger, later, best])
    assert [one.order.order_id for one in found] == [best.order_id, later.order_id, stranger.order_id]
    said = {one.criterion: (one.agreement, one.images, one.order) for one in found[0].findings}
    assert said[Criterion.ACCESSION] == (Agreement.DIFFERS, "A7^MAIN", "A1^MAIN")
    assert said[Criterion.NAME] == (Agreement.AGREES, "Lovett, Ada", "Lovett, Ada")
    assert said[Criterion.STATION] == (Agreement.AGREES, "CT1", "CT1")
    assert said[Criterion.STEP] == (Agreement.UNKNOWN, "", "")
    assert found[0].score == sum(one.points for one in found[0].findings)


def test_the_number_of_another_issuer_is_near() -> None:
    south = replace(STUDY, accession_number=Identifier(value="A1", issuer="SOUTH"))
    said = {one.criterion: one.agreement for one in compared(south, an_order())}
    assert said[Criterion.ACCESSION] is Agreement.NEAR
