"""What has to be said instead of what images say."""

from datetime import date
from typing import Any, Final

import pytest
from fj_events import CodedConcept, Identifier, PatientPhi, Sex
from storage_service.domain.coercion import Changed, Ordered, Told, changed, combined, person_name, requested

ADA: Final = PatientPhi(
    id=Identifier(value="P1", issuer="MAIN"),
    family_name="Miller",
    given_name="Ada",
    ideographic_name="三浦^愛",
    birth_date=date(1970, 4, 1),
    sex=Sex.FEMALE,
)
TOLD: Final = Told(
    patient=ADA, accession_number=Identifier(value="A1", issuer="MAIN"), requested_procedure_id="RP1", description="CT"
)
ORDER: Final = Ordered(
    accession_number=Identifier(value="A1", issuer="MAIN"),
    requested_procedure_id="RP1",
    procedure=CodedConcept(code="CTCHEST", text="CT of the chest"),
)


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"sex": Sex.UNKNOWN},
        {"sex": None, "birth_date": None},
        {"ideographic_name": None},
        {"id": None},
        {"address": None, "phone": "+49 30 1"},
    ],
)
def test_what_is_not_known_better_stays(known: dict[str, Any]) -> None:
    assert changed([TOLD], ADA.model_copy(update=known), ORDER, orderless=False) == Changed()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("family_name", "Meier"),
        ("sex", Sex.OTHER),
        ("birth_date", date(1971, 4, 1)),
        ("id", Identifier(value="P1", issuer="NORTH")),
        ("ideographic_name", "三浦^藍"),
    ],
)
def test_what_is_known_otherwise_is_said(field: str, value: object) -> None:
    found = changed([TOLD], ADA.model_copy(update={field: value}), ORDER, orderless=False)
    assert found.patient is not None
    assert getattr(found.patient, field) == value
    assert found.order is None


def test_a_name_in_another_script_stays_while_it_is_the_same_in_letters_and_goes_with_another() -> None:
    corrected = ADA.model_copy(update={"ideographic_name": None, "birth_date": date(1971, 4, 1)})
    found = changed([TOLD], corrected, None, orderless=False).patient
    assert found is not None
    assert person_name(found) == "Miller^Ada=三浦^愛"
    found = changed([TOLD], corrected.model_copy(update={"given_name": "Eve"}), None, orderless=False).patient
    assert found is not None
    assert person_name(found) == "Miller^Eve"


def test_one_image_that_says_otherwise_is_enough() -> None:
    other = TOLD.model_copy(update={"patient": ADA.model_copy(update={"family_name": "Typo"})})
    assert changed([TOLD, other], ADA, ORDER, orderless=False).patient == ADA


def test_the_words_of_the_device_stay_with_the_order_that_it_had_and_go_with_another() -> None:
    assert changed([TOLD], None, ORDER, orderless=False).order is None
    for moved in (
        ORDER.model_copy(update={"accession_number": Identifier(value="A2", issuer="MAIN")}),
        ORDER.model_copy(update={"requested_procedure_id": "RP2"}),
    ):
        found = changed([TOLD], None, moved, orderless=False)
        assert found.order == moved
        assert combined([TOLD], found).description == "CT of the chest"
        assert combined([TOLD], found).procedure_codes == (
            CodedConcept(code="CTCHEST", text="CT of the chest", system="L"),
        )
    taken_off = changed([TOLD], None, None, orderless=True)
    assert combined([TOLD], taken_off).accession_number is None


def test_what_was_asked_for_is_what_the_order_says_and_without_one_what_images_say() -> None:
    of_order = (CodedConcept(code="CTCHEST", text="CT of the chest", system="L"),)
    of_images = (CodedConcept(code="C1", text="Chest", system="99X"),)
    told = [TOLD, TOLD.model_copy(update={"requested_procedure_codes": of_images})]
    assert requested(told, Changed(), ORDER) == of_order
    assert requested(told, Changed(), None) == of_images
    assert requested([TOLD], Changed(), None) == ()
    assert requested(told, Changed(without_order=True), None) == ()
