"""Places: where something stands, in the words of a profile."""

import pytest
from fj_hl7 import CX, EI, HD, Item, Message, Place, Profile
from fj_hl7.places import Constant

MESSAGE = Message.parse(
    "\r".join(
        (
            "MSH|^~\\&|EHR|NORTH|FJ|MAIN|2026||ORM^O01|C1|P|2.5",
            "PID|||77^^^PERS^PI~88^^^HOSP&1.2&ISO^MR||Example^Ada",
            "ZPI|1|before the orders",
            "ORC|NW|PL1",
            "OBR|1|||^CT chest",
            "OBX|1|CE|MOD^Modality||CT^Computed\\T\\",
            "OBX|2|CE|ACC^Accession||A7^RIS",
            'ZDS|""|1.2.3^sub&deep',
        )
    ).encode()
)
[ORDER] = MESSAGE.groups()


def text(place: str) -> str | None:
    found = Place.parse(place).find((ORDER, MESSAGE.head()))
    return found.text if found else None


@pytest.mark.parametrize(
    ("place", "stands"),
    [
        ("ORC-2", "PL1"),
        ("OBX-5.1", "CT"),
        ("OBX[3=ACC]-5", "A7"),
        ("OBX[3.2=Accession]-5.2", "RIS"),
        ("OBX[3=ACC]-5.3", None),
        ("OBX[3=NO]-5", None),
        ("PID-3[5=MR]", "88"),
        ("PID-3[5=MR].4.2", "1.2"),
        ("PID-3[5=XX]", None),
        ("ZDS-2.2.2", "deep"),
        ("OBX-5.2", "Computed&"),
        ("ZDS-1", None),
        ("ZPI-2", "before the orders"),
        ("ZZZ-1", None),
        ("OBR-4", ""),
        ("OBR-4.1", None),
    ],
)
def test_what_stands_in_a_place(place: str, stands: str | None) -> None:
    assert text(place) == stands


@pytest.mark.parametrize("place", ["ORC-2", "OBX[3.2=A B]-5", "PID-3[5=MR].4.2", "ZDS-2.2.2"])
def test_a_place_is_written_as_it_is_read(place: str) -> None:
    assert str(Place.parse(place)) == place


@pytest.mark.parametrize("place", ["", "OBR", "OBR-0", "obr-4", "OBR-4.0", "OBX[3]-5", "OBX[x=1]-5", "OBR-4.1.1.1"])
def test_what_is_no_place_is_refused(place: str) -> None:
    with pytest.raises(ValueError, match=r"place|must be"):
        Place.parse(place)


def test_a_whole_field_is_read_as_its_data_type_and_a_component_by_its_parts() -> None:
    whole = Place.parse("PID-3[5=MR]").find((MESSAGE,))
    part = Place.parse("OBX[3=ACC]-5.1").find((ORDER,))
    assert whole is not None
    assert part is not None
    assert whole.read(CX) == CX("88", HD("HOSP", "1.2", "ISO"), "MR")
    assert part.read(EI) == EI("A7")


def test_a_constant_is_always_there_and_written_as_in_a_message() -> None:
    found = Constant("A1^RIS").find((MESSAGE,))
    assert (found.text, found.read(EI)) == ("A1", EI("A1", HD("RIS")))


def test_an_empty_place_lets_the_next_one_speak_and_the_text_of_a_code_is_enough() -> None:
    profile = Profile(places={Item.STUDY_INSTANCE_UID: (Place.parse("ZDS-1"), Place.parse("ZDS-2"))})
    assert profile.text(Item.STUDY_INSTANCE_UID, ORDER) == "1.2.3"
    coded = Profile().find(Item.PROCEDURE, ORDER)
    assert coded is not None
    assert coded.text == ""


def test_the_second_order_does_not_get_what_belongs_to_the_first() -> None:
    message = Message.parse(MESSAGE.raw + b"\rORC|NW|PL2\rOBR|2|||X^Y")
    _, second = message.groups()
    assert Place.parse("OBX[3=ACC]-5").find((second, message.head())) is None
