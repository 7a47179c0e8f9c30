"""The worklist shows the survivor of a merge, and MPPS means its exam under either number, until it is undone."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fj_events import (
    Identifier,
    OrderChanged,
    OrderPlaced,
    PatientMerged,
    PatientPhi,
    PatientRegistered,
    Source,
    patient_key,
)
from fj_testing import (
    PATIENT_NAMESPACE,
    Feed,
    Log,
    eventually,
    has_followed,
    merged,
    moved_with,
    person,
    unmerged,
    visits_followed,
)
from pydicom.uid import generate_uid

from services.scheduling.tests.builders import Modality, an_order, in_progress

pytestmark = pytest.mark.servers


class Two:
    """A number that is merged away, and the survivor."""

    def __init__(self) -> None:
        number = uuid4().hex[:8]
        self.old, self.survivor = self._who(f"O{number}", "Unknown"), self._who(f"N{number}", "Sample")

    def _who(self, number: str, name: str) -> tuple[UUID, PatientPhi]:
        return patient_key(UUID(PATIENT_NAMESPACE), "MAIN", number), person(number, name)

    def order(self, **given: Any) -> OrderPlaced:
        return an_order(patient_id=self.old[0], patient=self.old[1], **given)

    def merge(self, until: datetime | None = None) -> PatientMerged:
        return merged(self.old, self.survivor, until)


def number(who: tuple[UUID, PatientPhi]) -> str:
    assert who[1].id
    return who[1].id.value


async def shows(modality: Modality, order: OrderPlaced, who: tuple[UUID, PatientPhi]) -> None:
    async def so() -> bool:
        seen = [(str(item.PatientID), str(item.PatientName)) for item in await modality.sees(order)]
        return seen == [(number(who), who[1].family_name)]

    await eventually(so, within=20, what=f"{order.accession_number} of {who[1].family_name}")


@pytest.mark.parametrize("first", ["merge", "order"])
async def test_the_worklist_shows_the_survivor(
    feed: Feed, log: Log, modality: Modality, http: httpx.AsyncClient, first: str
) -> None:
    two = Two()
    order, merge = two.order(), two.merge()
    facts = [merge, order] if first == "merge" else [order, merge]
    cause = (await feed.publish(*facts))[facts.index(merge)]
    await feed.repeat(merge, cause)
    await shows(modality, order, two.survivor)
    exam = (await http.get(f"/api/scheduling/exams/{order.order_id}")).json()
    assert exam["patient"]["id"]["value"] == number(two.survivor)
    assert await has_followed(log, "scheduling", cause.id) == [str(two.survivor[0])]

    renamed = (two.survivor[0], two.survivor[1].model_copy(update={"family_name": "Specimen"}))
    await feed.publish(
        PatientRegistered(site="MAIN", patient_id=renamed[0], provisional=False, source=Source.HL7, patient=renamed[1])
    )
    await shows(modality, order, renamed)

    [undone] = await feed.publish(unmerged(merge))
    await shows(modality, order, two.old)
    assert await has_followed(log, "scheduling", undone.id) == [str(two.old[0])]


@pytest.mark.parametrize("named", ["old", "survivor"])
@pytest.mark.parametrize("first", ["order", "modality"])
async def test_a_modality_means_the_exam_by_step_and_either_number(
    feed: Feed, log: Log, modality: Modality, http: httpx.AsyncClient, *, named: str, first: str
) -> None:
    two = Two()
    step_id = f"S{uuid4().hex[:8]}"
    order = two.order(scheduled_step_id=step_id)
    [cause] = await feed.publish(two.merge())
    await has_followed(log, "scheduling", cause.id)
    if first == "order":
        await feed.publish(order)
        await shows(modality, order, two.survivor)
    content = in_progress(
        StudyInstanceUID=generate_uid(),
        ScheduledProcedureStepID=step_id,
        PatientID=number(two.old if named == "old" else two.survivor),
    )
    _, status = await modality.begins(content)
    assert status.Status == 0
    if first == "modality":
        await feed.publish(order)

    async def started() -> bool:
        exam = await http.get(f"/api/scheduling/exams/{order.order_id}")
        return exam.status_code == httpx.codes.OK and exam.json()["state"] == "STARTED"

    await eventually(started, within=20)


async def test_an_order_of_who_was_given_the_number_later_is_theirs(feed: Feed, modality: Modality) -> None:
    two = Two()
    given_away = datetime.now(UTC)
    before, since = two.order(), two.order()
    await feed.publish(since, time=given_away + timedelta(minutes=1))
    await feed.publish(two.merge(given_away))
    await feed.publish(before, time=given_away - timedelta(minutes=1))
    await shows(modality, before, two.survivor)
    await shows(modality, since, two.old)


@pytest.mark.parametrize("started", [False, True])
async def test_an_exam_goes_to_another_visit_number_and_patient_with_its_order_also_after_its_start(
    feed: Feed, log: Log, modality: Modality, http: httpx.AsyncClient, started: bool
) -> None:
    two = Two()
    order = two.order()
    await feed.publish(order)
    await shows(modality, order, two.old)
    if started:
        await modality.begins(in_progress(order))
        await log.wait_for("exam-events", where=lambda r: (r.key, r.type) == (str(order.order_id), "exam.started.v1"))
    own = {name: value for name, value in order if name != "replaces"}
    to = {"patient_id": two.survivor[0], "patient": two.survivor[1], "changed": ("patient", "patient_id")}
    renumbered = {
        "clinical": order.clinical.model_copy(update={"visit_number": Identifier(value="V2", issuer="MAIN")}),
        "changed": ("clinical",),
    }
    await feed.publish(
        OrderChanged.model_validate(own | renumbered), OrderChanged.model_validate(own | renumbered | to)
    )

    async def moved() -> bool:
        exam = (await http.get(f"/api/scheduling/exams/{order.order_id}")).json()
        return bool(exam["patient"]["id"]["value"] == number(two.survivor))

    await eventually(moved, within=20)
    if not started:
        await shows(modality, order, two.survivor)
    told = await log.wait_for("exam-events", where=lambda r: r.key == str(order.order_id))
    assert "exam.cancel_refused.v1" not in {record.type for record in told}


async def test_an_order_that_goes_with_its_visit_is_followed_and_that_is_said_once(
    feed: Feed, log: Log, modality: Modality
) -> None:
    two, visit_id = Two(), uuid4()
    order = two.order()
    moved = moved_with(visit_id, order, two.survivor)
    _, cause = await feed.publish(order, moved)
    await feed.repeat(moved, cause)
    assert await visits_followed(log, "scheduling", cause.id) == [str(visit_id)]
    assert [str(item.PatientID) for item in await modality.sees(order)] == [number(two.survivor)]
