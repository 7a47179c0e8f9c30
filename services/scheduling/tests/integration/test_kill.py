"""Kill -9 in the middle of the work: what was acknowledged is there, once (laws 1 to 4)."""

import asyncio
from collections import Counter
from functools import partial

import pytest
from fj_testing import Feed, Log, ServiceProcess, eventually
from pydicom.uid import generate_uid
from pynetdicom.transport import AssociationSocket

from services.scheduling.tests.builders import Modality, a_series, an_order, ended, in_progress

pytestmark = [
    pytest.mark.servers,
    pytest.mark.failure,
    pytest.mark.timeout(240),  # the process starts several times
]
ROUNDS = 2


@pytest.fixture(autouse=True)
def closed_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """pynetdicom does not close a socket whose peer is gone already: the shutdown before it fails."""

    def close(transport: AssociationSocket) -> None:
        if transport.socket is not None:
            transport.socket.close()

    monkeypatch.setattr(AssociationSocket, "_shutdown_socket", close)


async def performs(modality: Modality, study: str) -> str:
    """One unscheduled exam, each request repeated until it is answered, as a modality does."""
    uid = generate_uid()
    requests = (
        (lambda: modality.begins(in_progress(StudyInstanceUID=study), uid), 0x0111),
        (lambda: modality.says(uid, ended("COMPLETED", a_series([uid]))), 0x0110),
    )
    for send, seen_already in requests:
        status = None
        while status not in {0x0000, seen_already}:
            try:
                answer = await send()
                status = getattr(answer[1] if isinstance(answer, tuple) else answer, "Status", None)
            except AssertionError:
                await asyncio.sleep(0.1)
    return study


async def test_what_was_acknowledged_survives_a_kill(
    scheduling: ServiceProcess, modality: Modality, feed: Feed, log: Log
) -> None:
    studies: list[str] = []
    orders = []
    for _ in range(ROUNDS):
        work = [asyncio.create_task(performs(modality, generate_uid())) for _ in range(10)]
        placed = [an_order() for _ in range(10)]
        orders += placed
        await feed.publish(*placed)
        await asyncio.to_thread(scheduling.kill)
        await asyncio.to_thread(scheduling.start)
        studies += await asyncio.gather(*work)
    for order in orders:
        await eventually(partial(modality.sees, order), within=20, what="the order is on the worklist")

    async def is_told() -> bool:
        told = Counter((record.key, record.type) for record in await log.read("exam-events"))
        assert set(told.values()) == {1}
        wanted = {(study, f"exam.{act}.v1") for study in studies for act in ("started", "completed")}
        wanted |= {(str(order.order_id), "exam.scheduled.v1") for order in orders}
        return wanted <= set(told)

    await eventually(is_told, within=20)
    for record in await log.read("exam-events"):
        assert record.sequence == (2 if record.type == "exam.completed.v1" else 1)
