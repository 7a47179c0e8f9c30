"""Messages that come in several parts (HL7 v2.5.1 ch. 2.10.2.2): DSC-1 of a part is MSH-14 of the next one."""

import asyncio
from collections.abc import Sequence

import pytest
from fj_hl7 import Door, Intake, Ledger, Message, Search
from fj_hl7.parts import PARTS_MAX

from libs.hl7.tests.ward import SEAL, Unit, Ward, adt

pytestmark = pytest.mark.servers


def part(nth: int, *segments: str, after: str = "", pointer: str = "", kind: str = "ADT^A05") -> bytes:
    """The nth part, which goes on behind `after` and ends with `pointer`."""
    head = f"MSH|^~\\&|EHR|NORTH|FJ|MAIN|2026||{kind}|C{nth}|P|2.5" + (f"||{after}" if after else "")
    return "\r".join((head, *segments, *([f"DSC|{pointer}|F"] if pointer else []))).encode() + b"\r"


FIRST = part(1, "PID|||4711", "ADD|", pointer="P1")
SECOND = part(2, "ADD||Example^Ada", "NTE|1||and", after="P1", pointer="P2")
LAST = part(3, "NTE|2||so on", after="P2")


async def test_each_part_is_acknowledged_and_the_last_one_takes_the_whole(ward: Ward) -> None:
    seen: list[Message] = []

    async def look(messages: Sequence[Message], unit: Unit) -> None:
        seen.extend(messages)
        await ward.admit(messages, unit)

    ward.door = Door("patients", {"ADT^A05": look}, ward.unit, Intake(Ledger(SEAL), watch=ward))
    for raw, control_id in ((FIRST, "C1"), (SECOND, "C2")):
        answer = await ward.answer(raw)
        assert (answer.code, answer.control_id) == ("AA", control_id)
        assert await ward.admitted() == []
    assert (await ward.answer(LAST)).control_id == "C3"
    assert await ward.admitted() == ["4711"]
    [whole] = seen
    assert [str(segment) for segment in whole][1:] == ["PID|||4711|Example^Ada", "NTE|1||and", "NTE|2||so on"]
    assert (whole.control_id, whole.is_part) == ("C1", False)
    assert await ward.count("hl7_unfinished") == 0


async def test_parts_outlive_the_process_that_acknowledged_them(ward: Ward) -> None:
    await ward.answer(FIRST)
    await Ward(ward.pool).answer(SECOND)
    answer = await Ward(ward.pool).answer(LAST)
    assert [orc.get(2) for orc in answer.orders] == ["4711"]
    assert await ward.admitted() == ["4711"]


async def test_each_part_again_has_its_stored_answer_and_no_effect(ward: Ward) -> None:
    answers = [await ward.door(raw, "a") for raw in (FIRST, SECOND, LAST) for _ in range(2)]
    assert answers[::2] == answers[1::2]
    again = await asyncio.gather(*(ward.door(raw, "a") for raw in (LAST, FIRST, SECOND, LAST)))
    assert list(again) == [answers[4], answers[0], answers[2], answers[4]]
    assert await ward.admitted() == ["4711"]
    assert await ward.count("hl7_unfinished") == 0


async def test_the_last_part_twice_at_once_takes_the_whole_once(ward: Ward) -> None:
    await ward.answer(FIRST)
    await ward.answer(SECOND)
    answers = await asyncio.gather(*(ward.door(LAST, "a") for _ in range(8)))
    assert len(set(answers)) == 1
    assert await ward.admitted() == ["4711"]


async def test_a_part_that_follows_nothing_known_is_refused_by_its_pointer(ward: Ward) -> None:
    for raw in (SECOND, LAST):
        answer = await ward.answer(raw)
        [error] = answer.errors
        assert (answer.code, error.code, error.segment, error.field) == ("AE", "204", "MSH", 14)
    await ward.answer(FIRST)
    assert (await ward.answer(SECOND)).code == "AA"
    assert (await ward.answer(LAST)).code == "AA"
    assert await ward.admitted() == ["4711"]
    assert ward.told == [("refused", "204"), ("refused", "204"), ("accepted", "C2"), ("accepted", "C3")]


