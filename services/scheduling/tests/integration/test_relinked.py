"""A person moves a study: the exam that loses its only evidence waits again, the one that has it now is done."""

import itertools

import httpx
import pytest
from fj_events import Fact, OrderChanged, OrderPlaced
from fj_testing import Feed, Log, eventually
from pydicom.uid import generate_uid

from services.scheduling.tests.builders import Modality, an_order, available, matched, received, relinked
from services.scheduling.tests.exams import said

pytestmark = pytest.mark.servers


async def is_in(http: httpx.AsyncClient, order: OrderPlaced, state: str) -> None:
    async def as_wanted() -> bool:
        exam = (await http.get(f"/api/scheduling/exams/{order.order_id}")).json()
        return bool(exam.get("state") == state)

    await eventually(as_wanted, within=20, what=f"the exam {state}")


@pytest.mark.parametrize("arrival", list(itertools.permutations(("moved", "changed"))), ids="-".join)
async def test_images_move_to_another_exam(
    arrival: tuple[str, ...], feed: Feed, http: httpx.AsyncClient, modality: Modality, log: Log
) -> None:
    wrong, right = an_order(), an_order()
    study = wrong.study_instance_uid
    await feed.publish(wrong, right, received(study), matched(wrong), available(study))
    await is_in(http, wrong, "COMPLETED")
    await is_in(http, right, "SCHEDULED")

    own = {name: value for name, value in wrong if name != "replaces"} | {"study_instance_uid": str(generate_uid())}
    facts: dict[str, Fact] = {
        "moved": relinked(study, wrong, right),
        "changed": OrderChanged(**own, changed=("study_instance_uid",)),
    }
    for name in arrival:
        [envelope] = await feed.publish(facts[name])
        await feed.repeat(facts[name], envelope)
    await is_in(http, wrong, "SCHEDULED")
    await is_in(http, right, "COMPLETED")
    assert await said(log, right, 3) == ["scheduled", "started", "completed"]
    assert (await said(log, wrong, 4))[:4] == ["scheduled", "started", "completed", "put_back"]

    async def waits() -> bool:
        entries = await modality.sees(wrong)
        return [str(entry.StudyInstanceUID) for entry in entries] == [own["study_instance_uid"]]

    await eventually(waits, within=20, what="the worklist entry under a Study UID of its own")
