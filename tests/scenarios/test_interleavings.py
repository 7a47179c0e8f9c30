"""The messages of one patient in any order, some of them twice: in the end all doors agree, and nothing is lost.

Hypothesis chooses the order; what it finds it makes shorter, down to the few messages whose order matters.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import pytest
from fj_hl7 import CWE, XPN, MllpClient
from fj_simulators import Clinic, an_exam
from fj_simulators.exam import a_patient
from fj_testing import eventually
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from hypothesis.strategies import DataObject, data, sampled_from

from tests.scenarios.play import Play
from tests.scenarios.truth import assert_one_truth

EXAMPLES: Final = int(os.environ.get("FJ_TEST_INTERLEAVINGS", "6"))
"""Each is a patient's whole story at the doors: some seconds. Ask for a hundred before a release."""
pytestmark = [pytest.mark.servers, pytest.mark.timeout(600 + 50 * EXAMPLES)]
ONE_MESSAGE: Final = 60
Send = Callable[[], Awaitable[None]]


class Story:
    """Somebody comes in without a name and turns out to be known; an exam is performed, another one is cancelled.

    Every message is written before the first goes out, so that its time does not depend on when it arrives.
    """

    def __init__(self, play: Play) -> None:
        self.play = play
        self.emergency = an_exam(patient=a_patient("Unknown Uwe"))
        self.known = an_exam()
        self.images = play.clinic.modality.acquires_unscheduled(self.emergency)
        for image in self.images.images:
            image.AccessionNumber = self.emergency.accession_number
        self.messages: dict[str, Send] = {**self._of_the_patient(), **self._of_the_orders(), **self._of_the_exam()}

    def _of_the_patient(self) -> dict[str, Send]:
        play, now = self.play, datetime.now(UTC)
        renamed = replace(self.known, patient=replace(self.known.patient, names=(XPN("Newname", "Nora"),)))
        return {
            "A04 unknown": partial(play.tells_patients, play.patient(self.emergency, "A04", minutes_ago=9)),
            "A04 known": partial(play.tells_patients, play.patient(self.known, "A04", minutes_ago=8)),
            "A08 known": partial(play.tells_patients, play.patient(renamed, "A08", minutes_ago=2)),
            "A40": partial(play.changes_number, self.emergency, self.known, at=now - timedelta(minutes=3)),
        }

    def _of_the_orders(self) -> dict[str, Send]:
        play = self.play
        head = replace(self.known, procedure=CWE("CTHEAD", "CT head", "L"))
        return {
            "NW emergency": partial(play.tells_orders, play.order(self.emergency, minutes_ago=7)),
            "NW known": partial(play.tells_orders, play.order(self.known, minutes_ago=6)),
            "XO known": partial(play.tells_orders, play.order(head, "XO", minutes_ago=5)),
            "CA known": partial(play.tells_orders, play.order(self.known, "CA", minutes_ago=4)),
        }

    def _of_the_exam(self) -> dict[str, Send]:
        dictation, exam = self.play.clinic.dictation, self.emergency
        reports = {status: dictation.message(exam, status) for status in "PF"}
        return {
            "images": partial(self.play.sends, self.images),
            **{f"ORU {status}": self._report(raw) for status, raw in reports.items()},
        }

    def _report(self, raw: bytes) -> Send:
        async def send() -> None:
            await self.play.clinic.dictation.sends(raw)

        return send

    async def ends(self) -> None:
        """The one exam is reported and the other one cancelled, both are of the survivor, under the newest name."""
        await self.play.until(self.emergency, "delivered")
        await self.play.until(self.known, "cancelled")
        for exam in (self.emergency, self.known):
            await self.play.until_shown(exam, self.known)
            await self.play.off_worklist(exam)
        await assert_one_truth(self.play.clinic, [self.emergency, self.known])
        await eventually(self._has_its_images_and_name, within=30, every=0.3, what="images and name")

    async def _has_its_images_and_name(self) -> bool:
        answer = await self.play.clinic.where_is(self.emergency)
        assert answer is not None
        assert answer["instances"] == len(self.images.images)
        assert "Newname" in str(answer["patient"])
        return True


def machine(loop: asyncio.AbstractEventLoop, play: Callable[[], Play]) -> type[RuleBasedStateMachine]:
    """A state machine whose steps are the messages of a new story, told on this loop."""

    class Interleaving(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.story = Story(play())
            self.waiting = dict(self.story.messages)
            self.told: list[str] = []

        @precondition(lambda self: self.waiting)
        @rule(choice=data())
        def arrives(self, choice: DataObject) -> None:
            name = choice.draw(sampled_from(sorted(self.waiting)))
            self._tell(name)
            del self.waiting[name]

        @precondition(lambda self: self.told)
        @rule(choice=data())
        def arrives_again(self, choice: DataObject) -> None:
            self._tell(choice.draw(sampled_from(self.told)))

        def _tell(self, name: str) -> None:
            self._wait(self.story.messages[name](), ONE_MESSAGE)
            self.told.append(name)

        def _wait(self, act: Awaitable[None], within: float) -> None:
            async def acted() -> None:
                await act

            asyncio.run_coroutine_threadsafe(acted(), loop).result(within)

        def teardown(self) -> None:
            for name in sorted(self.waiting):
                self._tell(name)
            self._wait(self.story.ends(), 600)

    return Interleaving


async def test_all_doors_agree_whatever_the_order_of_arrival(clinic: Clinic, whole_stack: Any) -> None:
    appointments = MllpClient("127.0.0.1", whole_stack.ports["SCHEDULING_MLLP_PORT"])
    made = machine(asyncio.get_running_loop(), lambda: Play(clinic, appointments, False, _at_once))
    wanted = settings(
        max_examples=EXAMPLES,
        stateful_step_count=16,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    await asyncio.to_thread(run_state_machine_as_test, made, settings=wanted)


async def _at_once() -> None:
    return None
