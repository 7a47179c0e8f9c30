"""Which matches rested on two patients' being one."""

from dataclasses import replace
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from fj_events import Identifier, MatchRule, PatientPhi, Sex
from storage_service.domain.keys import OrderKeys, StudyKeys
from storage_service.domain.parting import Parted, rested

from services.storage.tests.unit.test_matching import an_order

ADA = PatientPhi(family_name="Lovett", given_name="Ada", sex=Sex.FEMALE)
BEN = PatientPhi(family_name="Oka", given_name="Ben", sex=Sex.MALE)
ADAS, BENS, SOMEBODYS = uuid4(), uuid4(), uuid4()
PARTED = Parted(frozenset({ADAS, BENS}), (ADA, BEN))
NUMBER = Identifier(value="A1", issuer="MAIN")
OF_BEN = StudyKeys("1.2.3", NUMBER, frozenset({BENS}), ("CT",), date(2026, 3, 2), patient=BEN)


def of(who: PatientPhi, **changed: Any) -> OrderKeys:
    whose = {ADA.family_name: ADAS, BEN.family_name: BENS}[who.family_name]
    return an_order(whose=whose, named=(who,), accession_number=NUMBER, **changed)


@pytest.mark.parametrize("rule", [MatchRule.STEP, MatchRule.PATIENT])
def test_a_rule_that_looks_for_the_patient_finds_no_order_of_the_other_one(rule: MatchRule) -> None:
    assert rested(rule, OF_BEN, of(ADA), (), PARTED)
    assert not rested(rule, OF_BEN, of(BEN), (), PARTED)
    gone_with_its_visit = an_order(whose=SOMEBODYS)
    assert not rested(rule, OF_BEN, gone_with_its_visit, (), PARTED)


@pytest.mark.parametrize("rule", [MatchRule.STUDY_UID, MatchRule.ACCESSION])
@pytest.mark.parametrize(
    ("changed", "doubted"),
    [
        ({}, True),
        ({"patient": ADA}, False),
        ({"patient": PatientPhi(family_name="Unknown"), "patient_ids": frozenset({ADAS})}, False),
        ({"patient": PatientPhi(family_name="Third", given_name="Cleo", sex=Sex.FEMALE)}, False),
        ({"patient_ids": frozenset({ADAS})}, True),
        ({"patient_ids": frozenset()}, True),
        ({"patient_ids": frozenset({SOMEBODYS})}, True),
    ],
)
def test_a_number_is_doubted_where_only_a_name_of_the_other_one_had_agreed(
    rule: MatchRule, changed: dict[str, Any], *, doubted: bool
) -> None:
    study = replace(OF_BEN, **changed)
    assert rested(rule, study, of(ADA, study_instance_uid="1.2.3"), (), PARTED) is doubted


def test_of_orders_of_both_with_one_number_the_images_name_whose_it_is() -> None:
    study = replace(OF_BEN, patient=PatientPhi())
    adas, bens = of(ADA), of(BEN)
    assert rested(MatchRule.ACCESSION, study, adas, [adas, bens], PARTED)
    assert not rested(MatchRule.ACCESSION, study, bens, [adas, bens], PARTED)
    assert not rested(
        MatchRule.ACCESSION,
        study,
        adas,
        [adas, replace(bens, accession_number=Identifier(value="A2", issuer="MAIN"))],
        PARTED,
    )


def test_a_name_that_was_corrected_since_is_no_matter_of_the_merge() -> None:
    corrected = replace(of(ADA), named=(PatientPhi(family_name="Third", sex=Sex.FEMALE),))
    assert not rested(
        MatchRule.ACCESSION, replace(OF_BEN, patient=PatientPhi(family_name="Fourth")), corrected, (), PARTED
    )
