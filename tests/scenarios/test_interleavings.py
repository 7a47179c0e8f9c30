"""The messages of one patient in any order, some of them twice: in the end all doors agree, and nothing is lost.

Hypothesis chooses the order; what it finds it makes shorter, down to the few messages whose order matters.
"""

import asyncio
import itertools
import os
import threading
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import pytest
from fj_hl7 import CWE, XPN, MllpClient
from fj_simulators import Clinic, Exam, an_exam
from fj_simulators.exam import a_patient
from fj_testing import Log, Record, eventually
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from hypothesis.strategies import DataObject, data, sampled_from

from tests.scenarios.folded import assert_events_are_the_state
from tests.scenarios.play import Play, tomorrow
from tests.scenarios.truth import assert_one_truth

EXAMPLES: Final = int(os.environ.get("FJ_TEST_INTERLEAVINGS", "6"))
"""Each is a patient's whole story at the doors: some seconds. Ask for a hundred before a release."""
pytestmark = [pytest.mark.servers, pytest.mark.timeout(600 + 50 * EXAMPLES)]
ONE_MESSAGE: Final = 60
STORIES: Final = itertools.count()
NEEDS: Final = {"MPPS ends": "MPPS begins", "unmerge": "A40 mistaken"}
"""What must have been said before."""
Send = Callable[[], Awaitable[None]]


class Story:
    """Somebody comes in without a name and turns out to be known, under a number that changes; an exam is performed.

    Another one is cancelled, a third goes with its visit to the patient and has an appointment. Somebody else is merged
    by mistake, which is undone. Every message is written before the first goes out, so that its time does not depend on
    when it arrives.
    """

    def __init__(self, play: Play, log: Log) -> None:
        self.play, self.log, self.now = play, log, datetime.now(UTC)
        self.emergency = an_exam(patient=a_patient("Unknown Uwe"))
        self.known, self.visiting, self.bystander = an_exam(), an_exam(), an_exam()
        self.visit = f"V{self.visiting.accession_number}"
        self.appointed = tomorrow(8) + timedelta(days=20 + next(STORIES))
        numbered = replace(self.known.patient, identifiers=a_patient().identifiers)
        self.survivor = replace(self.known, patient=numbered)
        self.images = play.clinic.modality.acquires_unscheduled(self.emergency)
        for image in self.images.images:
            image.AccessionNumber = self.emergency.accession_number
        self.messages: dict[str, Send] = {
            **self._of_the_patient(),
            **self._of_numbers(),
            **self._of_the_orders(),
            **self._of_the_exam(),
        }
        self.sent: set[str] = set()

    def ready(self, waiting: Iterable[str]) -> list[str]:
        """What can be said now: an N-SET follows its N-CREATE, and a merge is undone that was made."""
        return sorted(name for name in waiting if NEEDS.get(name, name) in {name, *self.sent})

    async def tells(self, name: str) -> None:
        """One message goes out, for the first time or again."""
        await self.messages[name]()
        self.sent.add(name)

    def _of_the_patient(self) -> dict[str, Send]:
        play, emergency, known = self.play, self.emergency, self.known
        # Under the new number: what is made after an A47 and told of the old one stays there (patient, decision 9).
        renamed = replace(self.survivor, patient=replace(self.survivor.patient, names=(XPN("Newname", "Nora"),)))
        return {
            "A04 unknown": partial(play.tells_patients, play.patient(emergency, "A04", minutes_ago=9)),
            "A04 known": partial(play.tells_patients, play.patient(known, "A04", minutes_ago=8)),
            "A08 renamed": partial(play.tells_patients, play.patient(renamed, "A08")),
            "A40": self._numbers(known, "A40", f"MRG|{_cx(emergency)}", 3),
            "A47": self._numbers(self.survivor, "A47", f"MRG|{_cx(known)}", 1),
        }

    def _of_numbers(self) -> dict[str, Send]:
        return {
            "A24": self._numbers(self.survivor, "A24", f"PID|2||{_cx(self.bystander)}", 2),
            "A45": self._numbers(self.known, "A45", f"MRG|{_cx(self.visiting)}||||{self.visit}^^^GENERAL", 3),
            "A40 mistaken": self._numbers(self.known, "A40", f"MRG|{_cx(self.bystander)}", 4),
            "unmerge": self._undoes_the_mistake,
        }

    def _numbers(self, exam: Exam, trigger: str, segment: str, minutes_ago: int) -> Send:
        at = self.now - timedelta(minutes=minutes_ago)
        return partial(self.play.tells_patients, self.play.about_numbers(exam, trigger, segment, at=at))

    async def _undoes_the_mistake(self) -> None:
        """Done again it is refused, or done already: there is no other merge of this number."""
        undo = f"/api/patient/patients/{await self._patient_id(self.bystander)}/unmerge"
        answer = await self.play.clinic.http.post(undo, json={"reason": "two people after all"})
        assert answer.is_success or ("unmerge" in self.sent and answer.status_code == 409), answer.text

    async def _patient_id(self, exam: Exam) -> str:
        """Of its number, whosever that is by now: the door for searching answers with the survivor."""

        def about(record: Record) -> bool:
            patient: dict[str, Any] = record.body.get("patient") or {}
            return patient.get("id") == {"value": exam.patient_id, "issuer": exam.issuer}

        return (await self.log.wait_for("patient-events", where=about))[0].key

    def _of_the_orders(self) -> dict[str, Send]:
        play, known, visiting = self.play, self.known, self.visiting
        head = replace(known, procedure=CWE("CTHEAD", "CT head", "L"))
        later = self.appointed + timedelta(hours=4)
        booked = play.appointment(visiting, "S12", self.appointed, minutes_ago=5)
        moved = play.appointment(visiting, "S13", later, minutes_ago=4)
        return {
            "NW emergency": partial(play.tells_orders, play.order(self.emergency, minutes_ago=7)),
            "NW known": partial(play.tells_orders, play.order(known, minutes_ago=6)),
            "XO known": partial(play.tells_orders, play.order(head, "XO", minutes_ago=5)),
            "CA known": partial(play.tells_orders, play.order(known, "CA", minutes_ago=4)),
            "NW visiting": partial(play.tells_orders, play.order(visiting, minutes_ago=6, visit=self.visit)),
            "NW bystander": partial(play.tells_orders, play.order(self.bystander, minutes_ago=6)),
            "S12": partial(play.tells_appointments, booked),
            "S13": partial(play.tells_appointments, moved),
        }

    def _of_the_exam(self) -> dict[str, Send]:
        dictation, exam = self.play.clinic.dictation, self.emergency
        reports = {status: dictation.message(exam, status) for status in "PF"}
        return {
            "MPPS begins": lambda: self._mpps("MPPS begins", self.play.clinic.modality.starts),
            "images": partial(self.play.sends, self.images),
            "MPPS ends": lambda: self._mpps("MPPS ends", self.play.clinic.modality.completes),
            **{f"ORU {status}": self._report(raw) for status, raw in reports.items()},
        }

    async def _mpps(self, name: str, say: Callable[..., Awaitable[None]]) -> None:
        await say(self.images, again=name in self.sent)

    def _report(self, raw: bytes) -> Send:
        async def send() -> None:
            await self.play.clinic.dictation.sends(raw)

        return send

    async def ends(self) -> None:
        """One exam is reported, one cancelled, one appointed: of the survivor, under the newest name. One is apart."""
        await self.play.until(self.emergency, "delivered")
        await self.play.until(self.known, "cancelled")
        for exam in (self.emergency, self.known, self.visiting):
            await self.play.until_shown(exam, self.survivor)
        await self.play.until_shown(self.bystander, self.bystander)
        for exam in (self.emergency, self.known):
            await self.play.off_worklist(exam)
        theirs = replace(self.visiting, patient=self.survivor.patient)
        exams = [self.emergency, self.known, theirs, self.bystander]
        await assert_one_truth(self.play.clinic, exams)
        await eventually(self._has_its_images_and_name, within=30, every=0.3, what="images and name")
        await eventually(self._is_appointed_and_linked, within=30, every=0.3, what="appointment and link")
        await assert_events_are_the_state(self.play.clinic, self.log, exams)

    async def _has_its_images_and_name(self) -> bool:
        answer = await self.play.clinic.where_is(self.emergency)
        assert answer is not None
        assert answer["instances"] == len(self.images.images)
        assert "Newname" in str(answer["patient"])
        return True

    async def _is_appointed_and_linked(self) -> bool:
        http = self.play.clinic.http
        asked = {"accession_number": self.visiting.accession_number}
        [exam] = (await http.get("/api/scheduling/exams", params=asked)).json()["exams"]
        starts = [datetime.fromisoformat(step["starts_at"]) for step in exam["steps"]]
        assert starts == [self.appointed + timedelta(hours=4)], starts
        person = (await http.get(f"/api/patient/patients/{await self._patient_id(self.survivor)}/links")).json()
        assert await self._patient_id(self.bystander) in person["numbers"], person["numbers"]
        return True


