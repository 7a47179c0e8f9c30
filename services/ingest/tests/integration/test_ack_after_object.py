"""INGEST_ACK_AFTER=object: success means that pack and fact are out, a failure that nothing of it is left."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncpg
import httpx
import pytest
from fj_dicom import Store
from fj_testing import Log, ServiceProcess, Services, eventually
from fj_testing.stack import S3

from services.ingest.tests.builders import Modality, an_instance, encoded, part10
from services.ingest.tests.doors import World, store_of

pytestmark = [pytest.mark.servers, pytest.mark.failure]
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
        count: int = await connection.fetchval("SELECT count(*) FROM digests")
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


@pytest.mark.parametrize("gone", ["FJ_S3_ENDPOINT", "INGEST_POSTGRES"])
async def test_failure_means_that_nothing_is_left(
    start: Callable[..., tuple[ServiceProcess, int]],
    services: Services,
    free_port: Callable[[], int],
    tmp_path: Path,
    gone: str,
) -> None:
    nowhere = {
        "FJ_S3_ENDPOINT": f"http://127.0.0.1:{free_port()}",
        "INGEST_POSTGRES": f"postgresql://nobody:x@127.0.0.1:{free_port()}/nothing",
    }
    before = await committed(services)
    process, port = start(**{gone: nowhere[gone]}, INGEST_OBJECT_DEADLINE=2)
    sent = an_instance("1.2.10.3")
    assert await Modality(port).store(sent) == [Store.OUT_OF_RESOURCES]
    async with httpx.AsyncClient(base_url=process.http, timeout=30) as http:
        answer = await http.post("/dicomweb/studies", content=a_body(part10(sent)), headers=MULTIPART)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert left_in(tmp_path) == []
    assert await committed(services) == before


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
