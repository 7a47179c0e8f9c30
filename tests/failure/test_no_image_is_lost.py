"""Each fault that receiving may meet. After each: what was acknowledged is there bit for bit, and once.

A real `ingest` that is broken, a real `storage` that is asked; see `aftermath`.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Protocol

import asyncpg
import httpx
import pytest
from fj_dicom import Store
from fj_testing import Log, ServiceProcess, Services, Stack, eventually
from fj_testing.between import (
    Between,
    Fault,
    Streams,
    closed_at_once,
    too_busy,
    torn_before_the_answer,
    torn_in_the_request,
)
from fj_testing.clock import Clock
from fj_testing.disk import own_disk

from services.ingest.tests.conversation import Caller, a_conversation, mangled, talk
from tests.failure.archive import Archive, a_study

OUTAGE = float(os.environ.get("FJ_TEST_OUTAGE_S", "0"))
"""How long the object store fails at least: 600 where somebody has the time."""
pytestmark = [pytest.mark.servers, pytest.mark.failure, pytest.mark.timeout(300 + 3 * OUTAGE)]
PREFIX = "lost-"
UNTIL_KILLED = {"INGEST_SEGMENT_IDLE": 600, "INGEST_SEGMENT_AGE": 600}
"""A segment stays open until its writer dies."""
JUMPS = ("+0", "-3600s", "+7200s", "+31536000s", "+0")
MANGLED = 40
"""Associations; `ingest`'s own tests have up to 10,000."""
IDLE = 200


class Begin(Protocol):
    """Starts an `ingest` with a journal of its own."""

    def __call__(self, **settings: str | int) -> Archive: ...


@pytest.fixture(scope="module")
def stations(
    fragile_stack: Stack, free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Services]:
    """Services on servers that may be killed."""
    server = fragile_stack.postgres()
    names = iter(("ingest", "storage"))
    services = Services(
        fragile_stack,
        PREFIX,
        lambda: server.create_database(next(names), "lost"),
        free_port,
        tmp_path_factory.mktemp("services"),
    )
    yield services
    services.stop_all()


@pytest.fixture(scope="module")
async def storage(stations: Services, free_port: Callable[[], int]) -> AsyncIterator[httpx.AsyncClient]:
    process = stations.start("storage", STORAGE_DIMSE_PORT=free_port(), STORAGE_QUIET_TIME=1)
    async with httpx.AsyncClient(base_url=process.http, timeout=20) as http:
        yield http


@pytest.fixture
def begin(
    stations: Services, fragile_stack: Stack, storage: httpx.AsyncClient, free_port: Callable[[], int], tmp_path: Path
) -> Iterator[Begin]:
    started: list[ServiceProcess] = []

    def begin(**settings: str | int) -> Archive:
        port, journal = free_port(), tmp_path / "journal"
        own: dict[str, str | int] = {
            "INGEST_DIMSE_PORT": port,
            "INGEST_JOURNAL": str(journal),
            "INGEST_SEGMENT_BYTES": 2**20,
            "INGEST_SEGMENT_IDLE": 1,
            "FJ_S3_RETRY_S": 1,
        }
        process = stations.start("ingest", "all", **{**own, **settings})
        started.append(process)
        folder = Path(str(settings.get("INGEST_JOURNAL", journal)))
        log = Log(fragile_stack.kafka(), PREFIX)
        return Archive(process, port, folder, stations.database("ingest"), storage, log)

    yield begin
    for process in started:
        process.stop()


async def test_the_receiver_is_killed_in_the_middle_of_an_object(begin: Begin) -> None:
    archive = begin(**UNTIL_KILLED)
    *whole, half = a_study(4)
    caller = await asyncio.to_thread(Caller, archive.port)
    await archive.sends_by(caller, *whole)
    await archive.begins(caller, half)
    await archive.dies_and_comes_back(caller.leaves)
    await archive.nothing_is_lost(nowhere=[half])
    await archive.sends(half, *whole)
    await archive.dies_and_comes_back()
    await archive.nothing_is_lost()


