"""An object store that fails as real ones do: receiving goes on, and what was acknowledged arrives once."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import urlsplit

import pytest
from fj_testing import Log, Services, eventually

from services.ingest.tests.builders import Modality, a_uid, an_instance, encoded
from services.ingest.tests.doors import World, store_of

if TYPE_CHECKING:
    from fj_testing.stack import S3
    from pydicom import Dataset

PIXELS: Final = 100_000
"""Of an instance, so that a pack is longer than what a torn connection lets through."""
TORN_AFTER: Final = 64 * 1024
OUTAGE: Final = float(os.environ.get("FJ_TEST_OUTAGE_S", "0"))
"""How long a fault lasts at least: 600 where somebody has the time."""
pytestmark = [pytest.mark.servers, pytest.mark.failure, pytest.mark.timeout(180 + 3 * OUTAGE)]
BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/xml\r\nContent-Length: 46\r\n"
    b"Connection: close\r\n\r\n<Error><Code>SlowDown</Code><Message/></Error>"
)
Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Fault: TypeAlias = Callable[["Between", Streams], Awaitable[None]]


class Between:
    """Stands between `ingest` and the object store, and does to each connection what `fault` says."""

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

    async def pass_on(self, client: Streams, most: int | None = None) -> None:
        """What the client says, at most so many bytes, and what the store answers."""
        reader, writer = await asyncio.open_connection(*self._store)
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
    await client[0].readuntil(b"\r\n\r\n")
    client[1].write(BUSY)
    await client[1].drain()
    client[1].close()
    await client[1].wait_closed()


async def torn_in_the_request(between: Between, client: Streams) -> None:
    await between.pass_on(client, TORN_AFTER)


async def torn_before_the_answer(between: Between, client: Streams) -> None:
    """All of the request reaches the store, nothing of what it says comes back."""
    silent = await asyncio.open_connection(*between._store)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await _copy(client[0], silent[1], None)
    finally:
        silent[1].transport.abort()


async def closed_at_once(_between: Between, _client: Streams) -> None:
    """As if nobody listened."""


@pytest.mark.parametrize("fault", [closed_at_once, too_busy, torn_in_the_request, torn_before_the_answer])
async def test_what_was_acknowledged_while_the_store_failed_arrives_once_when_it_is_well(
    fault: Fault, services: Services, log: Log, free_port: Callable[[], int], request: pytest.FixtureRequest
) -> None:
    services.create_topics()
    s3: S3 = request.getfixturevalue("s3")
    between, store, dimse = Between(s3.endpoint), free_port(), free_port()
    async with between.listening(store):
        process = services.start(
            "ingest",
            INGEST_DIMSE_PORT=dimse,
            INGEST_JOURNAL=str(request.getfixturevalue("tmp_path")),
            FJ_S3_ENDPOINT=f"http://127.0.0.1:{store}",
            FJ_S3_TIMEOUT_S=3,
            FJ_S3_RETRY_S=1,
        )
        world = World(process, log, store_of(s3))
        between.fault = fault
        between.cut()
        studies: dict[str, list[Dataset]] = {}
        until = time.monotonic() + OUTAGE
        while len(studies) < 3 or time.monotonic() < until:
            uid, series = a_uid(), a_uid()
            studies[uid] = [an_instance(uid, series, pixels=PIXELS) for _ in range(2)]
            assert await Modality(dimse).store(*studies[uid]) == [0x0000] * 2
            await asyncio.sleep(min(OUTAGE, 1))

        async def has_failed() -> bool:
            return between.failed >= 3

        await eventually(has_failed, within=60, what="the shipper has met the fault")
        assert len((await world.journal())["segments"]) == len(studies)
        between.fault = None
        await world.journal_is_empty(within=60 + OUTAGE)
        # The log is read once, not for each study: after ten minutes there are hundreds.
        facts = await log.wait_for(
            "instance-events", where=lambda record: record.key in studies, count=len(studies), within=60
        )
        for fact in facts:
            expected = [encoded(instance) for instance in studies[fact.key]]
            assert [await world.data_of(fact.body, nth) for nth in range(2)] == expected
        told = [record.key for record in await log.read("instance-events") if record.key in studies]
        assert sorted(told) == sorted(studies)
