"""What listeners have been told about an exam, and the facts about that."""

from typing import Final

from fj_testing import Log, Record, eventually

from services.ehr_sync.tests.builders import Exam
from services.ehr_sync.tests.listener import Listener

SOON_AGAIN: Final = {"EHR_SYNC_BACKOFF_FIRST_SECONDS": "0.1", "EHR_SYNC_BACKOFF_MAX_SECONDS": "0.5"}
"""Settings of a service whose listeners misbehave."""


async def told(listener: Listener, exam: Exam, *expected: str, within: float = 15) -> None:
    """The listener has accepted this about the exam, in this order, and nothing else."""
    await eventually(lambda: len(listener.told(exam.placer)) >= len(expected), within=within)
    assert listener.told(exam.placer) == list(expected)


async def deliveries(log: Log, exam: Exam, count: int, **fields: str) -> list[Record]:
    """The facts about the exam's deliveries that say this of them, as soon as there are `count`."""

    def about(record: Record) -> bool:
        wanted = {"exam_key": str(exam.order_id)} | fields
        return all(record.body.get(name) == value for name, value in wanted.items())

    return await log.wait_for("delivery-events", where=about, count=count)
