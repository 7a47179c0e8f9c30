"""Who may be the person that a client describes, and how sure that is."""

from dataclasses import replace
from datetime import date
from uuid import UUID

from fj_events import Identifier, PatientPhi, Sex, Source
from patient_service.domain.candidate import candidates, certain
from patient_service.domain.matching import Grade
from patient_service.domain.patient import Patient
from patient_service.settings import load_rules

RULES = load_rules(None)
NATIONAL = Identifier(value="N1", issuer="NATIONAL")
ADA = PatientPhi(
    id=Identifier(value="P1", issuer="GENERAL"),
    other_ids=(NATIONAL,),
    family_name="Quistgaard",
    given_name="Ada",
    birth_date=date(1970, 4, 12),
    sex=Sex.FEMALE,
    phone="+49 731 1234567",
)


def a_patient(number: int, **said: object) -> Patient:
    details = ADA.model_copy(update={"id": Identifier(value=f"P{number}", issuer="GENERAL"), **said})
    return Patient(patient_id=UUID(int=number), site="MAIN", provisional=False, source=Source.HL7, details=details)


def test_a_number_proves_it_unless_something_else_leaves_a_doubt() -> None:
    asked = PatientPhi(other_ids=(NATIONAL,), family_name="Quistgaard")
    [found] = candidates(asked, [a_patient(1)], RULES)
    assert (found.grade, found.score) == (Grade.CERTAIN, 1.0)
    [found] = candidates(asked.model_copy(update={"birth_date": date(1999, 1, 1)}), [a_patient(1)], RULES)
    assert found.grade is Grade.PROBABLE
    assert 0 < found.score < 1


def test_a_number_that_was_merged_away_proves_it_too() -> None:
    survivor = replace(a_patient(1), merged_ids=(Identifier(value="OLD", issuer="GENERAL"),))
    [found] = candidates(PatientPhi(other_ids=(Identifier(value="OLD", issuer="GENERAL"),)), [survivor], RULES)
    assert found.grade is Grade.CERTAIN


def test_without_a_number_the_matcher_decides_and_the_likeliest_comes_first() -> None:
    asked = ADA.model_copy(update={"id": None, "other_ids": ()})
    near = a_patient(2, given_name="Adelheid", other_ids=())
    stranger = a_patient(3, family_name="Zoller", birth_date=date(1985, 1, 1), phone=None, other_ids=())
    found = candidates(asked, [stranger, near, a_patient(1)], RULES)
    assert [each.patient.patient_id.int for each in found] == [1, 2]
    assert [each.grade for each in found] == [Grade.CERTAIN, Grade.PROBABLE]
    assert found[0].score > found[1].score


def test_of_several_without_a_doubt_none_is_certain() -> None:
    found = candidates(ADA, [a_patient(1), a_patient(2)], RULES)
    assert [each.grade for each in found] == [Grade.CERTAIN, Grade.CERTAIN]
    assert certain(found) == []
    assert certain(found[:1]) == found[:1]
