"""Facts that arrive in the wrong order, or before what they refer to: the same end state.

Consumers stand still while an exam is played at the doors, and start again one after the other, each when the one
before it has taken whatever there was.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

import httpx
import pytest
from fj_events import TOPICS
from fj_local.ports import LOOPBACK
from fj_local.program import halt, launch
from fj_local.servers import together
from fj_local.services import PROCESSES, Deployment
from fj_local.stack import Stack
from fj_simulators import Clinic, Exam, Performed, an_exam
from fj_testing import PATIENCE, Log, eventually

from tests.failure.facts import once_and_without_gaps

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]

CONSUMERS = ("patient", "order", "scheduling", "storage", "triage", "reporting", "ehr_sync", "portal")
DELIVERIES = ("IP", "CM", "P", "F")
DOORS = ("patient", "order", "scheduling", "reporting")
ONCE = (
    "order.placed.v1",
    "exam.scheduled.v1",
    "exam.started.v1",
    "study.matched.v1",
    "exam.completed.v1",
    "order.completed.v1",
)
"""Facts about an order. Of images whose order was not known yet there may be others, in the name of the study."""
VERSIONS = ("report.preliminary.v1", "report.finalized.v1")
"""Where `reporting` has heard of the complete study before its order, the newest is told again, in the order's name.

