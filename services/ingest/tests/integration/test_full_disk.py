"""The journal's disk is nearly full: senders are told so, and it is over when there is room again."""

from collections.abc import Callable, Iterator

import httpx
import pytest
from fj_dicom import Store
from fj_testing import Services
from fj_testing.disk import Disk, own_disk

from services.ingest.tests.builders import Modality, an_instance, part10

pytestmark = pytest.mark.servers
MIB = 1024 * 1024


@pytest.fixture
def disk() -> Iterator[Disk]:
    with own_disk() as disk:
        yield disk


async def test_a_disk_that_is_nearly_full_is_told_and_gets_over_it(
    services: Services, free_port: Callable[[], int], disk: Disk
) -> None:
    services.create_topics()
    port = free_port()
    process = services.start(
        "ingest",
        "receiver,listener",
        INGEST_DIMSE_PORT=port,
        INGEST_JOURNAL=str(disk.folder / "journal"),
        INGEST_SEGMENT_BYTES=MIB,
        INGEST_JOURNAL_FREE_MIN=disk.free_min,
    )
    modality = Modality(port)
    study = [an_instance("1.2.7.1") for _ in range(3)]
    assert await modality.store(study[0]) == [0x0000]
    disk.fill()
    async with httpx.AsyncClient(base_url=process.http) as http:
        assert await modality.store(*study) == [Store.OUT_OF_RESOURCES] * 3
        assert not (await http.get("/api/ingest/journal")).json()["accepting"]
        content = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + part10(study[1]) + b"\r\n--b--\r\n"
        headers = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}
        refused = await http.post("/dicomweb/studies", content=content, headers=headers)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
        assert (await http.get("/health/ready")).status_code == 200
        disk.make_room()
        assert (await http.get("/api/ingest/journal")).json()["accepting"]
    assert await modality.store(*study) == [0x0000] * 3
