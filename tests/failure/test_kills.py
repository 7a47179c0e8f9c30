"""kill -9 of every process in the middle of ten running exams: what was acknowledged arrives, once, and is given.

The senders are people who try again with the same bytes until they have their answer. After each kill the stack is
brought up again as an operator does it (`make up`).
"""

import asyncio
from collections import Counter, defaultdict

import httpx
import pytest
from fj_events import TOPICS
from fj_local.process import Running
from fj_local.stack import Stack
from fj_simulators import Answer, Clinic, Exam, Performed, an_exam, plays_on
from fj_testing import Log, Record, eventually

from tests.failure.aftermath import aftermath
from tests.failure.facts import once_and_without_gaps

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

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
AT_ONCE = 10


@pytest.mark.parametrize("victims", [SERVICES, SERVERS], ids=["services", "servers"])
async def test_what_was_acknowledged_arrives_once_whatever_is_killed(
    whole_stack: Stack, clinic: Clinic, events: Log, victims: tuple[str, ...]
) -> None:
    closing = asyncio.Event()
    async with asyncio.TaskGroup() as hall:
        playing = [hall.create_task(plays_exams(clinic, closing)) for _ in range(AT_ONCE)]
        for victim in victims:
            await asyncio.sleep(1.0)  # let the exams come a little further before the next kill
            await asyncio.to_thread(kill_and_bring_up, victim, whole_stack)
        closing.set()
    performed = {exam: made for day in playing for exam, made in day.result().items()}
    answers = {exam: await at_its_end(clinic, exam, made) for exam, made in performed.items()}
    await eventually(lambda: has_shipped(clinic, whole_stack), within=60, what="ingest has nothing on its way")

    facts = await events.read(*TOPICS)
    once_and_without_gaps(facts)
    told = defaultdict(list)
    for record in facts:
        told[record.key].append(record)
    for exam, made in performed.items():
        answer = answers[exam]
        assert stored(told[made.study_instance_uid]) == sorted(str(image.SOPInstanceUID) for image in made.images)
        keys = {answer["order_id"], *answer["study_instance_uids"]}
        assert_told_once(clinic, exam, [record for key in keys for record in told[key]])
    await aftermath([image for made in performed.values() for image in made.images], clinic.http, events)


def kill_and_bring_up(victim: str, stack: Stack) -> None:
    """Nobody else dies of it."""
    running = stack.home.running(victim)
    assert running is not None, f"{victim} was to be killed, and was gone already"
    others = who_runs_beside(victim, stack)
    running.kill()
    stack.up()
    assert who_runs_beside(victim, stack) == others


async def plays_exams(clinic: Clinic, closing: asyncio.Event) -> dict[Exam, Performed]:
    """One exam after the other until closing time, so that every kill comes in the middle of some.

    The next begins when the last is at its end: a slow machine has as few of them on its way as a fast one.
    """
    played: dict[Exam, Performed] = {}
    while not closing.is_set():
        exam = an_exam(priority="S" if len(played) % 3 == 0 else "R")
        played[exam] = await plays_on(clinic, exam, within=300)
        await at_its_end(clinic, exam, played[exam])
    return played


async def at_its_end(clinic: Clinic, exam: Exam, made: Performed) -> Answer:
    """Reports do not wait for images here: the one may be delivered while the others are still on their way."""

    async def answer() -> Answer:
        try:
            found = await clinic.where_is(exam)
        except httpx.HTTPError as failure:  # the portal was killed
            raise AssertionError from failure
        assert found is not None, exam.accession_number
        told = {entry["type"] for entry in found["timeline"]}
        assert {"study.available.v1", "order.completed.v1"} <= told, (exam.accession_number, found)
        assert (found["state"], found["instances"]) == ("delivered", len(made.images)), (exam.accession_number, found)
        return found

    return await eventually(answer, within=120, every=0.3)


async def has_shipped(clinic: Clinic, stack: Stack) -> bool:
    """What a sender had repeated too: its images may lie in the journal of the other receiver."""
    segments = (await clinic.http.get("/api/ingest/journal")).raise_for_status().json()["segments"]
    untold = stack.servers().database_server.run_sql("SELECT count(*) FROM bus.outbox", "ingest")
    return not segments and untold == "0"


def who_runs_beside(victim: str, stack: Stack) -> dict[str, Running | None]:
    return {name: stack.home.running(name) for name in stack.home.known() if name != victim}


def stored(facts: list[Record]) -> list[str]:
    mine = [record for record in facts if record.topic == "instance-events"]
    return sorted(instance["sop_instance_uid"] for record in mine for instance in record.body["instances"])


def assert_told_once(clinic: Clinic, exam: Exam, facts: list[Record]) -> None:
    kinds = Counter(record.type for record in facts)
    for kind in ("order.placed.v1", "exam.scheduled.v1", "exam.started.v1", "exam.completed.v1", "study.available.v1"):
        assert kinds[kind] == 1, (kind, kinds)
    assert (kinds["report.finalized.v1"], kinds["order.completed.v1"]) == (1, 1)
    # A delivery may reach the EHR twice when the answer was lost; it is the same message then, by its control id.
    by_id = {result.control_id: result for result in clinic.ehr.results(exam)}
    assert [result.status for result in by_id.values()] == ["P", "F"], kinds
