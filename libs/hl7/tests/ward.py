"""A service with an HL7 door and one table, and the messages that come to it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

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
    read_ack,
)
from fj_hl7.receipt import Receipt

if TYPE_CHECKING:
    import asyncpg
    from asyncpg.pool import PoolConnectionProxy

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
        self.told.append(("refused", receipt.actor or outcome.errors[0].code))

    def accepted(self, unit: Unit, receipt: Receipt, message: Message) -> None:  # noqa: ARG002
        self.told.append(("accepted", receipt.actor or message.control_id))

    def reread(self, unit: Unit, receipt: Receipt, message: Message, reason: str) -> None:  # noqa: ARG002
        self.told.append(("reread", f"{receipt.actor}: {reason}"))

    @asynccontextmanager
    async def unit(self, actor: str | None = None) -> AsyncIterator[Unit]:  # noqa: ARG002 - as a service opens it
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


def adt(number: str, control_id: str = "C1", kind: str = "ADT^A04", *more: str) -> bytes:
    head = f"MSH|^~\\&|EHR|NORTH|FJ|MAIN|2026||{kind}|{control_id}|P|2.5"
    return "\r".join((head, f"PID|||{number}", *more)).encode() + b"\r"
