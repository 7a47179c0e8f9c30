"""Several processes that deliver: each destination has one of them, and another one takes over."""

from collections.abc import Callable

import pytest
from fj_testing import Feed, Services, eventually

from services.ehr_sync.tests.builders import Exam
from services.ehr_sync.tests.listener import Listener

pytestmark = [pytest.mark.servers, pytest.mark.failure, pytest.mark.timeout(240)]  # processes start several times


async def test_two_processes_share_the_destinations_and_take_over(
    services: Services, kafka: str, topic_prefix: str, free_port: Callable[[], int]
) -> None:
    listener = Listener(free_port())
    settings = {"EHR_SYNC_HL7_DESTINATIONS": f"ehr=127.0.0.1:{listener.port}"}
    first = services.start("ehr_sync", "courier", **settings)
    services.start("ehr_sync", "courier", **settings)
    services.start("ehr_sync", "consumer,relay", **settings)
    exams = [Exam(f"T{number}") for number in range(20)]
    async with listener.up(), Feed(kafka, topic_prefix) as facts:
        await facts.publish(*(exam.placed() for exam in exams))
        await facts.publish(*(exam.preliminary() for exam in exams))
        await eventually(lambda: all(listener.told(exam.placer) for exam in exams), within=20)
        first.kill()
        await facts.publish(*(exam.finalized() for exam in exams))
        await eventually(lambda: all("ORU F" in listener.told(exam.placer) for exam in exams), within=20)
    for exam in exams:
        # What the dead one had sent and not concluded comes twice.
        assert listener.told(exam.placer) in (["ORU P", "ORU F"], ["ORU P", "ORU P", "ORU F"])
