"""An EHR's listener that can misbehave. Plain asyncio, so that it shares no code with what it tests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

START, END = b"\x0b", b"\x1c\r"
ACCEPT, REFUSE, REJECT, SILENCE, HANG_UP = "AA", "AE", "AR", "silence", "hang up"
NUMBER = "number"
"""Accepts, and answers SN with NA: the placer order number is `EHR-` and the filler's."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message that arrived, split at the usual delimiters."""

    raw: bytes
    at: datetime

    def field(self, segment: str, number: int, component: int = 1) -> str:
        """The first such field; MSH counts as the standard does."""
        lines = [line.split("|") for line in self.raw.decode().split("\r") if line.startswith(segment)]
        index = number - 1 if segment == "MSH" else number
        fields = lines[0] if lines else []
        parts = fields[index].split("^") if index < len(fields) else []
        return parts[component - 1] if component <= len(parts) else ""

    @property
    def control_id(self) -> str:
        return self.field("MSH", 10)

    @property
    def placer(self) -> str:
        return self.field("ORC", 2) or self.field("SCH", 26)

    @property
    def says(self) -> str:
        """`ORU F`, `ORM SC IP`, `SIU S12`, `ADT A31` and so on."""
        kind = self.field("MSH", 9)
        match kind:
            case "ORU":
                return f"ORU {self.field('OBR', 25)}"
            case "SIU" | "ADT":
                return f"{kind} {self.field('MSH', 9, 2)}"
            case _:
                return f"{kind} {self.field('ORC', 1)} {self.field('ORC', 5)}"


@dataclass(slots=True)
class Listener:
    """Answers as `manner` says of each message; `taken` are those that it has accepted."""

    port: int
    manner: Callable[[Received], str] = lambda _: ACCEPT
    seen: list[Received] = field(default_factory=list)
    taken: list[Received] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @asynccontextmanager
    async def up(self) -> AsyncIterator[Self]:
        await self.start()
        try:
            yield self
        finally:
            await self.stop()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()
        self._server = None

    def told(self, placer: str) -> list[str]:
        """What was accepted about an order, in order."""
        return [message.says for message in self.taken if message.placer == placer]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                raw = (await reader.readuntil(END)).removeprefix(START).removesuffix(END)
                message = Received(raw, datetime.now(UTC))
                self.seen.append(message)
                if not await self._answer(message, writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, message: Received, writer: asyncio.StreamWriter) -> bool:
        how = self.manner(message)
        if how == HANG_UP:
            return False
        if how == SILENCE:
            return True
        if how in {ACCEPT, NUMBER}:
            self.taken.append(message)
        code, kind = (ACCEPT, "ORR^O02^ORR_O02") if how == NUMBER else (how, "ACK")
        head = f"MSH|^~\\&|EHR|E|FILMJACKET|MAIN|20260302||{kind}|X{len(self.seen)}|P|2.5.1"
        answer = f"{head}\rMSA|{code}|{message.control_id}"
        if how == NUMBER:
            filler = message.field("ORC", 3)
            answer += f"\rPID|1||1\rORC|NA|EHR-{filler}^EHR|{filler}"
        elif how != ACCEPT:
            answer += "|patient Beispiel is not known\rERR|||204^Unknown key identifier^HL70357|E"
        writer.write(START + answer.encode() + b"\r" + END)
        await writer.drain()
        return True
