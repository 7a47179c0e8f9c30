r"""Escape sequences (HL7 v2.5.1 ch. 2.7)."""

import pytest
from fj_hl7 import Delimiters, Message, escape, unescape
from hypothesis import given
from hypothesis import strategies as st

PLAIN = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@pytest.mark.parametrize(
    ("escaped", "plain"),
    [
        (r"a\F\b\S\c\T\d\R\e\E\f", r"a|b^c&d~e\f"),
        (r"\E\F\E\ ", r"\F\ "),
        (r"line 1\.br\line 2\.br\\.br\line 4", "line 1\nline 2\n\nline 4"),
        (r"\.sp3\x\.ce\y\.sk 2\z", "\n\n\nx\ny  z"),
        (r"\.in+4\\.ti-2\\.fi\\.nf\text", "text"),
        (r"\H\high\N\ low", "high low"),
        (r"\X41\\X4243\\X0D0A\\XC3A4\ ", "ABC\r\nä "),
        (r"\C2842\ \M824041\ \Zown\F\ ", r"\C2842\ \M824041\ \Zown\F\ "),
        (r"C:\temp\new\F\x", r"C:\temp\new|x"),
        (r"\Q\ \X4\ \.xx\ \ lone", r"\Q\ \X4\ \.xx\ \ lone"),
        (r"\.sp99999999\.", "\n" * 200 + "."),
    ],
)
def test_what_each_sequence_gives(escaped: str, plain: str) -> None:
    assert unescape(escaped) == plain


def test_hexadecimal_is_in_the_character_set_of_the_message() -> None:
    raw = b"MSH|^~\\&|||||||ORU^R01|1|P|2.4||||||8859/1\rOBX|1|TX|X||\\XE4\\\r"
    assert Message.parse(raw)["OBX"].get(5) == "ä"


def test_control_characters_never_stand_bare() -> None:
    assert escape("a\x0bb\x1cc\rd\ne") == r"a\X0B\b\X1C\c\X0D\d\.br\e"


@given(PLAIN)
def test_a_text_survives(text: str) -> None:
    assert unescape(escape(text)) == text


@given(PLAIN, st.permutations("|^~\\&#$%!@*"))
def test_a_text_survives_with_any_delimiters(text: str, characters: list[str]) -> None:
    delimiters = Delimiters(*characters[:5])
    escaped = escape(text, delimiters)
    assert not set(escaped) & {*characters[:3], characters[4], "\r", "\n", "\x0b", "\x1c"}
    assert unescape(escaped, delimiters) == text


@given(PLAIN)
def test_a_text_survives_the_whole_way_through_a_message(text: str) -> None:
    raw = f"MSH|^~\\&|||||||ORU^R01|1|P|2.5.1||||||UNICODE UTF-8\rOBX|1|TX|X||a^{escape(text)}\r".encode()
    found = Message.parse(raw)["OBX"].get(5, 2)
    assert found == ("" if text == '""' else text)


@given(st.text(st.sampled_from("\\FSTREXHN.brspce0123456789ABCMZ |^~&")))
def test_unescaping_never_fails(text: str) -> None:
    unescape(text)
