"""Composite data types, read and written."""

from datetime import date

from fj_hl7 import CWE, CX, EI, HD, PID, XAD, XCN, XPN, Message
from hypothesis import given
from hypothesis import strategies as st

WORD = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters='"'))
HDS = st.builds(HD, WORD, WORD, WORD)


def first(field: str) -> Message:
    return Message.parse(f"MSH|^~\\&|||||||ADT^A04|1|P|2.5||||||UNICODE UTF-8\rPID|{field}\r".encode())


def test_an_identifier_has_its_authority() -> None:
    pid = first('123^^^NORTH&1.2.3&ISO^MR~~""~9')["PID"]
    assert pid.each(CX, 1) == [CX("123", HD("NORTH", "1.2.3", "ISO"), "MR"), CX("9")]
    assert pid.first(CX, 7) is None
    assert not HD()


def test_a_person_of_the_1990s_with_ampersands() -> None:
    assert first("007&Bond&Jim")["PID"].first(XCN, 1) == XCN("007", "Bond", "Jim")
    assert first("007^Bond^Jim^^^Dr^^^NORTH&1.2&ISO")["PID"].first(XCN, 1) == XCN(
        "007", "Bond", "Jim", prefix="Dr", authority=HD("NORTH", "1.2", "ISO")
    )


def test_the_surname_of_an_extended_family_name() -> None:
    assert first("van Dam&van&Dam^Eva")["PID"].first(XPN, 1) == XPN("van Dam", "Eva")


def test_pid_tells_name_forms_apart() -> None:
    pid = PID.read(first("|7|5^^^N~5|6|山田^太郎^^^^^L^I~ヤマダ^タロウ^^^^^L^P||1970|M")["PID"])
    assert pid.name is None
    assert (pid.ideographic and pid.ideographic.family, pid.phonetic and pid.phonetic.given) == ("山田", "タロウ")
    assert pid.ids == (CX("5", HD("N")), CX("7"), CX("6"))


def test_one_number_of_two_authorities_is_two_identifiers_and_an_old_field_does_not_repeat_it() -> None:
    pid = PID.read(first("|7|7^^^NORTH~7^^^SOUTH~7^^^NORTH|7^^^EAST~8")["PID"])
    assert pid.ids == (CX("7", HD("NORTH")), CX("7", HD("SOUTH")), CX("7", HD("EAST")), CX("8"))


def test_what_the_sender_says_of_a_person_and_what_it_wants_deleted() -> None:
    pid = PID.read(first('||7||Example^Ada^^Jr^Dr||1970|F|||""||555-1')["PID"])
    assert pid.demographics() == {
        "family_name": "Example",
        "given_name": "Ada",
        "suffix": "Jr",
        "prefix": "Dr",
        "birth_date": date(1970, 1, 1),
        "sex": "F",
        "phone": "555-1",
    }
    assert pid.nulls == {"address"}


@given(st.builds(CX, WORD, HDS, WORD))
def test_cx_survives(value: CX) -> None:
    assert first(value.write())["PID"].first(CX, 1) == (value if value.write() else None)


@given(st.builds(EI, WORD, HDS))
def test_ei_survives(value: EI) -> None:
    assert first(value.write())["PID"].first(EI, 1) == (value if value.write() else None)


@given(st.builds(CWE, WORD, WORD, WORD, WORD, WORD, WORD))
def test_cwe_survives(value: CWE) -> None:
    assert first(value.write())["PID"].first(CWE, 1) == (value if value.write() else None)


@given(st.builds(XPN, WORD, WORD, WORD, WORD, WORD, WORD, WORD, WORD))
def test_xpn_survives(value: XPN) -> None:
    assert first(value.write())["PID"].first(XPN, 1) == (value if value.write() else None)


@given(st.builds(XAD, WORD, WORD, WORD, WORD, WORD, WORD, WORD))
def test_xad_survives(value: XAD) -> None:
    assert first(value.write())["PID"].first(XAD, 1) == (value if value.write() else None)


@given(st.builds(XCN, WORD, WORD.filter(bool), WORD, WORD, WORD, WORD, WORD, HDS))
def test_xcn_survives(value: XCN) -> None:
    assert first(value.write())["PID"].first(XCN, 1) == value
