"""Objects larger than memory and than a segment: received in bounded memory, whole or not at all."""

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fj_dicom import Store
from fj_testing import PATIENCE, Services, eventually

from services.ingest.tests.big import PDV, BigSender, headless, watched
from services.ingest.tests.builders import Modality, an_instance

pytestmark = [pytest.mark.servers, pytest.mark.failure, pytest.mark.timeout(180)]
MIB = 1024 * 1024
SIZE = int(os.environ.get("FJ_TEST_OBJECT_BYTES", str(2048 * MIB)))
"""10 GB and more where somebody wants to see it."""
BOUND = 32 * MIB
"""Memory of one association."""
DONE = 0x0000


@pytest.fixture
def journal() -> Iterator[Path]:
    """In memory: what is measured is not the disk."""
    folder = Path(tempfile.mkdtemp(prefix="fj-large-", dir="/dev/shm"))
    yield folder
    shutil.rmtree(folder)


def sealed_sizes(journal: Path) -> list[int]:
    """Of its sealed segments, the smallest first."""
    return sorted(path.stat().st_size for path in journal.glob("*.tar"))


async def test_an_object_larger_than_memory_is_received_in_bounded_memory(
    services: Services, free_port: Callable[[], int], journal: Path
) -> None:
    """And larger than a segment; one that breaks off in the middle leaves nothing, and costs nobody else anything."""
    if shutil.disk_usage(journal).free < 2 * SIZE:
        pytest.skip(f"needs {2 * SIZE // MIB} MiB in /dev/shm")
    port = free_port()
    process = services.start(
        "ingest", "receiver", INGEST_DIMSE_PORT=port, INGEST_JOURNAL=str(journal), INGEST_SEGMENT_BYTES=64 * MIB
    )
    assert await Modality(port).store(an_instance("1.2.11.1")) == [DONE]

    def send() -> int:
        whole, broken = BigSender(port, headless("1.2.11.2")), BigSender(port, headless("1.2.11.3"))
        broken.send(SIZE // 8)
        whole.send(SIZE // 2)
        broken.vanish()
        whole.send(SIZE - SIZE // 2)
        return whole.finish()

    status, more = await watched(process.running.pid, lambda: asyncio.to_thread(send))
    assert status == DONE
    assert more < 2 * BOUND
    await eventually(lambda: [path.suffix for path in journal.iterdir()].count(".open") == 0, within=15)
    sizes = sealed_sizes(journal)
    assert len(sizes) == 2, "the small one and the large one; nothing of that which broke off"
    assert sizes[1] > SIZE - 8 * PDV


async def test_a_large_object_that_fills_the_disk_is_refused_and_its_room_is_free_again(
    services: Services, free_port: Callable[[], int], journal: Path
) -> None:
    limit = 256 * MIB
    free_min = shutil.disk_usage(journal).free - limit
    port = free_port()
    process = services.start(
        "ingest",
        "receiver",
        INGEST_DIMSE_PORT=port,
        INGEST_JOURNAL=str(journal),
        INGEST_JOURNAL_FREE_MIN=free_min,
        INGEST_SEGMENT_BYTES=MIB,
    )

    def send() -> int:
        sender = BigSender(port, headless("1.2.11.4"))
        deadline = time.monotonic() + 20 * PATIENCE
        sender.send(2 * limit)
        assert time.monotonic() < deadline
        return sender.finish()

    assert await asyncio.to_thread(send) == Store.OUT_OF_RESOURCES
    assert await Modality(port).store(an_instance("1.2.11.5")) == [DONE]
    assert process.running.alive
