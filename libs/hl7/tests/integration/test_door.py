"""A door on a real database: one effect, one answer, and nothing left of what was refused."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import TYPE_CHECKING

import asyncpg
import pytest
from fj_hl7 import (
    Ack,
    AckCode,
    Archive,
    Door,
    ErrorCode,
    Hl7Error,
    Intake,
    Ledger,
    Message,
    Outcome,
    Refusal,
    Reply,
    Seal,
    Search,
    read_ack,
)
from fj_hl7.ledger import Connection, Receipt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

pytestmark = pytest.mark.servers
MIGRATIONS = sorted((file for file in files("fj_hl7").joinpath("migrations").iterdir()), key=lambda file: file.name)
LEDGER = "".join(file.read_text() for file in MIGRATIONS)
SEAL = Seal([bytes(32)])


@dataclass(frozen=True)
class Unit:
    connection: "PoolConnectionProxy[asyncpg.Record]"


class Ward:
    """A service with one table: a row for each patient that was admitted."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self.pool = pool
        self.archive = Archive(SEAL)
        self.told: list[tuple[str, str]] = []
        intake: Intake[Unit] = Intake(Ledger(SEAL), watch=self)
        self.door = Door(
            "patients", {"ADT^A01": self.admit, "ADT^A04": self.admit, "ADT^A05": self.admit_by_name}, self.unit, intake
        )

    def refused(self, unit: Unit, receipt: Receipt, outcome: Outcome) -> None:  # noqa: ARG002 - what a Watch is told
        self.told.append(("refused", outcome.errors[0].code))

    def accepted(self, unit: Unit, receipt: Receipt, message: Message) -> None:  # noqa: ARG002
        self.told.append(("accepted", message.control_id))

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[Unit]:
        async with self.pool.acquire() as connection, connection.transaction():
            yield Unit(connection)

    async def admit(self, messages: Sequence[Message], unit: Unit) -> None:
        for message in messages:
            number = message["PID"].required(3)
            await unit.connection.execute("INSERT INTO admitted VALUES ($1)", number)
            if number == "unknown":
                raise Refusal(AckCode.AE, Hl7Error("who?", ErrorCode.UNKNOWN_KEY_IDENTIFIER, "PID", 1, 3))
            if number == "crash":
                raise RuntimeError("Example^Ada")

    async def admit_by_name(self, messages: Sequence[Message], unit: Unit) -> list[Reply]:
        """Admits, and has more to say than AA."""
        await self.admit(messages, unit)
        return [[("ORC", "OK", message["PID"].raw(3))] for message in messages]

    async def answer(self, raw: bytes) -> Ack:
        [answer] = await self.door(raw, "127.0.0.1")
        return read_ack(answer)

    async def admitted(self) -> list[str]:
        return [row[0] for row in await self.pool.fetch("SELECT number FROM admitted ORDER BY 1")]

    async def count(self, table: str) -> int:
        return int(await self.pool.fetchval(f"SELECT count(*) FROM {table}"))


@pytest.fixture(scope="module")
async def pool(database: str) -> "AsyncIterator[asyncpg.Pool[asyncpg.Record]]":
    async with asyncpg.create_pool(database, min_size=1, max_size=8) as pool:
        await pool.execute(LEDGER)
        await pool.execute("CREATE TABLE admitted (number text NOT NULL)")
        yield pool


@pytest.fixture
async def ward(pool: "asyncpg.Pool[asyncpg.Record]") -> Ward:
    await pool.execute("TRUNCATE admitted, hl7_received, hl7_refused")
    return Ward(pool)


def adt(number: str, control_id: str = "C1", kind: str = "ADT^A04", *more: str) -> bytes:
    head = f"MSH|^~\\&|EHR|NORTH|FJ|MAIN|2026||{kind}|{control_id}|P|2.5"
    return "\r".join((head, f"PID|||{number}", *more)).encode() + b"\r"


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
        (adt("1", "C1", "ADT^A04", "DSC|P1|F"), "AE", "C1"),
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


