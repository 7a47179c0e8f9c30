"""How likely two records are of one person, and which are compared at all."""

import itertools
from datetime import date
from typing import Any

import pytest
from fj_events import Address, PatientPhi, Sex
from hypothesis import given
from hypothesis import strategies as st
from patient_service.domain.blocking import keys
from patient_service.domain.matching import OUTCOMES, Grade, compare, share
from patient_service.domain.names import distance, fold, is_close, spellings
from patient_service.settings import load_rules
from pydantic import ValidationError

RULES = load_rules(None)
ADA: dict[str, Any] = {
    "family_name": "Müller",
    "given_name": "William",
    "birth_date": date(1970, 4, 12),
    "sex": Sex.MALE,
    "address": Address(line="High Street 1", postal_code="89073"),
    "phone": "+49 731 1234567",
}


def a_record(**said: Any) -> PatientPhi:
    return PatientPhi(**{**ADA, **said})


def outcomes(**said: Any) -> dict[str, str]:
    return {each.item: each.outcome for each in compare(a_record(), a_record(**said), RULES).outcomes}


@pytest.mark.parametrize(
    ("item", "expected", "said"),
    [
        ("family name", "same", {"family_name": "MULLER"}),
        ("family name", "same", {"family_name": "Mueller"}),
        ("family name", "close", {"family_name": "Möller"}),
        ("family name", "close", {"family_name": "Müller-Lüdenscheidt"}),
        ("family name", "different", {"family_name": "Schmidt"}),
        ("family name", "swapped", {"family_name": "William", "given_name": "Müller"}),
        ("given name", "swapped", {"family_name": "William", "given_name": "Müller"}),
        ("given name", "nickname", {"given_name": "Bill"}),
        ("given name", "initial", {"given_name": "W."}),
        ("given name", "close", {"given_name": "Wiliam"}),
        ("given name", "close", {"given_name": "William John"}),
        ("given name", "different", {"given_name": "Anna"}),
        ("birth date", "transposed", {"birth_date": date(1970, 4, 21)}),
        ("birth date", "transposed", {"birth_date": date(1970, 12, 4)}),
        ("birth date", "transposed", {"birth_date": date(1907, 4, 12)}),
        ("birth date", "one digit", {"birth_date": date(1979, 4, 12)}),
        ("birth date", "different", {"birth_date": date(1985, 4, 13)}),
        ("sex", "different", {"sex": Sex.FEMALE}),
        ("postal code", "same", {"address": Address(postal_code="89 073")}),
        ("street", "close", {"address": Address(line="Hihg Street 1")}),
        ("phone", "same", {"phone": "(0731) 123-4567"}),
    ],
)
def test_what_comparing_an_item_shows(item: str, expected: str, said: dict[str, Any]) -> None:
    assert outcomes(**said)[item] == expected


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("family name", {"family_name": None}),
        ("family name", {"family_name": "UNKNOWN"}),
        ("given name", {"given_name": "Male"}),
        ("birth date", {"birth_date": None}),
        ("sex", {"sex": Sex.OTHER}),
        ("phone", {"phone": ""}),
        ("ideographic name", {}),
    ],
)
def test_what_one_of_them_leaves_out_weighs_nothing(item: str, said: dict[str, Any]) -> None:
    assert item not in outcomes(**said)


def test_ideographs_are_compared_whatever_the_letters_say() -> None:
    one, other = a_record(ideographic_name="山田^太郎"), a_record(ideographic_name="山田^太郎", family_name="Yamada")
    assert "ideographic name same" in compare(one, other, RULES).reasons


@pytest.mark.parametrize(
    ("grade", "said"),
    [
        (Grade.CERTAIN, {}),
        (Grade.CERTAIN, {"given_name": "Bill"}),
        (Grade.CERTAIN, {"address": None}),
        (Grade.PROBABLE, {"address": None, "phone": None}),
        (Grade.PROBABLE, {"address": None, "phone": None, "birth_date": date(1970, 4, 21)}),
        (Grade.PROBABLE, {"address": None, "phone": None, "family_name": "William", "given_name": "Müller"}),
        (Grade.PROBABLE, {"given_name": "Werner"}),  # a twin
        (Grade.PROBABLE, {"sex": Sex.FEMALE, "given_name": "Wilma"}),  # a twin
        (Grade.PROBABLE, {"family_name": "Married", "address": None}),
        (Grade.NONE, {"address": None, "phone": None, "birth_date": None}),  # a namesake
        (Grade.NONE, {"address": None, "phone": None, "given_name": "Anna", "family_name": "Schmidt"}),
        (Grade.NONE, {"birth_date": date(1999, 1, 1), "given_name": "Anna", "sex": Sex.FEMALE, "address": None}),
    ],
)
def test_what_follows_from_a_pair(grade: Grade, said: dict[str, Any]) -> None:
    assert compare(a_record(), a_record(**said), RULES).grade is grade


