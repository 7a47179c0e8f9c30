"""Frames that come at the same time share a transaction: faster, and nobody notices by anything else."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

import asyncpg
import pytest
from fj_hl7 import AckCode, Door, Hl7Error, Intake, Ledger, Message, MllpServer, Refusal, Seal, read_ack
from fj_hl7.framing import END, frame
from fj_testing import eventually

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
    """A service with one table. What a message does is its PID-3: `refused`, `crash` and `hangs` do what they say."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self.pool = pool
        self.commits = 0
        self.runs: list[int] = []
        self.failing_commits = 0
        self.hold = asyncio.Event()
        self.hold.set()
        self.door = Door("patients", {"ADT^A04": self.admit}, self.unit, Intake(Ledger(SEAL)))

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[Unit]:
        async with self.pool.acquire() as connection, connection.transaction():
            yield Unit(connection)
            await self.hold.wait()
            if self.failing_commits:
                self.failing_commits -= 1
                raise ConnectionResetError
        self.commits += 1

    async def admit(self, messages: Sequence[Message], unit: Unit) -> None:
        self.runs.append(len(messages))
        for message in messages:
            number = message["PID"].required(3)
            await unit.connection.execute("INSERT INTO admitted (number) VALUES ($1)", number)
            if number.startswith("refused"):
                raise Refusal(AckCode.AE, Hl7Error("no"))
            if number.startswith("crash"):
                await unit.connection.execute("SELECT 1 / 0")
            if number.startswith("hangs"):
                await unit.connection.execute("SELECT pg_sleep(60)")

    async def answer(self, number: str) -> str:
        [answer] = await self.door(adt(number), "127.0.0.1")
        return read_ack(answer).code

    async def answers(self, *numbers: str) -> list[str]:
        return await asyncio.gather(*map(self.answer, numbers))

    async def admitted(self) -> list[str]:
        return [row[0] for row in await self.pool.fetch("SELECT number FROM admitted ORDER BY nth")]

    async def known(self) -> int:
        return int(await self.pool.fetchval("SELECT count(*) FROM hl7_received"))


@pytest.fixture(scope="module")
async def pool(database: str) -> "AsyncIterator[asyncpg.Pool[asyncpg.Record]]":
    async with asyncpg.create_pool(database, min_size=1, max_size=8) as pool:
        await pool.execute(LEDGER)
        await pool.execute("CREATE TABLE admitted (number text NOT NULL, nth integer GENERATED ALWAYS AS IDENTITY)")
        yield pool


@pytest.fixture
async def ward(pool: "asyncpg.Pool[asyncpg.Record]") -> Ward:
    await pool.execute("TRUNCATE admitted, hl7_received, hl7_refused")
    return Ward(pool)


def adt(number: str) -> bytes:
    return f"MSH|^~\\&|EHR|NORTH|FJ|MAIN|2026||ADT^A04|C{number}|P|2.5\rPID|||{number}\r".encode()


def good(count: int) -> list[str]:
    return [f"good{n}" for n in range(count)]


async def test_frames_at_the_same_time_share_transactions(ward: Ward) -> None:
    assert await ward.answers(*good(40)) == ["AA"] * 40
    assert sorted(await ward.admitted()) == sorted(good(40))
    assert await ward.known() == 40
    assert ward.commits <= 4
    assert len(ward.runs) == ward.commits
    assert sum(ward.runs) == 40


async def test_who_was_answered_together_goes_together_again(ward: Ward) -> None:
    async def sender(name: str, slowness: int) -> None:
        for n in range(20):
            assert await ward.answer(f"{name}-{n}") == "AA"
            for _ in range(slowness):
                await asyncio.sleep(0)

    await asyncio.gather(*(sender(f"ward{n}", n) for n in range(8)))
    assert sum(ward.runs) == 160
    # 20 where none is ever late, some more on a busy machine; above 60 where the quickest of all goes ahead alone.
    assert ward.commits <= 60, ward.runs


