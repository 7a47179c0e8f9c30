"""200 associations that do nothing, on the port that modalities store to: they cost little and shut nobody out."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
from fj_dicom import VERIFICATION, AssociationLost, Peer, Requested, RequestorSettings, Wanted, requested
from fj_testing import S3, Log, ServiceProcess, Services

from services.ingest.tests.builders import CT, EXPLICIT, Modality, an_instance
from services.ingest.tests.doors import World, store_of

pytestmark = [pytest.mark.servers, pytest.mark.failure, pytest.mark.timeout(240)]
IDLE: Final = 200
MIB: Final = 1024**2
EACH_MIB: Final = 0.15
RECEIVER_MIB: Final = 150
ANSWER_S: Final = 10.0
"""A modality that takes longer to be served on a machine that does other things as well has been shut out."""
PATIENCE_S: Final = 30.0
CONTEXTS: Final = [Wanted(VERIFICATION), Wanted(CT, (EXPLICIT,))]
OURSELVES: Final = RequestorSettings(ae_title="IDLER")


class Idlers:
    """Associations that were accepted and then say nothing."""

    def __init__(self, port: int) -> None:
        self._peer = Peer("FJ_STORE", host="127.0.0.1", port=port)
        self._open: list[Requested] = []
        self._ends = ExitStack()

    def come(self, count: int) -> None:
        for _ in range(count):
            self._open.append(self._ends.enter_context(requested(self._peer, OURSELVES, CONTEXTS)))

    def answered(self) -> int:
        """How many of them still get an answer to a C-ECHO."""
        return sum(map(_echoes, self._open))

    def go(self) -> None:
        self._ends.close()


def _echoes(association: Requested) -> bool:
    try:
        return association.echo().code == 0x0000
    except AssociationLost:
        return False


@contextlib.asynccontextmanager
async def idling(port: int, count: int) -> AsyncIterator[Idlers]:
    idlers = Idlers(port)
    try:
        await asyncio.to_thread(idlers.come, count)
        yield idlers
    finally:
        await asyncio.to_thread(idlers.go)


@pytest.fixture
def port(free_port: Callable[[], int]) -> int:
    return free_port()


@pytest.fixture
def two_receivers(services: Services, port: int, tmp_path: Path) -> Iterator[list[ServiceProcess]]:
    """As production has them: they share port and journal, and their settings are those that nobody has set."""
    settings: dict[str, str | int] = {"INGEST_DIMSE_PORT": port, "INGEST_JOURNAL": str(tmp_path)}
    processes = [services.start("ingest", roles, **settings) for roles in ("all", "receiver")]
    yield processes
    for process in processes:
        process.stop()


def resident(process: ServiceProcess) -> float:
    status = Path(f"/proc/{process.running.pid}/status").read_text(encoding="utf-8")
    return int(status.split("VmRSS:")[1].split()[0]) * 1024 / MIB


async def test_a_modality_stores_beside_200_idle_associations_that_cost_little_and_still_work(
    two_receivers: list[ServiceProcess], port: int, log: Log, s3: S3
) -> None:
    world = World(two_receivers[0], log, store_of(s3))
    modality, image = Modality(port), an_instance()
    for _ in range(8):  # each receiver has served somebody before it is weighed
        assert await modality.store(an_instance()) == [0x0000]
    before = sum(map(resident, two_receivers))
    async with idling(port, IDLE) as idlers:
        assert sum(map(resident, two_receivers)) - before < IDLE * EACH_MIB
        assert max(map(resident, two_receivers)) <= RECEIVER_MIB
        begun = time.monotonic()
        assert await modality.store(image) == [0x0000]
        assert time.monotonic() - begun < ANSWER_S
        assert await asyncio.to_thread(idlers.answered) == IDLE
    [fact] = await world.facts(image.StudyInstanceUID)
    assert [one["sop_instance_uid"] for one in fact["instances"]] == [image.SOPInstanceUID]


async def test_where_all_places_are_taken_an_idle_association_makes_way(
    services: Services, port: int, tmp_path: Path
) -> None:
    places = 20
    services.create_topics()
    services.start(
        "ingest", "receiver", INGEST_DIMSE_PORT=port, INGEST_JOURNAL=str(tmp_path), INGEST_ASSOCIATIONS_MAX=places
    )
    async with idling(port, places) as idlers:
        deadline = time.monotonic() + PATIENCE_S
        while (link := await asyncio.to_thread(Modality(port).associate, EXPLICIT)).is_rejected:
            assert time.monotonic() < deadline, "nobody has made way"
        assert link.is_established
        await asyncio.to_thread(link.release)
        assert await Modality(port).store(an_instance()) == [0x0000]
        assert await asyncio.to_thread(idlers.answered) == places - 1
