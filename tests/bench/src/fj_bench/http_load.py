"""An HTTP client that only counts bytes: on the same cores as the server, it must cost little."""

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit


class Client:
    """One connection that reads answers without looking at them."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, url: str) -> Self:
        address = urlsplit(url)
        return cls(*await asyncio.open_connection(address.hostname, address.port, limit=2**22))

    async def get(self, path: str, accept: str) -> int:
        """Bytes of the body."""
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: bench\r\nAccept: {accept}\r\n\r\n".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        assert head.startswith("http/1.1 200"), head
        if "content-length: " in head:
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            left = length
            while left:
                left -= len(await self._reader.read(min(left, 2**20)))
            return length
        return await self._chunks()

    async def _chunks(self) -> int:
        length = 0
        while size := int(await self._reader.readline(), 16):
            await self._reader.readexactly(size + 2)
            length += size
        await self._reader.readline()
        return length


@dataclass(frozen=True, slots=True)
class Answers:
    """What came in a while."""

    per_second: float
    megabytes_per_second: float
    p95: float
    """Seconds."""


async def load(url: str, clients: int, path: Callable[[], str], accept: str, seconds: float) -> Answers:
    """So many clients ask one thing after the other, each over one connection."""
    times: list[float] = []
    until = time.perf_counter() + seconds

    async def ask() -> int:
        client, got = await Client.open(url), 0
        while (began := time.perf_counter()) < until:
            got += await client.get(path(), accept)
            times.append(time.perf_counter() - began)
        return got

    began = time.perf_counter()
    got = sum(await asyncio.gather(*(ask() for _ in range(clients))))
    took = time.perf_counter() - began
    p95 = statistics.quantiles(times, n=20)[-1] if len(times) > 1 else times[0]
    return Answers(len(times) / took, got / took / 1e6, p95)
