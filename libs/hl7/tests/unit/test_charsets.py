"""Character sets by MSH-18 (HL7 table 0211)."""

import pytest
from fj_hl7 import XPN, AckCode, Message, ack
from hypothesis import given
from hypothesis import strategies as st

AS_UTF_8 = "not in the character set of MSH-18: read as UTF-8"
AS_LATIN_1 = "not in the character set of MSH-18: read as Latin-1"


def message(declared: str, name: bytes) -> Message:
    head = f"MSH|^~\\&|EHR|N|||2026||ADT^A04|1|P|2.5|||||JPN|{declared}".encode()
    return Message.parse(head + b"\rPID|||1||" + name + b"\r")


@pytest.mark.parametrize(
    ("declared", "name", "codec"),
    [
        ("", "Miller", "ascii"),
        ("ASCII", "Miller", "ascii"),
        ("8859/1", "Müller", "latin-1"),
        ("8859/2", "Łukasz", "iso8859-2"),
        ("8859/5", "Иванов", "iso8859-5"),
        ("8859/7", "Γεωργίου", "iso8859-7"),
        ("8859/9", "Şahin", "iso8859-9"),
        ("8859/15", "Œuvre", "iso8859-15"),
        ("UNICODE UTF-8", "山田", "utf-8"),
        ("UNICODE", "Μαρία", "utf-8"),
        ("unicode utf-8", "Ærø", "utf-8"),
        ("~ISO IR87", "山田", "iso2022_jp"),
        ("ISO IR14~ISO IR87", "ﾔﾏﾀﾞ", "shift_jis"),
        ("~ISO IR87~ISO IR159", "鄧丂", "iso2022_jp_ext"),
        ("GB 18030-2000", "张伟", "gb18030"),
        ("KS X 1001", "김철수", "euc_kr"),
        ("BIG-5", "陳", "big5"),
    ],
)
def test_every_declared_set_is_read(declared: str, name: str, codec: str) -> None:
    read = message(declared, name.encode(codec))
    assert read["PID"].get(5) == name
    assert read.warnings == []


@pytest.mark.parametrize(
    ("declared", "name", "codec", "warning"),
    [
        ("", "Müller", "utf-8", AS_UTF_8),
        ("", "Müller", "latin-1", AS_LATIN_1),
        ("UNICODE UTF-8", "Müller", "latin-1", AS_LATIN_1),
        ("8859/1", "a \N{EN DASH} b", "utf-8", AS_UTF_8),
        ("KS X 1001", "Müller", "latin-1", AS_LATIN_1),
        ("CP850", "Müller", "utf-8", "MSH-18 names a character set that is not known"),
    ],
)
def test_a_wrong_declaration_is_mended_and_told(declared: str, name: str, codec: str, warning: str) -> None:
    read = message(declared, name.encode(codec))
    assert read["PID"].get(5) == name
    assert warning in read.warnings


def test_a_double_byte_run_may_hold_the_bytes_of_delimiters() -> None:
    kanji = [char for char in map(chr, range(0x4E00, 0x9000)) if _has_delimiter(char)][:40]
    assert len(kanji) == 40
    names = "~".join(f"{char}^{char}^^^^^L^I" for char in kanji)
    read = message("~ISO IR87", names.encode("iso2022_jp"))
    assert [(name.family, name.given) for name in read["PID"].each(XPN, 5)] == [(char, char) for char in kanji]


def _has_delimiter(char: str) -> bool:
    try:
        return bool(set(char.encode("iso2022_jp")[3:5]) & set(b"|^~\\&"))
    except UnicodeEncodeError:
        return False


def test_a_run_that_is_not_closed_ends_with_its_segment() -> None:
    read = message("~ISO IR87", "山田".encode("iso2022_jp").removesuffix(b"\x1b(B") + b"\rPV1||I")
    assert read["PID"].get(5) == "山田"
    assert read["PV1"].get(2) == "I"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"\x1b$)C\xb1\xe8^\xc3\xb6\xbc\xf6", ["김", "철수"]),
        (b"Ivan\x1b-L\xb8\xd2\xd0\xdd^M\x1b-A\xfc", ["IvanИван", "Mü"]),
        (b"\x1b)I\xd4\xcf\xc0\xde", ["ﾔﾏﾀﾞ", ""]),
    ],
)
def test_code_extension_in_the_right_half(name: bytes, text: list[str]) -> None:
    read = message("8859/1", name)
    assert [read["PID"].get(5, 1), read["PID"].get(5, 2)] == text


def test_the_answer_is_in_the_senders_character_set() -> None:
    raw = "MSH|^~\\&|Über|N|||2026||ADT^A04|1|P|2.5||||||8859/1\r".encode("latin-1")
    answer = ack(Message.parse(raw), AckCode.AA)
    assert Message.parse(answer).header.get(5) == "Über"
    assert b"8859/1" in answer


@given(st.sampled_from(["", "8859/1", "8859/8", "~ISO IR87", "KS X 1001", "GB 18030", "?"]), st.binary(max_size=60))
def test_no_bytes_make_reading_fail(declared: str, noise: bytes) -> None:
    message(declared, noise)
    message(declared, b"\x1b$B" + noise + b"\x1b$)C" + noise)
