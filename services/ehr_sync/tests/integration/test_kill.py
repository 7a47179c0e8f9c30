"""Killed in the middle of its work: every version arrives, in order, and each delivery is one fact."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable

import pytest
from fj_testing import Feed, Log, Services, eventually

from services.ehr_sync.tests.builders import Exam
from services.ehr_sync.tests.hearing import SOON_AGAIN
from services.ehr_sync.tests.listener import Listener

pytestmark = [pytest.mark.servers, pytest.mark.failure, pytest.mark.timeout(240)]  # processes start several times
EXAMS = 10


def without_repetitions(said: list[str]) -> list[str]:
    """What was told, where the last message before a kill may have come again."""
    return [one for one, _ in itertools.groupby(said)]


async def test_a_killed_service_tells_everything_in_order(
    services: Services, kafka: str, topic_prefix: str, log: Log, free_port: Callable[[], int]
) -> None:
    listener = Listener(free_port())
    service = services.start(
        "ehr_sync",
        EHR_SYNC_HL7_DESTINATIONS=f"ehr=127.0.0.1:{listener.port}",
        FJ_BUS_GROUP_INSTANCE_ID="only",  # or Kafka keeps the place of the dead for 10 s
        **SOON_AGAIN,
    )
    exams = [Exam(f"K{number}") for number in range(EXAMS)]
    async with listener.up(), Feed(kafka, topic_prefix) as facts:
        await facts.publish(*(exam.placed() for exam in exams))
        for version in range(1, 4):
            await facts.publish(*(exam.preliminary(version) for exam in exams))
            await eventually(lambda: len(listener.taken) > EXAMS * (version - 1) + 1, within=60)  # noqa: B023 - awaited in its own round
            service.kill()
            await asyncio.to_thread(service.start)
        await facts.publish(*(exam.finalized(4) for exam in exams))
        await eventually(lambda: all(listener.told(exam.placer)[-1:] == ["ORU F"] for exam in exams), within=60)
    for exam in exams:
        versions = [one.field("OBR", 22)[:14] for one in listener.taken if one.placer == exam.placer]
        assert without_repetitions(versions) == [f"202603021{version:03d}00" for version in range(1, 5)]
    by_id = {message.control_id: message.raw for message in listener.taken}
    assert all(by_id[message.control_id] == message.raw for message in listener.taken), "same id, same bytes"
    records = await log.wait_for(
        "delivery-events", where=lambda record: record.type == "delivery.delivered.v1", count=EXAMS * 4
    )
    told = Counter(record.body["delivery_id"] for record in records)
    twice = [(r.headers["ce_id"], r.sequence, r.offset) for r in records if told[r.body["delivery_id"]] > 1]
    assert twice == []
    for exam in exams:
        numbers = [record.sequence for record in await log.read("delivery-events") if record.key == str(exam.order_id)]
        assert numbers == list(range(1, len(numbers) + 1))
