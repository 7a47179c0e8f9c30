"""kill -9 along the chain from C-STORE to fact: what was acknowledged arrives, once."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from fj_local.services import script
from fj_testing import Log, Services
from fj_testing.stack import S3

from services.ingest.tests.builders import EXPLICIT, Modality, an_instance, encoded, send
from services.ingest.tests.doors import World, store_of

pytestmark = [pytest.mark.servers, pytest.mark.failure]


def suffixes(folder: Path) -> list[str]:
    """What the files of a journal say of their state."""
    return [path.suffix for path in folder.iterdir()]


async def test_a_receiver_killed_inside_an_association_loses_nothing_that_it_acknowledged(
    services: Services, log: Log, s3: S3, free_port: Callable[[], int], tmp_path: Path
) -> None:
    services.create_topics()
    port = free_port()
    journal: dict[str, str | int] = {"INGEST_DIMSE_PORT": port, "INGEST_JOURNAL": str(tmp_path)}
    receiver = services.start("ingest", "receiver", **journal, INGEST_SEGMENT_IDLE=600, INGEST_SEGMENT_AGE=600)
    study = [an_instance("1.2.5.1", "1.2.5.1.1", pixels=50_000) for _ in range(5)]
    link = await asyncio.to_thread(Modality(port).associate, EXPLICIT)
    for instance in study:
        assert await asyncio.to_thread(send, link, instance) == 0x0000
    receiver.kill()
    await asyncio.to_thread(link.abort)
    assert suffixes(tmp_path) == [".open"]
    world = World(services.start("ingest", "shipper,relay", **journal), log, store_of(s3))
    (fact,) = await world.facts("1.2.5.1")
    assert [await world.data_of(fact, nth) for nth in range(5)] == [encoded(instance) for instance in study]
    await world.journal_is_empty()
    receiver.start()
    assert await Modality(port).store(*study) == [0x0000] * 5
    await world.journal_is_empty()
    assert len(await world.facts("1.2.5.1")) == 1


async def test_receiving_needs_neither_store_nor_database_nor_broker(
    services: Services, log: Log, s3: S3, free_port: Callable[[], int], tmp_path: Path
) -> None:
    """And `drain` empties what such a process leaves behind."""
    services.create_topics()
    dimse, nobody = free_port(), free_port()
    cut_off = services.start(
        "ingest",
        INGEST_DIMSE_PORT=dimse,
        INGEST_JOURNAL=str(tmp_path),
        FJ_S3_ENDPOINT=f"http://127.0.0.1:{nobody}",
        INGEST_POSTGRES=f"postgresql://nobody:x@127.0.0.1:{nobody}/nothing",
        FJ_KAFKA=f"127.0.0.1:{nobody}",
    )
    sent = an_instance()
    assert await Modality(dimse).store(sent) == [0x0000]
    cut_off.stop()
    drain = services.environment("ingest") | {"INGEST_JOURNAL": str(tmp_path)}
    done = await asyncio.create_subprocess_exec(script("ingest"), "--role", "drain", env=drain)
    assert await done.wait() == 0
    assert not suffixes(tmp_path)
    world = World(services.start("ingest", "relay", INGEST_JOURNAL=str(tmp_path)), log, store_of(s3))
    await world.facts(sent.StudyInstanceUID)


async def test_two_receivers_share_the_port_and_one_takes_over_what_the_other_leaves(
    services: Services, log: Log, s3: S3, free_port: Callable[[], int], tmp_path: Path
) -> None:
    services.create_topics()
    port = free_port()
    shared: dict[str, str | int] = {"INGEST_DIMSE_PORT": port, "INGEST_JOURNAL": str(tmp_path)}
    processes = [services.start("ingest", role, **shared) for role in ("all", "receiver")]
    world = World(processes[0], log, store_of(s3))
    modality = Modality(port)
    sent = [an_instance() for _ in range(20)]
    assert [await modality.store(instance) for instance in sent] == [[0x0000]] * 20
    processes[1].kill()
    for instance in sent:
        await world.facts(instance.StudyInstanceUID)
    await world.journal_is_empty()
