"""What a door keeps of the messages that came: found, opened, settled, forgotten."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from fj_hl7 import AckCode, Door, ErrorCode, Hl7Error, Intake, Ledger, Message, Refusal, Search

from libs.hl7.tests.ward import SEAL, Unit, Ward, adt

pytestmark = pytest.mark.servers


@pytest.mark.parametrize(
    ("number", "code", "error"),
    [
        ("unknown", ErrorCode.UNKNOWN_KEY_IDENTIFIER, "who?"),
        ("", ErrorCode.REQUIRED_FIELD_MISSING, "PID-3 is missing"),
        ("crash", ErrorCode.APPLICATION_INTERNAL_ERROR, "The message could not be processed; nothing was changed"),
    ],
)
async def test_a_refusal_changes_nothing_and_keeps_the_bytes(
    ward: Ward, number: str, code: ErrorCode, error: str
) -> None:
    raw = adt(number)
    for times in (1, 2):
        answer = await ward.answer(raw)
        assert (answer.code, answer.control_id, answer.text, answer.errors[0].code) == ("AE", "C1", error, code)
        [kept] = await ward.archive.waiting(ward.pool, Search())
        assert (kept.kind, kept.code, kept.errors[0][0], kept.times) == ("ADT^A04", "AE", code, times)
        opened = await ward.archive.open(ward.pool, "C1", kept.key.digest)
        assert opened is not None
        assert opened.raw == raw
    assert await ward.admitted() == []
    assert await ward.count("hl7_received") == 0


async def test_a_refused_message_is_tried_again_when_it_comes_again(ward: Ward) -> None:
    assert (await ward.answer(adt("unknown"))).code == "AE"

    async def now_known(messages: Sequence[Message], unit: Unit) -> None:
        await unit.connection.executemany("INSERT INTO admitted VALUES ($1)", [[m["PID"].get(3)] for m in messages])

    ward.door = Door("patients", {"ADT^A04": now_known}, ward.unit, Intake(Ledger(SEAL)))
    assert (await ward.answer(adt("unknown"))).code == "AA"
    assert await ward.admitted() == ["unknown"]


async def test_what_is_older_than_the_retention_is_forgotten(ward: Ward) -> None:
    await ward.answer(adt("1"))
    await ward.answer(adt("unknown", "C2"))
    assert await Ledger(SEAL, timedelta(hours=1)).forget(ward.pool) == 0
    assert await Ledger(SEAL, timedelta(seconds=-1)).forget(ward.pool) == 2
    assert (await ward.count("hl7_received"), await ward.count("hl7_refused")) == (0, 0)


async def test_a_refusal_is_news_once_and_again_when_it_has_another_reason(ward: Ward) -> None:
    for _ in range(3):
        await ward.answer(adt("unknown"))
    assert ward.told == [("refused", "204")]

    async def otherwise(messages: Sequence[Message], unit: Unit) -> None:
        raise Refusal(AckCode.AE, Hl7Error("full", ErrorCode.APPLICATION_RECORD_LOCKED, "PID", 1, 3))

    ward.door = Door("patients", {"ADT^A04": otherwise}, ward.unit, Intake(Ledger(SEAL), watch=ward))
    await ward.answer(adt("unknown"))
    assert ward.told[1:] == [("refused", "206")]


async def test_what_was_refused_and_is_then_taken_is_settled_with_its_effect(ward: Ward) -> None:
    await ward.answer(adt("unknown"))

    async def now_known(messages: Sequence[Message], unit: Unit) -> None:
        await unit.connection.executemany("INSERT INTO admitted VALUES ($1)", [[m["PID"].get(3)] for m in messages])

    ward.door = Door("patients", {"ADT^A04": now_known}, ward.unit, Intake(Ledger(SEAL), watch=ward))
    for _ in range(2):
        assert (await ward.answer(adt("unknown"))).code == "AA"
    assert ward.told == [("refused", "204"), ("accepted", "C1")]
    assert await ward.archive.waiting(ward.pool, Search()) == []
    [taken, refused] = await ward.archive.find(ward.pool, Search(control_id="C1"))
    assert {taken.code, refused.code} == {"AA", "AE"}
    assert {taken.settled_as, refused.settled_as} == {None, "accepted"}


async def test_what_a_person_has_tried_again_is_told_with_their_name_whatever_becomes_of_it(ward: Ward) -> None:
    raw = adt("unknown")
    await ward.answer(raw)
    [kept] = await ward.archive.waiting(ward.pool, Search())
    assert await Ledger(SEAL).settle(ward.pool, kept.key, "uma")

    # Refused as before: it waits again, though somebody had dismissed it. Its sender alone does not undo that.
    await ward.answer(raw)
    assert await ward.archive.waiting(ward.pool, Search()) == []
    await ward.door.take(raw, "127.0.0.1", "tess")
    assert ward.told == [("refused", "204"), ("refused", "tess")]
    [again] = await ward.archive.waiting(ward.pool, Search())
    assert again.settled_by is None

    ward.door = Door("patients", {"ADT^A04": _take}, ward.unit, Intake(Ledger(SEAL), watch=ward))
    for _ in range(2):
        assert (await ward.door.take(raw, "127.0.0.1", "tess")).code == "AA"
    assert ward.told[2:] == [("accepted", "tess")]
    [refused] = await ward.archive.find(ward.pool, Search(control_id="C1"), refused_only=True)
    assert (refused.settled_as, refused.settled_by) == ("accepted", "tess")


async def _take(messages: Sequence[Message], unit: Unit) -> None:
    del messages, unit


async def test_messages_are_found_by_control_id_sender_and_time(ward: Ward) -> None:
    for number in ("1", "2", "unknown"):
        await ward.answer(adt(number, f"C{number}"))

    async def found(search: Search, *, refused_only: bool = False) -> set[str]:
        kept = await ward.archive.find(ward.pool, search, refused_only=refused_only)
        return {each.key.control_id for each in kept}

    now = datetime.now(UTC)
    assert await found(Search()) == {"C1", "C2", "Cunknown"}
    assert await found(Search(control_id="C2")) == {"C2"}
    assert await found(Search(), refused_only=True) == {"Cunknown"}
    assert await found(Search(application="EHR", facility="NORTH")) == {"C1", "C2", "Cunknown"}
    assert await found(Search(application="NORTH")) == set()
    assert await found(Search(since=now + timedelta(hours=1))) == set()
    assert await found(Search(until=now - timedelta(hours=1))) == set()
    assert len(await found(Search(limit=2))) == 2
