"""A door on a real database: one effect, one answer, and nothing left of what was refused."""

import asyncio
import hashlib
from contextlib import AbstractAsyncContextManager

import pytest
from fj_hl7 import Door, ErrorCode, Intake, Ledger, Message, Search, read_ack
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from libs.hl7.tests.ward import SEAL, Unit, Ward, adt

pytestmark = pytest.mark.servers


def counted(metric: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(metric, {"door": "patients", **labels}) or 0


async def test_accepted_means_done_and_kept(ward: Ward) -> None:
    raw = adt("1")
    answer = await ward.answer(raw)
    assert (answer.code, answer.control_id) == ("AA", "C1")
    assert await ward.admitted() == ["1"]
    row = await ward.pool.fetchrow("SELECT * FROM hl7_received")
    assert row is not None
    assert (row["sender"], row["control_id"], row["kind"]) == ("EHR\tNORTH", "C1", "ADT^A04")
    assert b"PID" not in row["raw"]
    assert SEAL.open(row["raw"], row["digest"]) == raw


async def test_the_same_message_again_has_the_stored_answer_and_no_effect(ward: Ward) -> None:
    before = counted("fj_hl7_repeated_total")
    first = await ward.door(adt("1"), "a")
    assert [await ward.door(adt("1"), "a") for _ in range(3)] == [first] * 3
    assert await ward.admitted() == ["1"]
    assert counted("fj_hl7_repeated_total") == before + 3


async def test_what_a_handler_says_stands_in_the_answer_also_in_the_stored_one(ward: Ward) -> None:
    messages = [adt(str(number), f"C{number}", "ADT^A05") for number in range(5)]
    answers = await asyncio.gather(*(ward.door(raw, "a") for raw in [*messages, *messages, adt("9", "C9")]))
    orders = [[orc.get(2) for orc in read_ack(answer).orders] for [answer] in answers]
    assert orders == [["0"], ["1"], ["2"], ["3"], ["4"]] * 2 + [[]]
    again = await asyncio.gather(*(ward.door(raw, "a") for raw in messages))
    assert list(again) == list(answers[:5]) == list(answers[5:10])
    assert await ward.admitted() == ["0", "1", "2", "3", "4", "9"]


async def test_the_same_message_on_many_connections_at_once_has_one_effect(ward: Ward) -> None:
    answers = await asyncio.gather(*(ward.door(adt("1"), "a") for _ in range(30)))
    assert len(set(answers)) == 1
    assert await ward.admitted() == ["1"]


async def test_a_known_control_id_with_other_bytes_is_a_new_message_and_counted(ward: Ward) -> None:
    before = counted("fj_hl7_reused_control_ids_total")
    await ward.answer(adt("1"))
    assert (await ward.answer(adt("2"))).code == "AA"
    assert (await ward.answer(adt("3", control_id="C2"))).code == "AA"
    assert await ward.admitted() == ["1", "2", "3"]
    assert counted("fj_hl7_reused_control_ids_total") == before + 1


@pytest.mark.parametrize(
    ("kind", "code", "says"),
    [
        ("ORM^O01", ErrorCode.UNSUPPORTED_MESSAGE_TYPE, "belongs to the door orders (MLLP 2575"),
        ("SIU^S12", ErrorCode.UNSUPPORTED_MESSAGE_TYPE, "belongs to the door appointments (MLLP 2578"),
        ("ACK^A01", ErrorCode.UNSUPPORTED_MESSAGE_TYPE, "no door takes this message type"),
        ("ADT^A99", ErrorCode.UNSUPPORTED_EVENT_CODE, "takes ADT^A01, ADT^A04"),
        ("", ErrorCode.UNSUPPORTED_MESSAGE_TYPE, "no door takes"),
    ],
)
async def test_other_kinds_are_sent_to_the_right_door(ward: Ward, kind: str, code: ErrorCode, says: str) -> None:
    answer = await ward.answer(adt("1", kind=kind))
    assert (answer.code, answer.errors[0].code) == ("AR", code)
    assert says in answer.text
    assert await ward.admitted() == []


@pytest.mark.parametrize(
    ("raw", "code", "control_id"),
    [
        (b"", "AR", ""),
        (b"nonsense", "AR", ""),
        (adt("1", "C1", "ADT^A04", "a line that is no segment"), "AE", "C1"),
        (adt("1") + adt("2", "C2"), "AE", "C1"),
        (adt("1").replace(b"|2.5\r", b"|2.5||P1\r"), "AE", "C1"),
        (b"BHS|^~\\&|A\r" + adt("1") + b"BTS|2\r", "AR", "C1"),
        (b"FHS|^~\\&|A\rFTS|0\r", "AR", ""),
    ],
)
async def test_what_cannot_be_read_whole_is_refused_and_kept(
    ward: Ward, raw: bytes, code: str, control_id: str
) -> None:
    answer = await ward.answer(raw)
    assert (answer.code, answer.control_id) == (code, control_id)
    [kept] = await ward.archive.waiting(ward.pool, Search())
    opened = await ward.archive.open(ward.pool, *kept.key[::2])
    assert opened is not None
    assert opened.raw == raw
    assert await ward.admitted() == []


async def test_a_batch_is_taken_whole_with_one_answer(ward: Ward) -> None:
    batch = b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + adt("1", "B1") + adt("2", "B2", "ADT^A01") + b"BTS|2\rFTS|1\r"
    [first] = await ward.door(batch, "a")
    assert (read_ack(first).code, read_ack(first).control_id) == ("AA", "B1")
    assert await ward.door(batch, "a") == (first,)
    assert await ward.admitted() == ["1", "2"]


async def test_a_batch_with_one_wrong_message_is_refused_whole(ward: Ward) -> None:
    batch = b"BHS|^~\\&|A\r" + adt("1", "B1") + adt("unknown", "B2") + b"BTS|2\r"
    assert (await ward.answer(batch)).code == "AE"
    assert await ward.admitted() == []


async def test_odd_but_readable_messages_are_accepted_and_counted(ward: Ward) -> None:
    before = counted("fj_hl7_irregular_messages_total", fault="line ends LF")
    assert (await ward.answer(adt("1").replace(b"\r", b"\n"))).code == "AA"
    assert (await ward.answer(adt("Müller", "C2"))).code == "AA"
    assert counted("fj_hl7_irregular_messages_total", fault="line ends LF") == before + 1
    assert await ward.admitted() == ["1", "Müller"]


async def test_a_database_that_fails_is_an_answer_too(ward: Ward) -> None:
    def broken() -> AbstractAsyncContextManager[Unit]:
        raise ConnectionRefusedError

    ward.door = Door("patients", {"ADT^A04": ward.admit}, broken, Intake(Ledger(SEAL)))
    answer = await ward.answer(adt("1"))
    assert (answer.code, answer.control_id, answer.errors[0].code) == ("AE", "C1", "207")


async def test_a_control_id_longer_than_any_index_takes_is_fine(ward: Ward) -> None:
    long = "9" * 10_000
    assert (await ward.answer(adt("1", long))).control_id == long
    assert (await ward.answer(adt("1", long + "8"))).control_id == long + "8"
    assert await ward.admitted() == ["1", "1"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 120), st.integers(0, 6), st.binary(max_size=6)), min_size=1, max_size=4),
    st.binary(max_size=8),
)
@example([(41, 0, b"\xc2\x80")], b"\x80")
async def test_whatever_happens_to_the_bytes_aa_means_one_effect_and_all_else_none(
    ward: Ward, cuts: list[tuple[int, int, bytes]], number: bytes
) -> None:
    raw = adt("0").replace(b"|||0", b"|||" + number)
    for at, length, instead in cuts:
        raw = raw[:at] + instead + raw[at + length :]
    digest = hashlib.sha256(raw).digest()
    seen = await ward.pool.fetchval("SELECT count(*) FROM hl7_received WHERE digest = $1", digest)
    before = len(await ward.admitted())
    [answered] = await ward.door(raw, "127.0.0.1")
    answer = read_ack(answered)
    effects = len(await ward.admitted()) - before
    assert effects == (1 if answer.code == "AA" and not seen else 0)
    assert answer.code in {"AA", "AE", "AR"}
    if answer.code == "AA":
        # As bytes: an answer by itself may be valid UTF-8 where the whole message was not.
        message, codec = Message.parse(raw), Message.parse(answered).codec
        assert answer.control_id.encode(codec) == message.control_id.encode(message.codec)
