"""The scenarios of IHE RAD SWF.b and PIR, each straight, with every message doubled, and with a restart in its middle.

All scenarios of a mode are played at once, as in a department; each then passes or fails alone.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import pytest
import pytest_asyncio
from fj_events import TOPICS
from fj_hl7 import MllpClient
from fj_local.services import PROCESSES
from fj_local.stack import Stack
from fj_simulators import Clinic, Exam
from fj_testing import Log, eventually

from tests.failure.facts import once_and_without_gaps
from tests.scenarios import corrections, exams, identities, orders
from tests.scenarios.folded import assert_events_are_the_state
from tests.scenarios.play import Play
from tests.scenarios.truth import assert_one_truth

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

SCENARIOS: dict[str, Callable[[Play], Awaitable[None]]] = {
    scenario.__name__: scenario for room in (orders, exams, identities, corrections) for scenario in room.SCENARIOS
}
MODES = ("straight", "doubled", "restarted")


@dataclass(frozen=True)
class Outcomes:
    """How the scenarios of one mode ended."""

    problems: dict[str, Exception | None]
    exams: list[Exam]
    """Of those that ended as they should."""


@dataclass
class Pause:
    """The middle of all scenarios: whoever comes waits until everybody is there, or has failed before it."""

    awaited: set[str]
    all_there: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def has_seen(self, name: str) -> bool:
        """Whether this scenario was in its middle."""
        return name not in self.awaited

    def come(self, name: str) -> None:
        """This scenario is in its middle, or over."""
        self.awaited.discard(name)
        if not self.awaited:
            self.all_there.set()

    async def wait(self, name: str) -> None:
        """Until all go on."""
        self.come(name)
        await self.over.wait()


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=MODES)
async def outcomes(request: pytest.FixtureRequest, whole_stack: Stack, clinic: Clinic) -> AsyncIterator[Outcomes]:
    """How each scenario ended in this mode."""
    wanted = selected(request.session.items)
    pause = Pause(set(wanted))
    appointments = MllpClient("127.0.0.1", whole_stack.ports["SCHEDULING_MLLP_PORT"])
    doubled = request.param == "doubled"
    plays = {name: Play(clinic, appointments, doubled, partial(pause.wait, name)) for name in wanted}
    async with asyncio.TaskGroup() as department:
        playing = {name: department.create_task(ended(name, play, pause)) for name, play in plays.items()}
        await pause.all_there.wait()
        if request.param == "restarted":
            await asyncio.to_thread(restart, whole_stack)
        pause.over.set()
    problems = {name: task.result() for name, task in playing.items()}
    yield Outcomes(problems, [exam for name, play in plays.items() if not problems[name] for exam in play.exams])
    await appointments.close()


def selected(items: Sequence[pytest.Item]) -> list[str]:
    """The scenarios that this run asks for (`-k`)."""
    test = test_a_scenario_ends_as_it_should.__name__
    mine = [item for item in items if isinstance(item, pytest.Function) and item.originalname == test]
    asked = {item.callspec.params["name"] for item in mine}
    return [name for name in SCENARIOS if name in asked]


async def ended(name: str, play: Play, pause: Pause) -> Exception | None:
    """Play it, look at the truth, and say what was wrong."""
    try:
        await SCENARIOS[name](play)
        assert pause.has_seen(name), "the scenario has no middle"
        await assert_one_truth(play.clinic, play.exams)
    except Exception as problem:  # noqa: BLE001 - it is raised again by the test of this scenario
        return problem
    finally:
        pause.come(name)
    return None


def restart(stack: Stack) -> None:
    """Every service is killed and started again; the servers underneath run on."""
    for process in PROCESSES:
        running = stack.home.running(process.name)
        assert running is not None, f"{process.name} was gone already"
        running.kill()
    stack.up()


@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_scenario_ends_as_it_should(name: str, outcomes: Outcomes) -> None:
    problem = outcomes.problems[name]
    if problem is not None:
        raise problem


async def test_every_fact_stands_once_on_the_log(outcomes: Outcomes, events: Log) -> None:
    async def told() -> bool:
        once_and_without_gaps(await events.read(*TOPICS))
        return True

    assert outcomes.problems
    await eventually(told, within=15, every=1)


async def test_the_log_says_what_the_rooms_answer(outcomes: Outcomes, clinic: Clinic, events: Log) -> None:
    await assert_events_are_the_state(clinic, events, outcomes.exams)