async def test_a_whole_that_is_refused_changes_nothing_and_its_last_part_may_come_again(ward: Ward) -> None:
    await ward.answer(part(1, "PID|||unknown", pointer="P1"))
    last = part(2, "NTE|1||x", after="P1")
    assert (await ward.answer(last)).errors[0].code == "204"
    assert await ward.admitted() == []

    async def now_known(messages: Sequence[Message], unit: Unit) -> None:
        await unit.connection.executemany("INSERT INTO admitted VALUES ($1)", [[m["PID"].get(3)] for m in messages])

    ward.door = Door("patients", {"ADT^A05": now_known}, ward.unit, Intake(Ledger(SEAL), watch=ward))
    assert (await ward.answer(last)).code == "AA"
    assert await ward.admitted() == ["unknown"]


async def test_what_does_not_become_whole_is_refused_for_a_person_to_see_and_may_come_again(ward: Ward) -> None:
    await ward.answer(FIRST)
    await ward.answer(SECOND)
    await ward.door.give_up_parts()
    assert ward.told == []
    await ward.pool.execute("UPDATE hl7_unfinished SET touched_at = now() - interval '2 hours'")
    await ward.door.give_up_parts()
    assert ward.told == [("refused", "100")] * 2
    waiting = await ward.archive.waiting(ward.pool, Search())
    assert [(kept.key.control_id, kept.code) for kept in waiting] == [("C1", "AE"), ("C2", "AE")]
    opened = await ward.archive.open(ward.pool, "C1", waiting[0].key.digest)
    assert opened is not None
    assert opened.raw == FIRST
    for raw in (FIRST, SECOND, LAST):
        assert (await ward.answer(raw)).code == "AA"
    assert await ward.admitted() == ["4711"]
    assert await ward.archive.waiting(ward.pool, Search()) == []


async def test_a_pointer_that_is_used_again_ends_the_older_message_and_the_newer_one_becomes_whole(ward: Ward) -> None:
    await ward.answer(FIRST)
    await ward.answer(part(7, "PID|||8", pointer="P1"))
    assert ward.told == [("refused", "100")]
    assert (await ward.answer(part(8, "NTE|1||x", after="P1"))).code == "AA"
    assert await ward.admitted() == ["8"]


async def test_two_senders_may_use_one_pointer_at_once(ward: Ward) -> None:
    def south(raw: bytes) -> bytes:
        return raw.replace(b"|NORTH|", b"|SOUTH|").replace(b"4711", b"12")

    for raw in (FIRST, south(FIRST), SECOND, south(SECOND), south(LAST), LAST):
        assert (await ward.answer(raw)).code == "AA"
    assert await ward.admitted() == ["12", "4711"]


async def test_a_message_has_a_bounded_number_of_parts(ward: Ward) -> None:
    await ward.answer(part(1, "PID|||1", pointer="P"))
    for nth in range(2, PARTS_MAX + 1):
        assert (await ward.answer(part(nth, "NTE|1||x", after="P", pointer="P"))).code == "AA"
    answer = await ward.answer(part(PARTS_MAX + 1, after="P"))
    assert (answer.code, answer.errors[0].code) == ("AE", "100")
    assert await ward.admitted() == []


@pytest.mark.parametrize(("kind", "code"), [("ORM^O01", "AR"), ("ADT^A99", "AR")])
async def test_a_part_of_a_message_that_the_door_does_not_take_is_refused_at_once(
    ward: Ward, kind: str, code: str
) -> None:
    assert (await ward.answer(part(1, "PID|||1", pointer="P1", kind=kind))).code == code
    assert await ward.count("hl7_unfinished") == 0


async def test_a_part_in_a_batch_is_refused(ward: Ward) -> None:
    assert (await ward.answer(b"BHS|^~\\&|A\r" + adt("1", "B1") + FIRST + b"BTS|2\r")).code == "AE"
    assert await ward.admitted() == []
