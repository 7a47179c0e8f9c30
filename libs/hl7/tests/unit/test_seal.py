"""Messages at rest."""

import base64

import pytest
from fj_hl7 import CannotOpen, Seal
from hypothesis import given
from hypothesis import strategies as st

OLD, NEW = bytes(32), bytes(range(32))
RAW = b"MSH|^~\\&|EHR\rPID|||1||Example^Ada\r"


@given(st.binary(max_size=2000) | st.sampled_from([RAW * 20, RAW * 4000]))
def test_what_is_sealed_opens_and_shows_nothing(raw: bytes) -> None:
    seal = Seal([NEW])
    sealed = seal.close(raw, b"about")
    assert seal.open(sealed, b"about") == raw
    assert b"Example" not in sealed
    assert sealed != seal.close(raw, b"about")


def test_a_new_key_seals_and_the_old_ones_still_open() -> None:
    sealed = Seal([OLD]).close(RAW, b"1")
    both = Seal([NEW, OLD])
    assert both.open(sealed, b"1") == RAW
    with pytest.raises(CannotOpen, match="not known"):
        Seal([OLD]).open(both.close(RAW, b"1"), b"1")


@pytest.mark.parametrize("at", [4, 10, 20, -1])
def test_damage_and_another_messages_place_are_noticed(at: int) -> None:
    seal = Seal([OLD])
    sealed = bytearray(seal.close(RAW, b"1"))
    with pytest.raises(CannotOpen):
        seal.open(bytes(sealed), b"2")
    sealed[at] ^= 1
    with pytest.raises(CannotOpen):
        seal.open(bytes(sealed), b"1")


@pytest.mark.parametrize("text", ["", "short", base64.b64encode(bytes(16)).decode(), "%%%"])
def test_what_is_no_key_is_refused_without_being_told(text: str) -> None:
    with pytest.raises(ValueError, match="32 bytes in base64") as refused:
        Seal.parse(text)
    assert not text or text not in str(refused.value)


def test_keys_are_written_one_after_the_other() -> None:
    text = ", ".join(base64.b64encode(key).decode() for key in (NEW, OLD))
    assert Seal.parse(text).open(Seal([NEW]).close(RAW, b""), b"") == RAW
