"""An object store that fails as real ones do: what stands between it and a service does so for it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from fj_testing.eventually import eventually

TORN_AFTER: Final = 64 * 1024
"""Bytes that a torn connection lets through."""
BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/xml\r\nContent-Length: 46\r\n"
    b"Connection: close\r\n\r\n<Error><Code>SlowDown</Code><Message/></Error>"
)
ANSWERED: Final = 1024 * 1024
"""Bytes that it lets through of an answer."""
Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Fault: TypeAlias = Callable[["Between", Streams], Awaitable[None]]


class Between:
    """Stands between a service and the object store, and does to each connection what `fault` says."""

    def __init__(self, endpoint: str) -> None:
        address = urlsplit(endpoint)
        self._store = (address.hostname, address.port)
        self.fault: Fault | None = None
        self.failed = 0
        self._open: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def listening(self, port: int) -> AsyncIterator[None]:
        async with await asyncio.start_server(self._serve, "127.0.0.1", port):
            yield
            self.fault = None
            self.cut()
            await eventually(lambda: not self._open, what="no connection is left")

    def cut(self) -> None:
        """End the connections that are there, as a fault begins for them too."""
        for writer in self._open:
            writer.transport.abort()

    async def connect(self) -> Streams:
        """A connection to the store itself."""
        return await asyncio.open_connection(*self._store)

    async def pass_on(self, client: Streams, most: int | None = None) -> None:
        """What the client says, at most so many bytes, and what the store answers."""
        reader, writer = await self.connect()
        answers = asyncio.create_task(_copy(reader, client[1], None))
        try:
            await _copy(client[0], writer, most)
        finally:
            answers.cancel()
            writer.transport.abort()
            await asyncio.wait([answers])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            with suppress(ConnectionError):
                if self.fault is None:
                    await self.pass_on((reader, writer))
                else:
                    self.failed += 1
                    await self.fault(self, (reader, writer))
        finally:
            self._open.discard(writer)
            writer.transport.abort()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter, most: int | None) -> None:
    while (most is None or most > 0) and (data := await source.read(16 * 1024 if most is None else most)):
        target.write(data)
        await target.drain()
        most = None if most is None else most - len(data)


async def too_busy(_between: Between, client: Streams) -> None:
    """503 SlowDown, as S3 says it."""
    await client[0].readuntil(b"\r\n\r\n")
    client[1].write(BUSY)
    await client[1].drain()
    client[1].close()
    await client[1].wait_closed()


async def torn_in_the_request(between: Between, client: Streams) -> None:
    """The connection ends inside what the client says."""
    await between.pass_on(client, TORN_AFTER)


async def torn_before_the_answer(between: Between, client: Streams) -> None:
    """All of the request reaches the store, nothing of what it says comes back."""
    silent = await between.connect()
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await _copy(client[0], silent[1], None)
    finally:
        silent[1].transport.abort()


async def torn_in_the_answer(between: Between, client: Streams) -> None:
    """The connection ends inside what the store says, as one does that takes longer than its time."""
    reader, writer = await between.connect()
    passing = [
        asyncio.create_task(_copy(client[0], writer, None)),
        asyncio.create_task(_copy(reader, client[1], ANSWERED)),
    ]
    try:
        await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
        client[1].close()
        await client[1].wait_closed()
    finally:
        for each in passing:
            each.cancel()
        writer.transport.abort()
        await asyncio.wait(passing)


async def closed_at_once(_between: Between, _client: Streams) -> None:
    """As if nobody listened."""
