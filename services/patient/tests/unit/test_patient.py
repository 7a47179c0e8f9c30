"""What becomes of a patient when somebody says something new."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from fj_events import Identifier, PatientPhi, Sex, Source
from hypothesis import given
from hypothesis import strategies as st
from patient_service.domain.patient import News, Patient, announced, identifiers, mentioned, registered, renamed

KEY = UUID(int=3)
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
MAIN = Identifier(value="P1", issuer="GENERAL")
OTHER = Identifier(value="X9", issuer="NATIONAL")
Told = Callable[[Patient, News], Patient]


def news(
    minute: int = 0,
    *,
    source: Source = Source.HL7,
    other_ids: tuple[Identifier, ...] = (),
    nulls: frozenset[str] = frozenset(),
    **said: Any,
) -> News:
    details = PatientPhi(id=MAIN, other_ids=other_ids, **said)
    at = START + timedelta(minutes=minute)
    return News(patient_id=KEY, site="MAIN", source=source, details=details, at=at, nulls=nulls)


def test_the_registration_system_fills_in_a_provisional_patient() -> None:
    known = registered(news(family_name="Wrong"), provisional=True)
    patient = announced(known, news(family_name="Example", given_name="Ada", birth_date=date(1970, 4, 1)))
    assert not patient.provisional
    assert patient.details.display == "Example, Ada"
    assert patient.details.birth_date == date(1970, 4, 1)


def test_what_an_update_leaves_out_stays_and_what_it_nulls_goes() -> None:
    known = registered(news(family_name="Example", sex=Sex.FEMALE, phone="1"), provisional=False)
    patient = announced(known, news(1, family_name="Sample", nulls=frozenset({"phone"})))
    assert (patient.details.family_name, patient.details.sex, patient.details.phone) == ("Sample", Sex.FEMALE, None)


def test_a_name_is_replaced_as_a_whole() -> None:
    known = registered(news(family_name="Example", given_name="Ada", middle_name="M"), provisional=False)
    patient = announced(known, news(1, family_name="Sample", given_name="Ada"))
    assert (patient.details.display, patient.details.middle_name) == ("Sample, Ada", None)


def test_an_update_made_before_another_one_and_come_after_it_fills_in_only_what_that_left_out() -> None:
    known = announced(registered(news(0), provisional=False), news(5, family_name="New"))
    patient = announced(known, news(3, family_name="Old", phone="1"))
    assert (patient.details.family_name, patient.details.phone) == ("New", "1")


def test_what_was_deleted_is_not_brought_back_by_an_older_update_nor_by_an_order() -> None:
    known = registered(news(5, nulls=frozenset({"phone"})), provisional=False)
    assert announced(known, news(3, phone="1")).details.phone is None
    assert mentioned(known, news(9, phone="1")).details.phone is None


def test_of_one_instant_the_later_message_holds() -> None:
    known = registered(news(5, family_name="First"), provisional=False)
    assert announced(known, news(5, family_name="Second")).details.family_name == "Second"


def test_an_order_never_changes_what_the_registration_system_said() -> None:
    known = registered(news(family_name="Example"), provisional=False)
    assert mentioned(known, news(9, family_name="Typo", given_name="Ada")) == known


def test_of_a_provisional_patient_the_newest_order_is_believed_and_images_only_where_no_order_speaks() -> None:
    known = registered(news(1, source=Source.DIMSE, family_name="TYPED", sex=Sex.FEMALE), provisional=True)
    known = mentioned(known, news(0, family_name="Example", given_name="Ada"))
    known = mentioned(known, news(2, source=Source.DIMSE, family_name="TYPED AGAIN"))
    assert (known.details.display, known.details.sex) == ("Example, Ada", Sex.FEMALE)
    assert mentioned(known, news(3, family_name="Sample")).details.display == "Sample"


def test_a_new_number_takes_along_the_newer_words() -> None:
    prior = registered(news(5, family_name="New", phone="1"), provisional=False)
    known = registered(news(7, phone="2"), provisional=True)
    patient = renamed(known, prior)
    assert (patient.details.family_name, patient.details.phone, patient.provisional) == ("New", "1", False)
    known = announced(known, news(9, family_name="Newest"))
    assert renamed(known, prior).details.family_name == "Newest"


VALUES = st.sampled_from(["A", "B", None])
STATEMENTS = st.lists(
    st.tuples(st.sampled_from(["adt", "order", "images"]), VALUES, VALUES, VALUES, st.booleans()), max_size=6
)
SOURCES = {"adt": Source.HL7, "order": Source.HL7, "images": Source.DIMSE}


@given(STATEMENTS, st.randoms(use_true_random=False))
def test_the_same_words_in_any_order_give_the_same_person(statements: list[Any], random: Any) -> None:
    said: list[tuple[Told, News]] = []
    for minute, (witness, family, given_, phone, deletes) in enumerate(statements):
        nulls = frozenset({"phone"} if deletes and phone is None else ())
        names = {"family_name": family, "given_name": given_, "phone": phone}
        told: Told = announced if witness == "adt" else mentioned
        said.append((told, news(minute, source=SOURCES[witness], nulls=nulls, **names)))
    ends = []
    for _ in range(2):
        patient = registered(news(0, source=Source.DIMSE), provisional=True)
        for told, each in said:
            patient = told(patient, each)
        ends.append(patient)
        said = [*said, *random.sample(said, len(said))]
        random.shuffle(said)
    assert ends[0] == ends[1]


def test_numbers_add_up_and_are_listed_once() -> None:
    known = registered(news(other_ids=(OTHER,)), provisional=False)
    patient = announced(known, news(other_ids=(OTHER, MAIN, Identifier(value="X9", issuer="ELSEWHERE"))))
    assert identifiers(patient) == (MAIN, OTHER, Identifier(value="X9", issuer="ELSEWHERE"))


@pytest.mark.parametrize("told", [announced, mentioned])
def test_the_same_news_again_changes_nothing(told: Told) -> None:
    said = news(other_ids=(OTHER,), family_name="Example")
    known = registered(said, provisional=False)
    assert told(known, said) == known


def test_what_was_kept_before_words_were_is_the_registration_systems_unless_provisional() -> None:
    known = Patient(
        patient_id=KEY, site="MAIN", provisional=False, source=Source.HL7, details=news(family_name="Kept").details
    )
    assert mentioned(known, news(family_name="Typo")).details.family_name == "Kept"
    assert announced(known, news(family_name="Said")).details.family_name == "Said"
