"""The MLLP client: one connection to one destination, one message in flight."""

import asyncio
from ssl import SSLContext
from types import TracebackType
from typing import Final, Self

from fj_hl7.ack import Ack, read_ack
from fj_hl7.errors import BadMessage
from fj_hl7.framing import Framer, frame
from fj_hl7.message import Message

_MAX_ANSWER: Final = 1024 * 1024
_CHUNK: Final = 64 * 1024


class MllpError(Exception):
    """A message was not delivered. `destination` is host:port."""

    def __init__(self, destination: str, text: str) -> None:
        super().__init__(f"{destination}: {text}")
        self.destination = destination


class CannotConnect(MllpError):
    """Nothing was sent."""


class NoAnswer(MllpError):
    """Sent, but whether it arrived is not known: send the same bytes again."""


class Refused(MllpError):
    """The destination answered AE or AR (or CE, CR): `ack` says why. Sending the same again helps only after AE."""

    def __init__(self, destination: str, ack: Ack) -> None:
        super().__init__(destination, f"answered {ack.code}")
        self.ack = ack


class MllpClient:
    """Sends messages one after the other; connects when it must and again after every fault.

    `timeout`: seconds from sending to the answer; `connect_timeout`: for the connection alone.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        timeout: float = 30.0,
        connect_timeout: float = 5.0,
        ssl: SSLContext | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._destination = f"{host}:{port}"
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._ssl = ssl
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._one = asyncio.Lock()

    async def send(self, raw: bytes) -> Ack:
        """The acknowledgement (AA or CA) of one message. Raises CannotConnect, NoAnswer or Refused."""
        control_id = Message.parse(raw).control_id
        async with self._one:
            reader, writer = await self._connected()
            try:
                async with asyncio.timeout(self._timeout):
                    writer.write(frame(raw))
                    await writer.drain()
                    ack = await self._answer(reader)
            except TimeoutError:
                await self._drop()
                raise NoAnswer(self._destination, f"no answer within {self._timeout:g} s") from None
            except (OSError, BadMessage) as error:
                await self._drop()
                raise NoAnswer(self._destination, str(error) or type(error).__name__) from error
            except asyncio.CancelledError:
                await self._drop()
                raise
            if ack.control_id != control_id:
                await self._drop()
                raise NoAnswer(self._destination, "the answer belongs to another message")
        if not ack.accepted:
            raise Refused(self._destination, ack)
        return ack

    async def close(self) -> None:
        async with self._one:
            await self._drop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None:
            reader, writer = self._streams
            if not reader.at_eof() and not writer.is_closing():
                return self._streams
            await self._drop()
        try:
            async with asyncio.timeout(self._connect_timeout):
                self._streams = await asyncio.open_connection(self._host, self._port, ssl=self._ssl)
        except TimeoutError:
            raise CannotConnect(self._destination, f"no connection within {self._connect_timeout:g} s") from None
        except OSError as error:
            raise CannotConnect(self._destination, error.strerror or type(error).__name__) from error
        return self._streams

    async def _answer(self, reader: asyncio.StreamReader) -> Ack:
        framer = Framer(_MAX_ANSWER)
        while True:
            data = await reader.read(_CHUNK)
            if not data:
                if framer.waits_for_cr:
                    return read_ack(framer.close())
                raise ConnectionResetError("closed before the answer")
            frames = framer.feed(data)
            if frames:
                return read_ack(frames[0])
            if framer.too_long is not None:
                raise BadMessage("the answer is too long")

    async def _drop(self) -> None:
        if self._streams is None:
            return
        _, writer = self._streams
        self._streams = None
        writer.transport.abort()