async def test_what_is_older_than_the_retention_is_forgotten(ward: Ward) -> None:
    await ward.answer(adt("1"))
    await ward.answer(adt("unknown", "C2"))
    assert await Ledger(SEAL, timedelta(hours=1)).forget(ward.pool) == 0
    assert await Ledger(SEAL, timedelta(seconds=-1)).forget(ward.pool) == 2
    assert (await ward.count("hl7_received"), await ward.count("hl7_refused")) == (0, 0)


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
async def test_whatever_happens_to_the_bytes_aa_means_one_effect_and_all_else_none(
    ward: Ward, cuts: list[tuple[int, int, bytes]], number: bytes
) -> None:
    raw = adt("0").replace(b"|||0", b"|||" + number)
    for at, length, instead in cuts:
        raw = raw[:at] + instead + raw[at + length :]
    digest = hashlib.sha256(raw).digest()
    seen = await ward.pool.fetchval("SELECT count(*) FROM hl7_received WHERE digest = $1", digest)
    before = len(await ward.admitted())
    answer = await ward.answer(raw)
    effects = len(await ward.admitted()) - before
    assert effects == (1 if answer.code == "AA" and not seen else 0)
    assert answer.code in {"AA", "AE", "AR"}
    if answer.code == "AA":
        assert answer.control_id == Message.parse(raw).control_id


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


class Full(Ledger):
    """Keeps no refused message."""

    async def refuse(
        self,
        connection: Connection,  # noqa: ARG002 - the ledger's signature
        receipt: Receipt,  # noqa: ARG002
        code: AckCode,  # noqa: ARG002
        errors: Sequence[Hl7Error] = (),  # noqa: ARG002
    ) -> bool:
        raise OSError("disk full")


def asking(raw: bytes, accept: str, reply: str) -> bytes:
    """The message of a sender that says which acknowledgements it wants (MSH-15, MSH-16)."""
    return raw.replace(b"|P|2.5\r", f"|P|2.5|||{accept}|{reply}\r".encode(), 1)


@pytest.mark.parametrize(
    ("accept", "reply", "number", "codes"),
    [
        ("AL", "AL", "1", ["CA", "AA"]),
        ("AL", "NE", "1", ["CA"]),
        ("AL", "", "1", ["CA"]),
        ("NE", "AL", "1", ["AA"]),
        ("", "AL", "1", ["AA"]),
        ("NE", "NE", "1", []),
        ("ER", "ER", "1", []),
        ("SU", "SU", "1", ["CA", "AA"]),
        ("", "", "1", ["AA"]),
        ("yes", "", "1", ["AA"]),
        ("AL", "AL", "unknown", ["CA", "AE"]),
        ("AL", "ER", "unknown", ["CA", "AE"]),
        ("AL", "NE", "unknown", ["CE"]),
        ("ER", "SU", "unknown", ["CE"]),
        ("NE", "AL", "unknown", ["AE"]),
        ("NE", "NE", "unknown", []),
    ],
)
async def test_a_sender_gets_the_acknowledgements_that_it_asks_for_in_their_order(
    ward: Ward, accept: str, reply: str, number: str, codes: list[str]
) -> None:
    for _ in range(2):
        acks = [read_ack(raw) for raw in await ward.door(asking(adt(number), accept, reply), "a")]
        assert [ack.code for ack in acks] == codes
        assert {ack.control_id for ack in acks} <= {"C1"}
    assert await ward.admitted() == (["1"] if number == "1" else [])


async def test_a_message_for_another_door_is_rejected_by_the_accept_acknowledgement_alone(ward: Ward) -> None:
    [raw] = await ward.door(asking(adt("1", kind="ORU^R01"), "AL", "AL"), "a")
    ack = read_ack(raw)
    assert (ack.code, ack.errors[0].field) == ("CR", 9)
    assert Message.parse(raw).kind == "ACK^R01"


async def test_what_could_not_be_kept_is_never_told_to_be_taken(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    ward = Ward(pool)
    ward.door = Door("patients", {"ADT^A04": ward.admit}, ward.unit, Intake(Full(SEAL)))
    [raw] = await ward.door(asking(adt("crash"), "AL", "AL"), "a")
    assert read_ack(raw).code == "CE"