def test_placeholders_of_two_emergencies_are_not_one_person() -> None:
    one = PatientPhi(family_name="Unknown", given_name="Male", sex=Sex.MALE)
    assert compare(one, one, RULES).grade is Grade.NONE


NAMES = st.sampled_from([None, "Müller", "Mueller", "Moller", "William", "Bill", "W", "Unknown", "De la Cruz", "Cruz"])
DATES = st.sampled_from([None, date(1970, 4, 12), date(1970, 12, 4), date(1970, 4, 21), date(1971, 4, 12)])
RECORDS = st.builds(
    PatientPhi,
    family_name=NAMES,
    given_name=NAMES,
    birth_date=DATES,
    sex=st.sampled_from([None, *Sex]),
    phone=st.sampled_from([None, "1234567", "0731 1234567", "9"]),
    address=st.one_of(st.none(), st.builds(Address, line=NAMES, postal_code=st.sampled_from([None, "89073", "1"]))),
    ideographic_name=st.sampled_from([None, "山田^太郎", "山田^花子"]),
)


@given(RECORDS, RECORDS)
def test_which_record_is_which_does_not_matter(one: PatientPhi, other: PatientPhi) -> None:
    assert compare(one, other, RULES) == compare(other, one, RULES)


@given(RECORDS, RECORDS)
def test_nobody_agrees_more_with_a_record_than_it_does_itself(one: PatientPhi, other: PatientPhi) -> None:
    assert compare(one, other, RULES).score <= compare(one, one, RULES).score + 0.001
    assert 0 <= share(compare(one, other, RULES).score, RULES) <= 1


SLIPS: list[dict[str, Any]] = [
    {"family_name": "Moeller"},
    {"family_name": "Nuller"},
    {"family_name": "Married"},
    {"family_name": None},
    {"given_name": "Bill"},
    {"given_name": "Qilliam"},
    {"family_name": "William", "given_name": "Müller"},
    {"birth_date": date(1970, 12, 4)},
    {"birth_date": date(1979, 4, 12)},
    {"birth_date": None},
    {"sex": Sex.FEMALE},
    {"address": None},
    {"address": Address(line="Low Street 2", postal_code="1")},
    {"phone": None},
    {"phone": "99999999"},
]


@pytest.mark.parametrize("slips", list(itertools.combinations(SLIPS, 2)))
def test_whoever_may_be_one_person_after_two_slips_still_shares_a_key(slips: tuple[dict[str, Any], ...]) -> None:
    one, other = (
        a_record(),
        a_record(**slips[0], **{name: slip for name, slip in slips[1].items() if name not in slips[0]}),
    )
    if compare(one, other, RULES).grade is not Grade.NONE:
        assert keys(one) & keys(other)
    assert keys(a_record()) & keys(a_record(**slips[1]))


def test_an_outcome_that_agrees_weighs_more_than_one_that_does_not() -> None:
    for item, known in OUTCOMES.items():
        weights = [RULES.items[item][outcome].weight for outcome in known]
        assert max(weights) == RULES.items[item]["same"].weight
        assert min(weights) == RULES.items[item]["different"].weight < 0


def test_settings_that_are_not_whole_are_refused() -> None:
    whole = RULES.model_dump()
    for broken in (
        {**whole, "items": {name: odds for name, odds in whole["items"].items() if name != "sex"}},
        {**whole, "review": whole["certain"] + 1},
        {**whole, "weights": {}},
    ):
        with pytest.raises(ValidationError):
            type(RULES).model_validate(broken)


def test_names_are_compared_without_accents_case_and_signs() -> None:
    assert fold("  O'Néill-Şmith ") == "o neill smith"
    assert spellings("Ärztin") == {"arztin", "aerztin"}
    assert distance("smith", "smtih") == 1
    assert not is_close("li", "lu")
