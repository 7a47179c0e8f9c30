"""HL7: how fast orders are read, answered, and taken through a door with its ledger. Run: `python tests/bench/hl7.py`.

Everything in one run on one machine, so that the ratios mean something where the rates do not.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import asyncpg
from fj_hl7 import (
    CWE,
    CX,
    EI,
    HD,
    XPN,
    AckCode,
    Door,
    Entry,
    Ledger,
    Message,
    MllpClient,
    MllpServer,
    Receipt,
    Sender,
    ack,
)
from fj_hl7.builders import Header, Order, Patient, Visit, order_message
from fj_hl7.connection import Handle
from fj_hl7.ledger import Connection
from fj_testing import eventually
from fj_testing.stack import own_stack
from hl7apy.parser import parse_message

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

CONNECTIONS: Final = 16
MESSAGES: Final = 4_000
TARGET: Final = 20_000
FIELDS: Final = {
    "MSH": ((3, 1), (4, 1), (9, 1), (9, 2), (10, 1), (12, 1)),
    "PID": ((3, 1), (3, 4), (3, 5), (5, 1), (5, 2), (7, 1), (8, 1)),
    "ORC": ((1, 1), (2, 1), (2, 2), (3, 1), (5, 1)),
    "TQ1": ((7, 1), (9, 1)),
    "OBR": ((4, 1), (4, 2), (18, 1), (24, 1)),
    "ZDS": ((1, 1),),
}


def an_order(number: int = 1) -> bytes:
    """An ORM^O01 of 2 KB: an order with twelve clinical questions."""
    header = Header(sending=Sender("EHR", "NORTH"), receiving=Sender("FJ", "MAIN"), at=datetime.now(UTC))
    patient = Patient(
        identifiers=(CX("123456", HD("NORTH", "1.2.3", "ISO"), "MR"), CX("9", HD("NATION"), "NI")),
        names=(XPN("Example", "Ada", "Sample"),),
        sex="F",
    )
    order = Order(
        placer=EI(f"P{number}", HD("EHR")),
        filler=EI(f"F{number}", HD("FJ")),
        accession_number=f"A{number}",
        procedure=CWE("CTCHEST", "CT chest", "L"),
        modality="CT",
        priority="S",
        wanted=datetime.now(UTC),
        history="Never smoked. Cough for three weeks.",
        study_instance_uid=f"1.2.840.{number}",
    )
    question = "OBX|{0}|TX|1000-{0}^A question that was asked^LN||An answer about as long as they are: {0}||||||F\r"
    questions = "".join(question.format(n) for n in range(1, 15))
    return order_message(header, "NW", patient, Visit(), order) + questions.encode()


def read(raw: bytes) -> None:
    """What order intake looks at: 25 fields of 6 segments."""
    message = Message.parse(raw)
    [group] = message.groups()
    for name, places in FIELDS.items():
        segment = message[name] if name in {"MSH", "PID"} else group[name]
        for field, component in places:
            segment.get(field, component)


def split(raw: bytes) -> None:
    """The least that any eager reader does."""
    [[field.split("^") for field in line.split("|")] for line in raw.decode().split("\r")]


def rate(act: Callable[[bytes], object], raw: bytes, calls: int = 50, seconds: float = 2) -> float:
    """Calls a second: the best of many short rounds, of which others on the machine seldom hit all."""
    best, end = float("inf"), time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        for _ in range(calls):
            act(raw)
        best = min(best, time.perf_counter() - start)
    return calls / best


@dataclass(frozen=True)
class Unit:
    """One transaction."""

    connection: "PoolConnectionProxy[asyncpg.Record]"


class NoLedger(Ledger):
    """What the ledger costs is the difference to this one."""

    async def enter(self, connection: Connection, receipts: Sequence[Receipt]) -> list[Entry]:  # noqa: ARG002 - it keeps nothing
        return [Entry(None, reused=False) for _ in receipts]


class Intake:
    """A door whose handler writes one row."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", ledger: Ledger) -> None:
        self._pool = pool
        self.door = Door("orders", {"ORM^O01": self._take}, self._unit, ledger)

    @asynccontextmanager
    async def _unit(self) -> AsyncIterator[Unit]:
        async with self._pool.acquire() as connection, connection.transaction():
            yield Unit(connection)

    async def _take(self, message: Message, unit: Unit) -> None:
        order = message.groups()[0]["ORC"].get(2)
        await unit.connection.execute("INSERT INTO taken VALUES ($1, $2)", order, message.control_id)


