"""kill -9 of every process in the middle of ten running exams: what was acknowledged arrives, once.

The senders are people who try again with the same bytes until they have their answer. After each kill the stack is
brought up again as an operator does it (`make up`).
"""

import asyncio
from collections import Counter

import pytest
from fj_events import TOPICS
from fj_local.process import Running
from fj_local.stack import Stack
from fj_simulators import Clinic, Exam, Performed, an_exam, plays_on
from fj_testing import Log, Record

from tests.failure.facts import once_and_without_gaps

pytestmark = [pytest.mark.servers, pytest.mark.endurance, pytest.mark.timeout(1500)]

SERVICES = (
    "order",
    "scheduling",
    "patient",
    "ingest",
    "ingest-2",
    "storage",
    "triage",
    "reporting",
    "ehr_sync",
    "portal",
)
SERVERS = ("kafka", "postgres", "seaweedfs")


@pytest.mark.parametrize("victims", [SERVICES, SERVERS], ids=["services", "servers"])
async def test_what_was_acknowledged_arrives_once_whatever_is_killed(
    whole_stack: Stack, clinic: Clinic, events: Log, victims: tuple[str, ...]
) -> None:
    exams = [an_exam(priority="S" if number % 3 == 0 else "R") for number in range(10)]
    playing = asyncio.gather(*(plays_on(clinic, exam, within=900) for exam in exams))
    for victim in victims:
        await asyncio.sleep(1.0)  # let the exams come a little further before the next kill
        running = whole_stack.home.running(victim)
        assert running is not None, f"{victim} was to be killed, and was gone already"
        others = who_runs_beside(victim, whole_stack)
        running.kill()
        await asyncio.to_thread(whole_stack.up)
        assert who_runs_beside(victim, whole_stack) == others
    performed = await playing
    answers = await asyncio.gather(*(clinic.until(exam, "delivered", within=300) for exam in exams))

    facts = await events.read(*TOPICS)
    once_and_without_gaps(facts)
    for exam, made, answer in zip(exams, performed, answers, strict=True):
        assert answer["instances"] == len(made.images)
        assert stored(facts, made) == sorted(str(image.SOPInstanceUID) for image in made.images)
        assert_told_once(clinic, exam, facts, {answer["order_id"], *answer["study_instance_uids"]})


def who_runs_beside(victim: str, stack: Stack) -> dict[str, Running | None]:
    """Nobody else dies of it."""
    return {name: stack.home.running(name) for name in stack.home.known() if name != victim}


def stored(facts: list[Record], made: Performed) -> list[str]:
    mine = [record for record in facts if record.topic == "instance-events" and record.key == made.study_instance_uid]
    return sorted(instance["sop_instance_uid"] for record in mine for instance in record.body["instances"])


def assert_told_once(clinic: Clinic, exam: Exam, facts: list[Record], keys: set[str]) -> None:
    kinds = Counter(record.type for record in facts if record.key in keys)
    for kind in ("order.placed.v1", "exam.scheduled.v1", "exam.started.v1", "exam.completed.v1", "study.available.v1"):
        assert kinds[kind] == 1, (kind, kinds)
    assert (kinds["report.finalized.v1"], kinds["order.completed.v1"]) == (1, 1)
    # A delivery may reach the EHR twice when the answer was lost; it is the same message then, by its control id.
    by_id = {result.control_id: result for result in clinic.ehr.results(exam)}
    assert [result.status for result in by_id.values()] == ["P", "F"]
