"""INGEST_ACK_AFTER=object: success means that pack and fact are out, a failure that nothing of it is left."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from fj_dicom import Store
from fj_local.postgres import Server
from fj_testing import Log, ServiceProcess, Services, eventually
from fj_testing.stack import S3

from services.ingest.tests.builders import Modality, an_instance, encoded, part10
from services.ingest.tests.doors import World, store_of

pytestmark = [pytest.mark.servers, pytest.mark.failure, pytest.mark.timeout(180)]
MULTIPART = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}


def a_body(file: bytes) -> bytes:
    return b"--b\r\nContent-Type: application/dicom\r\n\r\n" + file + b"\r\n--b--\r\n"


def left_in(journal: Path) -> list[str]:
    """Segments, in whatever folder of the journal."""
    return [path.name for path in journal.rglob("*") if path.suffix in {".open", ".tar", ".sending"}]


@pytest.fixture
def start(
    services: Services, free_port: Callable[[], int], tmp_path: Path
) -> Callable[..., tuple[ServiceProcess, int]]:
    services.create_topics()

    def run(**settings: str | int) -> tuple[ServiceProcess, int]:
        port = free_port()
        shared: dict[str, str | int] = {"INGEST_ACK_AFTER": "object", "INGEST_JOURNAL": str(tmp_path)}
        return services.start("ingest", "all", **shared, INGEST_DIMSE_PORT=port, **settings), port

    return run


async def committed(services: Services) -> int:
    """How many instances are committed, whatever the relay has told of them yet."""
    connection = await asyncpg.connect(services.database("ingest"))
    try:
        count: int = await connection.fetchval("SELECT coalesce(sum(length(digests)), 0) / 16 FROM digests")
        return count
    finally:
        await connection.close()


async def test_success_means_that_pack_and_fact_are_out(
    start: Callable[..., tuple[ServiceProcess, int]], services: Services, log: Log, s3: S3, tmp_path: Path
) -> None:
    process, port = start()
    world = World(process, log, store_of(s3))
    sent = [an_instance("1.2.10.1", "1.2.10.1.1", pixels=300_000) for _ in range(3)]
    assert await Modality(port).store(*sent, sent[0]) == [0x0000] * 4
    assert await committed(services) == 3
    assert left_in(tmp_path) == []
    facts = await world.facts("1.2.10.1", count=3)
    assert [await world.data_of(fact) for fact in facts] == [encoded(dataset) for dataset in sent]
    async with httpx.AsyncClient(base_url=process.http, timeout=30) as http:
        web = an_instance("1.2.10.2")
        answer = await http.post("/dicomweb/studies", content=a_body(part10(web)), headers=MULTIPART)
        assert answer.status_code == 200
        assert await committed(services) == 4
    assert len(await log.read("instance-events")) == 4


async def refused(process: ServiceProcess, port: int, tmp_path: Path) -> None:
    """Both doors say that it cannot be stored now, and nothing stays."""
    sent = an_instance("1.2.10.3")
    assert await Modality(port).store(sent) == [Store.OUT_OF_RESOURCES]
    async with httpx.AsyncClient(base_url=process.http, timeout=30) as http:
        answer = await http.post("/dicomweb/studies", content=a_body(part10(sent)), headers=MULTIPART)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert left_in(tmp_path) == []


async def test_without_an_object_store_a_failure_means_that_nothing_is_left(
    start: Callable[..., tuple[ServiceProcess, int]], services: Services, free_port: Callable[[], int], tmp_path: Path
) -> None:
    before = await committed(services)
    process, port = start(FJ_S3_ENDPOINT=f"http://127.0.0.1:{free_port()}", INGEST_OBJECT_DEADLINE=2)
    await refused(process, port, tmp_path)
    assert await committed(services) == before


async def test_without_a_database_too_and_it_is_over_when_the_database_is_back(
    start: Callable[..., tuple[ServiceProcess, int]], services: Services, postgres: Server, tmp_path: Path
) -> None:
    process, port = start(INGEST_OBJECT_DEADLINE=2)
    before = await committed(services)
    name = urlsplit(services.database("ingest")).path.removeprefix("/")
    postgres.run_sql(
        f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false;'
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}';"
    )
    await refused(process, port, tmp_path)
    postgres.run_sql(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true;')
    assert await committed(services) == before

    async def stored() -> bool:
        return await Modality(port).store(an_instance("1.2.10.5")) == [0x0000]

    await eventually(stored)
    assert await committed(services) == before + 1


async def test_what_a_killed_process_has_not_acknowledged_is_removed(
    start: Callable[..., tuple[ServiceProcess, int]], services: Services, free_port: Callable[[], int], tmp_path: Path
) -> None:
    process, port = start(FJ_S3_ENDPOINT=f"http://127.0.0.1:{free_port()}", INGEST_OBJECT_DEADLINE=60)
    sending = asyncio.create_task(Modality(port).store(an_instance("1.2.10.4")))

    async def waits() -> bool:
        return bool(left_in(tmp_path))

    await eventually(waits)
    process.kill()
    with pytest.raises(AssertionError, match="lost"):
        await sending
    before = await committed(services)
    start()
    assert left_in(tmp_path) == []
    assert await committed(services) == before