async def accept(raw: bytes, _: str) -> bytes:
    """Read and acknowledge, nothing else."""
    return ack(Message.parse(raw), AckCode.AA)


async def over_mllp(handle: Handle, messages: Sequence[bytes]) -> tuple[float, float]:
    """Messages a second over all connections, and the 99th percentile of an answer in ms; client in this process."""
    server = MllpServer("orders", "127.0.0.1", 0, handle)
    stop = asyncio.Event()
    running = asyncio.create_task(server.run(stop))
    await eventually(lambda: server.health().ok, every=0.001)
    clients = [MllpClient("127.0.0.1", server.port) for _ in range(CONNECTIONS)]
    queue = iter(messages)
    waits: list[float] = []

    async def send(client: MllpClient) -> None:
        for raw in queue:
            start = time.perf_counter()
            await client.send(raw)
            waits.append(time.perf_counter() - start)

    start = time.perf_counter()
    await asyncio.gather(*map(send, clients))
    elapsed = time.perf_counter() - start
    await asyncio.gather(*(client.close() for client in clients))
    stop.set()
    await running
    return len(messages) / elapsed, sorted(waits)[int(len(waits) * 0.99)] * 1000


async def through_doors(dsn: str, messages: Sequence[bytes]) -> None:
    """Durable intake with and without the ledger, and all messages once more."""
    async with asyncpg.create_pool(dsn, min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
        await pool.execute(files("fj_hl7").joinpath("migrations", "0001_received_messages.sql").read_text())
        await pool.execute("CREATE TABLE taken (placer text, control_id text)")
        for name, ledger in (("no ledger", NoLedger()), ("ledger", Ledger()), ("ledger, sent again", Ledger())):
            per_second, p99 = await over_mllp(Intake(pool, ledger).door, messages)
            row(f"door, PostgreSQL, {name}", per_second, f"p99 {p99:.0f} ms")


def row(name: str, per_second: float, note: str = "") -> None:
    print(f"{name:42}{per_second:>10,.0f}/s  {note}")


def reading() -> None:
    """The reader against the least that an eager one does, and against hl7apy."""
    raw = an_order()
    text = raw.decode()
    ours, eager = rate(read, raw), rate(split, raw)
    row(f"read 25 fields of {len(raw)} bytes", ours, f"target {TARGET:,}/s: {'met' if ours >= TARGET else 'MISSED'}")
    row("eager split into fields and components", eager, f"ours is {ours / eager:.2f} times it")
    row("hl7apy parse", rate(lambda _: parse_message(text, find_groups=False), raw, calls=1), "the peer")
    message = Message.parse(raw)
    row("acknowledge", rate(lambda _: ack(message, AckCode.AA), raw))


async def doors() -> None:
    """MLLP alone, then doors with a real PostgreSQL behind them."""
    messages = [an_order(number) for number in range(MESSAGES)]
    per_second, p99 = await over_mllp(accept, messages)
    row(f"MLLP, {CONNECTIONS} connections, acknowledged only", per_second, f"p99 {p99:.0f} ms")
    with own_stack() as stack:
        await through_doors(stack.postgres().create_database("bench", "bench"), messages)


def main() -> None:
    """Print the table."""
    reading()
    asyncio.run(doors())


if __name__ == "__main__":
    main()
