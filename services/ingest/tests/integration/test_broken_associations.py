"""Associations as no modality should have them: PDUs lost, doubled, swapped, cut, altered. None leaves anything."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import httpx
import pytest
from fj_testing import S3, Log, ServiceProcess, Services, eventually

from services.ingest.tests.builders import Modality, an_instance
from services.ingest.tests.conversation import a_conversation, mangled, talk
from services.ingest.tests.doors import World, store_of

COUNT: Final = int(os.environ.get("FJ_TEST_ASSOCIATIONS", "300"))
"""10,000 where somebody has the time."""
TOGETHER: Final = 8
GOOD_EVERY: Final = 50
SPARE: Final = 12
"""Threads and descriptors that the process may open and keep while it works: worker threads, pools of connections."""
pytestmark = [pytest.mark.servers, pytest.mark.failure, pytest.mark.timeout(180 + COUNT / 5)]


def held(process: ServiceProcess, what: str) -> int:
    """How many threads (`task`) or descriptors (`fd`) it has."""
    return len(list(Path(f"/proc/{process.running.pid}/{what}").iterdir()))


def surprises(process: ServiceProcess) -> list[str]:
    """What was not foreseen, in its log."""
    lines = process.log(COUNT * 20).splitlines()
    return [line for line in lines if '"level": "error"' in line and '"logger": "fj_dicom.' in line]


async def ends(process: ServiceProcess) -> dict[str, float]:
    """How associations have ended."""
    async with httpx.AsyncClient(base_url=process.http, timeout=30) as http:
        lines = (await http.get("/metrics")).text.splitlines()
    found = [line for line in lines if line.startswith("fj_dicom_associations_total{")]
    return {line.split('outcome="')[1].split('"')[0]: float(line.split()[-1]) for line in found}


async def test_broken_associations_leave_no_thread_no_descriptor_and_nobody_waiting(
    services: Services, log: Log, s3: S3, free_port: Callable[[], int], tmp_path: Path
) -> None:
    port = free_port()
    process = services.start("ingest", INGEST_DIMSE_PORT=port, INGEST_JOURNAL=str(tmp_path), INGEST_SEGMENT_BYTES=2**20)
    world = World(process, log, store_of(s3))
    conversation = a_conversation(an_instance())
    good = [an_instance() for _ in range(COUNT // GOOD_EVERY + 1)]
    assert await Modality(port).store(good[0]) == [0x0000]
    await world.journal_is_empty()
    before, pid = {what: held(process, what) for what in ("task", "fd")}, process.running.pid
    turns = asyncio.Semaphore(TOGETHER)

    async def one(seed: int) -> None:
        async with turns:
            await asyncio.to_thread(talk, port, mangled(conversation, seed), seed)
            if seed % GOOD_EVERY == 0:
                assert await Modality(port).store(good[seed // GOOD_EVERY]) == [0x0000]

    async with asyncio.TaskGroup() as group:
        for seed in range(1, COUNT + 1):
            group.create_task(one(seed))

    async def all_ended() -> bool:
        return sum((await ends(process)).values()) >= COUNT + len(good)

    await eventually(all_ended, within=60, what="every association has ended")
    await world.journal_is_empty(within=60 + COUNT / 10)

    def nothing_is_left() -> bool:
        return all(held(process, what) <= before[what] + SPARE for what in before)

    await eventually(nothing_is_left, within=30, what="threads and descriptors are as many as before")
    assert process.running.pid == pid
    told = [record.body["study_instance_uid"] for record in await log.read("instance-events")]
    assert all(told.count(sent.StudyInstanceUID) == 1 for sent in good)
    assert surprises(process) == []
