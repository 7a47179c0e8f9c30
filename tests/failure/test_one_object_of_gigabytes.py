"""One object of gigabytes from its sender to its reader: in bounded memory all the way, bit for bit, and once."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from email.message import Message
from pathlib import Path
from typing import Final, TypeVar

import httpx
import pytest
from fj_testing import Log, ServiceProcess, Services
from pydicom import Dataset
from xxhash import xxh3_128

from services.ingest.tests.big import BigSender, headless, watched
from services.ingest.tests.builders import a_uid
from tests.failure.aftermath import once_in_the_index, once_on_the_log
from tests.failure.archive import Archive

T = TypeVar("T")
MIB: Final = 2**20
SIZE: Final = int(float(os.environ.get("FJ_TEST_GIANT_GB", "0.3")) * 10**9)
"""Of the object, in bytes. More than 8 GiB, and its length no longer fits into the fields of a tar."""
RECEIVING: Final = 32 * MIB
"""Memory of an association, whatever it receives (issue 8)."""
SHIPPING: Final = 256 * MIB
"""Of an upload: four parts of 16 MiB on their way, the next one, and what the client and its allocator hold."""
GIVING: Final = 64 * MIB
"""Of an answer."""
FILE: Final = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
PREFIX: Final = 128 + len(b"DICM") + 12
"""Up to the end of (0002,0000), which says how long the rest of the File Meta Information is (PS3.10 section 7.1)."""
WITHIN: Final = 60 + SIZE / 20e6
"""Seconds for each way."""
pytestmark = [pytest.mark.servers, pytest.mark.timeout(180 + SIZE / 5e6)]


@pytest.fixture
async def storage(
    services: Services, free_port: Callable[[], int]
) -> AsyncIterator[tuple[ServiceProcess, httpx.AsyncClient]]:
    process = services.start("storage", STORAGE_DIMSE_PORT=free_port(), STORAGE_QUIET_TIME=1)
    async with httpx.AsyncClient(base_url=process.http, timeout=60) as http:
        yield process, http


@pytest.fixture
def archive(
    services: Services,
    storage: tuple[ServiceProcess, httpx.AsyncClient],
    log: Log,
    free_port: Callable[[], int],
    tmp_path: Path,
) -> Archive:
    port, journal = free_port(), tmp_path / "journal"
    process = services.start("ingest", INGEST_DIMSE_PORT=port, INGEST_JOURNAL=str(journal), INGEST_SEGMENT_IDLE=1)
    return Archive(process, port, journal, services.database("ingest"), storage[1], log)


async def test_an_object_of_gigabytes_is_received_shipped_and_given_in_bounded_memory(
    archive: Archive, storage: tuple[ServiceProcess, httpx.AsyncClient]
) -> None:
    process, http = storage
    image = headless(a_uid())
    sender = BigSender(archive.port, image)
    ingest, storage_pid = archive.ingest.running.pid, process.running.pid

    def send() -> int:
        sender.send(SIZE)
        return sender.finish()

    status, receiving = await measured("receiving", ingest, lambda: asyncio.to_thread(send))
    assert status == 0x0000
    _, shipping = await measured("shipping", ingest, lambda: archive.ships(within=WITHIN))
    study, uid = str(image.StudyInstanceUID), str(image.SOPInstanceUID)
    await once_in_the_index(http, study, {uid}, set())
    checksum, giving = await measured("giving", storage_pid, lambda: checksum_given(http, image))
    assert checksum == sender.checksum.hexdigest()
    await once_on_the_log(archive.log, {uid}, set())
    assert receiving < RECEIVING
    assert shipping < SHIPPING
    assert giving < GIVING


async def measured(what: str, pid: int, work: Callable[[], Awaitable[T]]) -> tuple[T, int]:
    """What `work` returns, and how much more memory the process had meanwhile; told to whoever runs this with -s."""
    started = time.monotonic()
    result, more = await watched(pid, work)
    print(f"{what}: {SIZE / 1e9:g} GB in {time.monotonic() - started:.1f} s, {more / MIB:.1f} MiB")
    return result, more


async def checksum_given(storage: httpx.AsyncClient, image: Dataset) -> str:
    """Of the data set inside the file that WADO-RS gives, of which no more than a piece is held."""
    series = f"/dicomweb/studies/{image.StudyInstanceUID}/series/{image.SeriesInstanceUID}"
    async with storage.stream("GET", f"{series}/instances/{image.SOPInstanceUID}", headers=FILE) as answer:
        answer.raise_for_status()
        head = Message()
        head["content-type"] = answer.headers["content-type"]
        end = f"\r\n--{head.get_param('boundary')}--\r\n".encode()
        pieces = answer.aiter_bytes()
        _, _, file = (await anext(pieces)).partition(b"\r\n\r\n")
        while len(file) < MIB:
            file += await anext(pieces)
        length = int.from_bytes(file[PREFIX - 4 : PREFIX], "little")
        checksum, held = xxh3_128(), file[PREFIX + length :]
        async for piece in pieces:
            checksum.update(held[: -len(end)])
            held = held[-len(end) :] + piece
        assert held.endswith(end)
        checksum.update(held.removesuffix(end))
    return checksum.hexdigest()
