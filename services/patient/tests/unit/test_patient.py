"""What becomes of a patient when somebody says something new."""

from datetime import date
from typing import Any
from uuid import UUID

from fj_events import Identifier, PatientPhi, Sex, Source
from patient_service.domain.patient import News, announced, identifiers, mentioned, registered

KEY = UUID(int=3)
MAIN = Identifier(value="P1", issuer="GENERAL")
OTHER = Identifier(value="X9", issuer="NATIONAL")


def news(*, other_ids: tuple[Identifier, ...] = (), nulls: frozenset[str] = frozenset(), **said: Any) -> News:
    details = PatientPhi(id=MAIN, other_ids=other_ids, **said)
    return News(patient_id=KEY, site="MAIN", source=Source.HL7, details=details, nulls=nulls)


def test_the_registration_system_fills_in_a_provisional_patient() -> None:
    known = registered(news(family_name="Wrong"), provisional=True)
    patient = announced(known, news(family_name="Example", given_name="Ada", birth_date=date(1970, 4, 1)))
    assert not patient.provisional
    assert patient.details.display == "Example, Ada"
    assert patient.details.birth_date == date(1970, 4, 1)


def test_what_an_update_leaves_out_stays_and_what_it_nulls_goes() -> None:
    known = registered(news(family_name="Example", sex=Sex.FEMALE, phone="1"), provisional=False)
    patient = announced(known, news(family_name="Sample", nulls=frozenset({"phone"})))
    assert (patient.details.family_name, patient.details.sex, patient.details.phone) == ("Sample", Sex.FEMALE, None)


def test_an_order_never_changes_what_the_registration_system_said() -> None:
    known = registered(news(family_name="Example"), provisional=False)
    assert mentioned(known, news(family_name="Typo", given_name="Ada")) is known


def test_a_provisional_patient_learns_only_what_it_lacks() -> None:
    known = registered(news(family_name="Example"), provisional=True)
    patient = mentioned(known, news(family_name="Typo", given_name="Ada"))
    assert patient.provisional
    assert patient.details.display == "Example, Ada"


def test_numbers_add_up_and_are_listed_once() -> None:
    known = registered(news(other_ids=(OTHER,)), provisional=False)
    patient = announced(known, news(other_ids=(OTHER, MAIN, Identifier(value="X9", issuer="ELSEWHERE"))))
    assert identifiers(patient) == (MAIN, OTHER, Identifier(value="X9", issuer="ELSEWHERE"))


def test_the_same_news_again_changes_nothing() -> None:
    said = news(family_name="Example", other_ids=(OTHER,))
    known = registered(said, provisional=False)
    assert announced(known, said) == known
    assert mentioned(known, said) == known