async def test_of_the_last_member_of_a_journal_only_the_headers_reached_the_disk(begin: Begin) -> None:
    """As a power cut leaves it, before its sync and so before its answer."""
    archive = begin(**UNTIL_KILLED)
    *whole, torn = a_study(4)
    caller = await asyncio.to_thread(Caller, archive.port)
    await archive.sends_by(caller, *whole)
    assert await asyncio.to_thread(caller.stores, torn) == 0x0000  # an answer that the power cut kept back

    def tear() -> None:
        caller.leaves()
        (segment,) = archive.journal.glob("*.open")
        data = bytearray(segment.read_bytes())
        at = data.index(torn.PixelData) + len(torn.PixelData) // 2
        data[at : at + 4096] = bytes(4096)
        segment.write_bytes(data)

    await archive.dies_and_comes_back(tear)
    await archive.nothing_is_lost(nowhere=[torn])
    await archive.sends(torn)
    await archive.dies_and_comes_back()
    await archive.nothing_is_lost()


@pytest.mark.parametrize("fault", [closed_at_once, too_busy, torn_in_the_request, torn_before_the_answer])
async def test_the_object_store_fails(
    fault: Fault, begin: Begin, fragile_stack: Stack, free_port: Callable[[], int]
) -> None:
    between, port = Between(fragile_stack.s3().endpoint), free_port()
    async with between.listening(port):
        archive = begin(FJ_S3_ENDPOINT=f"http://127.0.0.1:{port}", FJ_S3_TIMEOUT_S=3)
        between.fault = fault
        between.cut()
        until = time.monotonic() + OUTAGE
        while len(archive.acknowledged) < 4 or time.monotonic() < until:
            await archive.sends(*a_study(2))
            await asyncio.sleep(min(OUTAGE, 1))
        await eventually(lambda: between.failed >= 2, within=60, what="the shipper has met the fault")
        between.fault = None
        await archive.ships(within=60 + OUTAGE)
        await archive.nothing_is_lost()


@pytest.mark.parametrize("fault", [torn_in_the_request, torn_before_the_answer])
async def test_the_shipper_is_killed_in_an_upload(
    fault: Fault, begin: Begin, fragile_stack: Stack, free_port: Callable[[], int]
) -> None:
    """Some of the pack has reached the store, or all of it and nobody knows."""
    between, port = Between(fragile_stack.s3().endpoint), free_port()
    async with between.listening(port):
        archive = begin(FJ_S3_ENDPOINT=f"http://127.0.0.1:{port}", FJ_S3_TIMEOUT_S=3)
        met = asyncio.Event()

        async def fails(passing: Between, client: Streams) -> None:
            await fault(passing, client)
            met.set()
            await client[0].read()  # nothing more is heard until it is killed

        between.fault = fails
        between.cut()
        await archive.sends(*a_study())
        await asyncio.wait_for(met.wait(), 60)
        archive.ingest.kill()
        assert archive.segments() == [".sending"]
        between.fault = None
        await asyncio.to_thread(archive.ingest.start)
        await archive.nothing_is_lost()


async def test_the_shipper_is_killed_between_pack_and_fact(begin: Begin) -> None:
    archive = begin()
    holding = await asyncpg.connect(archive.database)
    transaction = holding.transaction()
    await transaction.start()
    await holding.execute("LOCK TABLE digests IN ACCESS EXCLUSIVE MODE")
    await archive.sends(*a_study())

    async def waits() -> bool:
        count: int = await holding.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return count > 0

    await eventually(waits, within=30)
    archive.ingest.kill()
    await transaction.rollback()
    await holding.close()
    await asyncio.to_thread(archive.ingest.start)
    await archive.nothing_is_lost()