async def test_many_are_shared_out_to_the_lanes_and_few_are_one_go(ward: Ward) -> None:
    assert await ward.answers(*good(24)) == ["AA"] * 24
    assert ward.runs == [12, 12]
    ward.runs.clear()
    assert await ward.answers(*(f"few{n}" for n in range(11))) == ["AA"] * 11
    assert ward.runs == [11]


async def test_bad_messages_are_refused_and_their_neighbours_are_not(ward: Ward) -> None:
    numbers = good(30)
    numbers[3], numbers[9], numbers[20] = "refused", "crash", "refused again"
    expected = ["AA" if number.startswith("good") else "AE" for number in numbers]
    assert await ward.answers(*numbers) == expected
    assert sorted(await ward.admitted()) == sorted(number for number in numbers if number.startswith("good"))
    assert await ward.known() == 27
    refused = await ward.pool.fetch("SELECT control_id, times FROM hl7_refused")
    assert {(row["control_id"], row["times"]) for row in refused} == {
        ("Crefused", 1),
        ("Ccrash", 1),
        ("Crefused again", 1),
    }


async def test_nobody_is_answered_before_the_commit_of_all(ward: Ward) -> None:
    ward.hold.clear()
    waiting = [asyncio.create_task(ward.answer(number)) for number in good(10)]
    await asyncio.sleep(0.3)
    assert not any(task.done() for task in waiting)
    assert await ward.admitted() == []
    ward.hold.set()
    assert await asyncio.gather(*waiting) == ["AA"] * 10
    assert len(await ward.admitted()) == 10


async def test_a_commit_that_fails_is_repeated_one_by_one_and_each_has_its_own_end(ward: Ward) -> None:
    ward.failing_commits = 2  # that of all ten, and that of the first one alone
    codes = await ward.answers(*good(10))
    assert sorted(codes) == ["AA"] * 9 + ["AE"]
    assert len(await ward.admitted()) == await ward.known() == 9


async def test_who_gives_up_leaves_nothing_behind_and_the_others_go_on(ward: Ward) -> None:
    async def impatient() -> str:
        async with asyncio.timeout(0.5):
            return await ward.answer("hangs")

    numbers = good(10)
    outcomes = await asyncio.gather(
        *map(ward.answer, numbers[:5]), impatient(), *map(ward.answer, numbers[5:]), return_exceptions=True
    )
    assert [outcome for outcome in outcomes if outcome == "AA"] == ["AA"] * 10
    assert [type(outcome) for outcome in outcomes if outcome != "AA"] == [TimeoutError]
    assert sorted(await ward.admitted()) == sorted(numbers)
    assert await ward.known() == 10


async def test_the_same_message_twice_in_company_has_one_effect(ward: Ward) -> None:
    answers = await asyncio.gather(*(ward.door(adt(number), "a") for number in ["good1", "good2", "good1", "good1"]))
    assert answers[0] == answers[2] == answers[3] != answers[1]
    assert sorted(await ward.admitted()) == ["good1", "good2"]


async def test_each_connection_keeps_its_order(ward: Ward) -> None:
    server = MllpServer("patients", "127.0.0.1", 0, ward.door)
    stop = asyncio.Event()
    running = asyncio.create_task(server.run(stop))
    await eventually(lambda: server.health().ok)

    async def send(connection: int) -> None:
        """All frames in one go: the next one is taken up when the one before is answered."""
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        numbers = [f"{connection}-{n:02}" for n in range(20)]
        numbers[10] = f"refused {connection}"
        writer.write(b"".join(frame(adt(number)) for number in numbers))
        answers = [read_ack((await reader.readuntil(END))[1:-2]) for _ in numbers]
        assert [answer.control_id for answer in answers] == [f"C{number}" for number in numbers]
        assert [answer.code for answer in answers] == ["AE" if n == 10 else "AA" for n in range(20)]
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*map(send, range(8)))
    stop.set()
    await running
    admitted = await ward.admitted()
    for connection in range(8):
        mine = [number for number in admitted if number.startswith(f"{connection}-")]
        assert mine == [f"{connection}-{n:02}" for n in range(20) if n != 10]
    assert ward.commits < 8 * 20
