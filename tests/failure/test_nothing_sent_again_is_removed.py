"""A study is retired while the consumer of `ingest` lags: what is sent again meanwhile is never lost.

A real `ingest` and a real `storage`; the consumer of the one is a process of its own, started late.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

import asyncpg
import httpx
import pytest
from fj_testing import Log, ServiceProcess, Services, eventually
from pydicom import Dataset

from services.ingest.tests.builders import Modality, a_uid, an_instance, encoded

pytestmark = [pytest.mark.servers, pytest.mark.failure]
FILES = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
WITHOUT_CONSUMER = "receiver,shipper,relay"


@dataclass
class Archive:
    """What a sender and a person see of the two services."""

    modality: Modality
    http: httpx.AsyncClient
    log: Log
    index: "asyncpg.Pool[asyncpg.Record]"
    ingest: ServiceProcess
    forget: Callable[[], Awaitable[None]]
    """Let the consumer of `ingest` catch up."""

    async def sends(self, images: Sequence[Dataset]) -> None:
        assert set(await self.modality.store(*images)) == {0x0000}
        async with httpx.AsyncClient(base_url=self.ingest.http) as http:

            async def shipped() -> bool:
                return not (await http.get("/api/ingest/journal")).json()["segments"]

            await eventually(shipped, within=30)

    async def gives(self, images: Sequence[Dataset]) -> bool:
        """All of them, bit for bit."""
        answer = await self.http.get(f"/dicomweb/studies/{images[0].StudyInstanceUID}", headers=FILES)
        return answer.status_code == 200 and all(encoded(image) in answer.content for image in images)

    async def retires(self, study: str) -> None:
        address = f"/api/storage/studies/{study}"

        async def available() -> bool:
            found = await self.http.get(address)
            return found.status_code == 200 and found.json()["available_at"] is not None

        await eventually(available, within=30)
        said = await self.http.post(f"{address}/retire", json={"reason": "as agreed"}, headers={"X-FJ-User": "officer"})
        assert said.status_code == 200

    async def grace_ends(self, study: str) -> None:
        await self.index.execute("UPDATE retirement SET removal_at = now() WHERE study_instance_uid = $1", study)

    async def told(self, study: str, type_: str) -> None:
        await self.log.wait_for("study-events", where=lambda r: (r.key, r.type) == (study, type_), within=30)

    async def types(self, study: str) -> set[str]:
        return {record.type for record in await self.log.read("study-events") if record.key == study}


@pytest.fixture
async def archive(services: Services, log: Log, free_port: Callable[[], int], tmp_path: str) -> AsyncIterator[Archive]:
    port = free_port()
    ingest = services.start(
        "ingest",
        WITHOUT_CONSUMER,
        INGEST_DIMSE_PORT=port,
        INGEST_JOURNAL=f"{tmp_path}/journal",
        INGEST_SEGMENT_IDLE=1,
    )
    storage = services.start("storage", STORAGE_QUIET_TIME=1, STORAGE_DIMSE_PORT=free_port(), STORAGE_DELETION_DELAY=0)

    async def forget() -> None:
        await asyncio.to_thread(services.start, "ingest", "consumer", INGEST_JOURNAL=f"{tmp_path}/none")

    async with (
        httpx.AsyncClient(base_url=storage.http, timeout=20) as http,
        asyncpg.create_pool(services.database("storage"), min_size=1, max_size=2) as index,
    ):
        yield Archive(Modality(port), http, log, index, ingest, forget)


async def test_what_is_sent_again_while_the_consumer_of_ingest_lags_is_never_lost(archive: Archive) -> None:
    again, gone = ([an_instance(study, f"{study}.1") for _ in range(3)] for study in (a_uid()[:60], a_uid()[:60]))
    studies = [images[0].StudyInstanceUID for images in (again, gone)]
    for images in (again, gone):
        await archive.sends(images)
    for study in studies:
        await archive.retires(study)
    await archive.sends(again[:1])
    for study in studies:
        await archive.grace_ends(study)
    await asyncio.sleep(5)  # two looks of the clock
    for study in studies:
        assert "study.removed.v1" not in await archive.types(study)

    await archive.forget()
    await archive.told(studies[0], "study.recalled.v1")
    await archive.told(studies[1], "study.removed.v1")
    assert await archive.gives(again)
    assert "study.removed.v1" not in await archive.types(studies[0])

    await archive.sends(gone)
    await eventually(lambda: archive.gives(gone), within=30)
    await archive.retires(studies[0])
    await archive.grace_ends(studies[0])
    await archive.told(studies[0], "study.removed.v1")
    await archive.sends(again)
    await eventually(lambda: archive.gives(again), within=30)