async def test_the_shipper_is_killed_between_fact_and_removal(begin: Begin) -> None:
    """Its segment is still there, and the fact is told already."""
    archive = begin(**UNTIL_KILLED)
    caller = await asyncio.to_thread(Caller, archive.port)
    await archive.sends_by(caller, *a_study())
    (segment,) = archive.journal.glob("*.open")
    kept = segment.read_bytes()
    await archive.dies_and_comes_back(caller.leaves)
    await archive.ships()
    await archive.dies_and_comes_back(lambda: segment.write_bytes(kept))
    await archive.nothing_is_lost()


async def test_kafka_is_killed_and_comes_back_after_the_receiver(begin: Begin, fragile_stack: Stack) -> None:
    """The fact is committed, its segment gone, and who was to publish it too."""
    archive = begin()
    await archive.sends(*a_study())
    kill(fragile_stack, "kafka")
    await archive.sends(*a_study())
    await eventually(lambda: not archive.segments(), within=30)
    archive.ingest.kill()
    await asyncio.to_thread(fragile_stack.servers.start, "kafka")
    await asyncio.to_thread(archive.ingest.start)
    await archive.nothing_is_lost()


async def test_postgresql_is_killed_and_comes_back(begin: Begin, fragile_stack: Stack) -> None:
    archive = begin()
    await archive.sends(*a_study())
    kill(fragile_stack, "postgres")
    await archive.sends(*a_study())
    await asyncio.to_thread(fragile_stack.servers.start, "postgres")
    await archive.sends(*a_study())
    await archive.nothing_is_lost()


async def test_the_disk_is_nearly_full(begin: Begin) -> None:
    """Nothing is half taken: who was refused sends it again when there is room."""
    with own_disk() as disk:
        archive = begin(INGEST_JOURNAL=str(disk.folder / "journal"), INGEST_JOURNAL_FREE_MIN=disk.free_min)
        taken, refused = a_study(), a_study()
        await archive.sends(*taken)
        disk.fill()
        assert await archive.modality.store(*refused) == [Store.OUT_OF_RESOURCES] * len(refused)
        disk.make_room()
        await archive.nothing_is_lost(nowhere=refused)
        await archive.sends(*refused)
        await archive.nothing_is_lost()


async def test_the_clock_jumps(begin: Begin, tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock")
    archive = begin(**clock.environment)
    study = a_study(len(JUMPS))
    for jump, image in zip(JUMPS, study, strict=True):
        clock.set(jump)
        await archive.sends(image, study[0])
    await archive.nothing_is_lost()


async def test_peers_abort_in_the_middle_of_an_object(begin: Begin) -> None:
    archive = begin()
    ends = (Caller.aborts, Caller.leaves)
    halves = []
    for end in ends:
        whole, half = a_study(2)
        caller = await asyncio.to_thread(Caller, archive.port)
        await archive.sends_by(caller, whole)
        await archive.begins(caller, half)
        end(caller)
        halves.append(half)
    await archive.nothing_is_lost(nowhere=halves)
    await archive.sends(*halves)
    await archive.nothing_is_lost()


async def test_peers_mangle_their_pdus(begin: Begin) -> None:
    archive = begin()
    conversation = a_conversation(*a_study(1, pixels=2000))
    for seed in range(1, MANGLED + 1):
        await asyncio.to_thread(talk, archive.port, mangled(conversation, seed), seed)
        if seed % 10 == 0:
            await archive.sends(*a_study(2))
    await archive.nothing_is_lost()


async def test_many_associations_are_idle(begin: Begin) -> None:
    archive = begin(INGEST_ASSOCIATIONS_MAX=IDLE + 10)
    idle = await asyncio.to_thread(lambda: [Caller(archive.port) for _ in range(IDLE)])
    await archive.sends(*a_study())
    await archive.sends_by(idle[-1], *a_study())
    for caller in idle:
        caller.leaves()
    await archive.nothing_is_lost()


def kill(stack: Stack, server: str) -> None:
    """Kill -9."""
    running = stack.servers.home.running(server)
    assert running is not None
    running.kill()