def _cx(exam: Exam) -> str:
    return f"{exam.patient_id}^^^{exam.issuer}^MR"


class Stage:
    """The event loop of the test, for the thread that chooses what comes next."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._closed = threading.Event()

    def wait(self, act: Awaitable[None], within: float) -> None:
        """Until it is done. Raises TimeoutError, also when the test is over."""

        async def acted() -> None:
            await act

        if self._closed.is_set():
            raise TimeoutError
        asyncio.run_coroutine_threadsafe(acted(), self._loop).result(within)

    def close(self) -> None:
        """Nothing is told any more."""
        self._closed.set()


def machine(stage: Stage, story: Callable[[], Story]) -> type[RuleBasedStateMachine]:
    """A state machine whose steps are the messages of a new story."""

    class Interleaving(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.story = story()
            self.waiting = set(self.story.messages)

        @precondition(lambda self: self.waiting)
        @rule(choice=data())
        def arrives(self, choice: DataObject) -> None:
            name = choice.draw(sampled_from(self.story.ready(self.waiting)))
            self._tell(name)
            self.waiting.remove(name)

        @precondition(lambda self: self.story.sent)
        @rule(choice=data())
        def arrives_again(self, choice: DataObject) -> None:
            self._tell(choice.draw(sampled_from(sorted(self.story.sent))))

        def _tell(self, name: str) -> None:
            stage.wait(self.story.tells(name), ONE_MESSAGE)

        def teardown(self) -> None:
            while self.waiting:
                for name in self.story.ready(self.waiting):
                    self._tell(name)
                    self.waiting.remove(name)
            stage.wait(self.story.ends(), 600)

    return Interleaving


async def test_all_doors_agree_whatever_the_order_of_arrival(clinic: Clinic, whole_stack: Any, events: Log) -> None:
    appointments = MllpClient("127.0.0.1", whole_stack.ports["SCHEDULING_MLLP_PORT"])
    play = partial(Play, clinic, appointments, False, _at_once)
    stage = Stage()
    made = machine(stage, lambda: Story(play(), events))
    wanted = settings(
        max_examples=EXAMPLES,
        stateful_step_count=24,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    try:
        await asyncio.to_thread(run_state_machine_as_test, made, settings=wanted)
    finally:
        stage.close()


async def _at_once() -> None:
    return None