Not so where the modality worked by its worklist: `storage` then knows of the order, and waits for it.
"""


@dataclass(frozen=True)
class Groups:
    """The consumer groups of an installation, stopped and started one by one, while its doors stay open."""

    stack: Stack

    async def stop(self, *services: str) -> None:
        # In a thread: senders see meanwhile that connections which they have kept are closed.
        await asyncio.to_thread(together, [partial(self._stop, service) for service in services])

    async def start(self, service: str) -> None:
        await asyncio.to_thread(self._launch, service, "all")

    async def at_rest(self, *services: str) -> None:
        """Until they have taken what there was, and told what there is to tell."""
        for service in services:
            await eventually(partial(self._is_at_rest, service), within=30, every=0.2, what=f"{service} at rest")

    async def _is_at_rest(self, service: str) -> bool:
        port = self.stack.ports[f"{service.upper()}_HTTP_PORT"]
        async with httpx.AsyncClient(timeout=20 * PATIENCE) as http:
            answer = await http.get(f"http://{LOOPBACK}:{port}/api/{service}/lag")
        untold = self.stack.servers().database_server.run_sql("SELECT count(*) FROM bus.outbox", service)
        return answer.json()["lag"] == 0 and untold == "0"

    def _stop(self, service: str) -> None:
        if service in DOORS:
            self._launch(service, "listener,relay")
        else:
            halt(self.stack.home, service)

    def _launch(self, service: str, role: str) -> None:
        process = next(process for process in PROCESSES if process.name == service)
        deployment = Deployment(self.stack.home, self.stack.ports, self.stack.servers().credentials)
        launch(self.stack.home, deployment.program(replace(process, role=role)))


@pytest.fixture
async def groups(whole_stack: Stack) -> AsyncIterator[Groups]:
    yield Groups(whole_stack)
    await asyncio.to_thread(whole_stack.up)


async def played(clinic: Clinic, exam: Exam, *, from_worklist: bool) -> Performed:
    """An exam at the doors alone. A scanner without its worklist has everything typed in at the console."""
    await clinic.ehr.registers(exam)
    await clinic.ehr.orders(exam)
    entry = await clinic.on_worklist(exam) if from_worklist else None
    made = clinic.modality.acquires(entry) if entry else typed_in(clinic, exam)
    await clinic.modality.starts(made, entry)
    await clinic.modality.sends(made)
    await clinic.modality.completes(made)
    for status in "PF":
        await clinic.dictation.reports(exam, status)
    return made


def typed_in(clinic: Clinic, exam: Exam) -> Performed:
    made = clinic.modality.acquires_unscheduled(exam)
    for image in made.images:
        image.AccessionNumber = exam.accession_number
    return made


async def assert_same_end(
    clinic: Clinic, exam: Exam, made: Performed, events: Log, *, from_worklist: bool = False
) -> None:
    answer = await clinic.until_fact(exam, "order.completed.v1", within=60)
    order_id = str(answer["order_id"])
    again: list[int] = []

    async def all_is_told() -> None:
        facts = await events.read(*TOPICS)
        ours = Counter(fact.type for fact in facts if order_id in (fact.key, fact.body.get("order_id")))
        assert {kind: ours[kind] for kind in ONCE} == dict.fromkeys(ONCE, 1)
        assert sorted(ours[kind] for kind in VERSIONS) in ([1, 1], [1, 1] if from_worklist else [1, 2])
        again.append(sum(ours[kind] for kind in VERSIONS) - len(VERSIONS))
        assert ours["delivery.delivered.v1"] == len(DELIVERIES) + again[-1]
        once_and_without_gaps(facts)

    async def all_is_seen() -> None:
        found = await clinic.http.get("/api/portal/exams", params={"accession": exam.accession_number})
        (answer,) = found.json()["exams"]
        assert (answer["state"], answer["instances"]) == ("delivered", len(made.images))
        assert (answer["report"], answer["priority"]) == ({"status": "final", "version": 2 + again[-1]}, "STAT")
        assert (answer["patient"]["id"], answer["patient"]["birth_date"]) == (exam.patient_id, birth_date(exam))

    await eventually(partial(holds, all_is_told), within=30, every=0.2)
    await eventually(partial(holds, all_is_seen), within=30, every=0.2)
    results = [result.status for result in clinic.ehr.results(exam)]
    assert (list(dict.fromkeys(results)), len(results)) == (["P", "F"], 2 + again[-1])
    assert [status.status for status in clinic.ehr.statuses(exam)] == ["IP", "CM"]
    assert await clinic.modality.worklist(accession=exam.accession_number) == []
    order = (await clinic.http.get(f"/api/order/orders/{order_id}")).json()
    step = (await clinic.http.get(f"/api/scheduling/exams/{order_id}")).json()
    assert (order["state"], step["state"]) == ("COMPLETED", "COMPLETED")


async def holds(check: Callable[[], Awaitable[None]]) -> bool:
    """For `eventually`: a check that fails by an assertion may hold later."""
    await check()
    return True


def birth_date(exam: Exam) -> str | None:
    return exam.patient.birth_date.isoformat() if exam.patient.birth_date else None


@pytest.mark.parametrize("order", [CONSUMERS, CONSUMERS[::-1]], ids=["forwards", "backwards"])
async def test_groups_start_one_after_the_other(
    order: tuple[str, ...], groups: Groups, clinic: Clinic, events: Log
) -> None:
    """Of any two groups, each is once the first."""
    exam = an_exam(priority="S")
    await groups.stop(*CONSUMERS)
    made = await played(clinic, exam, from_worklist=False)
    await events.wait_for("instance-events", where=lambda record: record.key == made.study_instance_uid, within=20)
    for service in order:
        await groups.start(service)
        await groups.at_rest(service)
    await assert_same_end(clinic, exam, made, events)


@pytest.mark.parametrize("late", CONSUMERS)
async def test_one_group_comes_late(late: str, groups: Groups, clinic: Clinic, events: Log) -> None:
    exam, from_worklist = an_exam(priority="S"), late != "scheduling"
    await groups.stop(late)
    made = await played(clinic, exam, from_worklist=from_worklist)
    await groups.at_rest(*(service for service in CONSUMERS if service != late))
    await groups.start(late)
    await assert_same_end(clinic, exam, made, events, from_worklist=from_worklist)


async def test_who_matches_and_who_reports_come_late(groups: Groups, clinic: Clinic, events: Log) -> None:
    """Each finds its topics full, and reads them in any order: the order of some exams it hears of last."""
    exams = [an_exam(priority="S") for _ in range(6)]
    await groups.stop("storage", "reporting")
    made = [await played(clinic, exam, from_worklist=True) for exam in exams]
    for service in ("storage", "reporting"):
        await groups.start(service)
        await groups.at_rest(service)
    for exam, performed in zip(exams, made, strict=True):
        await assert_same_end(clinic, exam, performed, events, from_worklist=True)
