"""A journal on two disks: senders at work at the same time are spread over both, and all that they sent is shipped."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from fj_testing import S3, Log, Services

from services.ingest.tests.builders import EXPLICIT, Modality, an_instance, encoded, send
from services.ingest.tests.doors import World, store_of

pytestmark = pytest.mark.servers
MODALITIES = 4
SLICES = 3


async def test_modalities_are_spread_over_both_disks_and_all_is_shipped(
    services: Services, log: Log, s3: S3, free_port: Callable[[], int], tmp_path: Path
) -> None:
    first, second = disks = tmp_path / "first", tmp_path / "second"
    port = free_port()
    settings: dict[str, str | int] = {"INGEST_DIMSE_PORT": port, "INGEST_JOURNAL": f"{first}:{second}"}
    ingest = services.start("ingest", "all", **settings, INGEST_SEGMENT_IDLE=600, INGEST_SEGMENT_AGE=600)
    world = World(ingest, log, store_of(s3))
    links = [await asyncio.to_thread(Modality(port).associate, EXPLICIT) for _ in range(MODALITIES)]
    studies = [
        [an_instance(f"1.2.9.{number}", f"1.2.9.{number}.1") for _ in range(SLICES)] for number in range(MODALITIES)
    ]
    for link, study in zip(links, studies, strict=True):
        for image in study:
            assert await asyncio.to_thread(send, link, image) == 0x0000
    assert [len(list(disk.glob("*.open"))) for disk in disks] == [MODALITIES // 2] * 2
    for link in links:
        await asyncio.to_thread(link.release)
    for study in studies:
        [fact] = await world.facts(study[0].StudyInstanceUID)
        assert [await world.data_of(fact, nth) for nth in range(SLICES)] == [encoded(image) for image in study]
    await world.journal_is_empty()
    assert [list(disk.glob("*.open")) for disk in disks] == [[], []]
