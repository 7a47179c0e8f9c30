"""Acknowledgements in the sender's version, delimiters and reply type."""

from dataclasses import replace

import pytest
from fj_hl7 import AckCode, BadMessage, ErrorCode, Hl7Error, Message, ack, nack_unreadable, new_control_id, read_ack
from hypothesis import given
from hypothesis import strategies as st

WRONG = Hl7Error("no such | order", ErrorCode.UNKNOWN_KEY_IDENTIFIER, "ORC", 2, 2, 1)


def request(kind: str = "ORM^O01^ORM_O01", version: str = "2.5.1", control_id: str = "C-1") -> Message:
    head = f"MSH|^~\\&|EHR|NORTH|FJ|MAIN|20260301101500||{kind}|{control_id}|T|{version}"
    return Message.parse(head.encode() + b"\rPID|1\r")


def answer(message: Message, code: AckCode = AckCode.AA, *errors: Hl7Error) -> Message:
    return Message.parse(ack(message, code, *errors))


def test_sender_and_receiver_change_places_and_the_id_comes_back() -> None:
    read = answer(request())
    assert [read.header.get(field) for field in (3, 4, 5, 6)] == ["FJ", "MAIN", "EHR", "NORTH"]
    assert (read.header.get(11), read.version) == ("T", "2.5.1")
    assert (read["MSA"].get(1), read["MSA"].get(2)) == ("AA", "C-1")
    assert read.control_id not in {"", "C-1"}


@pytest.mark.parametrize("control_id", ["", "a\\T\\b", "x^y", "1" * 300])
def test_any_control_id_comes_back_as_it_was(control_id: str) -> None:
    assert answer(request(control_id=control_id))["MSA"].raw(2) == control_id


@pytest.mark.parametrize(
    ("kind", "version", "reply"),
    [
        ("ORM^O01", "2.5.1", "ORR^O02^ORR_O02"),
        ("ORM^O01", "2.3", "ORR^O02"),
        ("ORM", "2.1", "ORR^O02"),
        ("OMG^O19^OMG_O19", "2.5.1", "ORG^O20^ORG_O20"),
        ("OMI^O23^OMI_O23", "2.5", "ORI^O24^ORI_O24"),
        ("ADT^A04^ADT_A01", "2.5.1", "ACK^A04^ACK"),
        ("ADT^A08", "2.2", "ACK^A08"),
        ("ORU^R01", "2.3.1", "ACK^R01^ACK"),
        ("ADT", "2.4", "ACK"),
        ("ADT^<script>", "nonsense", "ACK"),
    ],
)
def test_the_reply_has_the_type_of_the_request(kind: str, version: str, reply: str) -> None:
    assert answer(request(kind, version)).header.raw(9) == reply


def test_the_error_of_version_2_5_and_later() -> None:
    read = answer(request(), AckCode.AE, WRONG)
    err = read["ERR"]
    assert not err.raw(1)
    assert err.raw(2) == "ORC^2^2^1^1"
    assert err.raw(3) == "204^Unknown key identifier^HL70357"
    assert (err.raw(4), err.raw(8)) == ("E", r"no such \F\ order")


def test_the_error_of_older_versions() -> None:
    read = answer(request(version="2.3"), AckCode.AE, WRONG)
    assert read["ERR"].raw(1) == "ORC^2^2^204&Unknown key identifier&HL70357"
    assert read["MSA"].raw(3) == r"no such \F\ order"


def test_msa_3_is_gone_in_version_2_7() -> None:
    assert not answer(request(version="2.7"), AckCode.AE, WRONG)["MSA"].raw(3)


def test_an_answer_can_be_read_back() -> None:
    read = read_ack(ack(request(), AckCode.AE, WRONG))
    assert (read.code, read.control_id, read.accepted, read.text) == ("AE", "C-1", False, WRONG.text)
    assert read.errors == (WRONG,)


def test_an_answer_of_an_old_version_can_be_read_back() -> None:
    read = read_ack(ack(request(version="2.3"), AckCode.AE, WRONG))
    assert read.text == WRONG.text
    assert read.errors == (replace(WRONG, text="Unknown key identifier", component=0),)


def test_the_senders_delimiters_are_kept() -> None:
    message = Message.parse(b"MSH$*%!@$EHR$N$$$$$ADT*A04$7$P$2.5\r")
    read = Message.parse(ack(message, AckCode.AE, Hl7Error("a$b")))
    assert read.header.raw(2) == "*%!@"
    assert read["ERR"].get(8) == "a$b"


def test_a_long_text_is_cut() -> None:
    assert len(answer(request(), AckCode.AE, Hl7Error("x" * 5000))["ERR"].raw(8)) == 200


@pytest.mark.parametrize(
    ("raw", "control_id"),
    [
        (b"", ""),
        (b"nonsense", ""),
        (b"PID|1\rMSH|^~\\&|EHR|N|||2026||ADT^A04|77|P|2.3\r", "77"),
        (b"FHS|^~\\&|A\rMSH|^~\\&|EHR|N|||2026||ADT^A04|78|P|2.3\rxx", "78"),
        (b"MSH|^^^^|EHR", ""),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_id_that_can_be_made_out(raw: bytes, control_id: str) -> None:
    read = read_ack(nack_unreadable(raw, "no MSH"))
    assert (read.code, read.control_id) == ("AR", control_id)


def test_what_is_no_answer_is_told() -> None:
    with pytest.raises(BadMessage):
        read_ack(b"MSH|^~\\&|||||||ADT^A04|7\r")


def test_ids_are_new_and_short() -> None:
    ids = {new_control_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert max(map(len, ids)) <= 20


@given(st.binary(max_size=120))
def test_every_noise_has_one_readable_answer(noise: bytes) -> None:
    for raw in (noise, b"MSH|^~\\&|" + noise, b"MSH" + noise):
        answered = nack_unreadable(raw, "unreadable")
        assert not set(answered) & set(b"\x0b\x1c")
        assert read_ack(answered).code == "AR"
