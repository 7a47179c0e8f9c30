"""A person moves a study: the exam that loses its only evidence waits again, the one that has it now is done."""

import itertools

import httpx
import pytest
from fj_events import Fact, LinkAct, OrderChanged, OrderPlaced
from fj_testing import Feed, Log, eventually
from pydicom.uid import generate_uid

from services.scheduling.tests.builders import (
    Modality,
    a_series,
    an_order,
    available,
    ended,
    in_progress,
    matched,
    received,
    relinked,
)
from services.scheduling.tests.exams import planned, said

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


@pytest.mark.parametrize("noticed", ["when it was completed", "before it was completed"])
async def test_what_was_made_under_the_wrong_entry_is_put_back_whatever_the_modality_said(
    noticed: str, feed: Feed, http: httpx.AsyncClient, modality: Modality, log: Log
) -> None:
    wrong, right = an_order(), an_order()
    study = wrong.study_instance_uid
    await planned(feed, modality, wrong, right)
    uid, _ = await modality.begins(in_progress(wrong))
    await feed.publish(received(study), matched(wrong))
    if noticed == "when it was completed":
        assert (await modality.says(uid, ended("COMPLETED", a_series([f"{study[:60]}.1.1"])))).Status == 0
        await feed.publish(available(study))
        await is_in(http, wrong, "COMPLETED")
        await feed.publish(relinked(study, wrong, right))
    else:
        await is_in(http, wrong, "STARTED")
        await feed.publish(relinked(study, wrong, right))
        await is_in(http, wrong, "SCHEDULED")
        assert (await modality.says(uid, ended("COMPLETED", a_series([f"{study[:60]}.1.1"])))).Status == 0
        await feed.publish(available(study))
    await is_in(http, right, "COMPLETED")
    await is_in(http, wrong, "SCHEDULED")
    assert await modality.sees(wrong)
    assert "put_back" in await said(log, wrong, 3)

    await feed.publish(relinked(study, right, wrong))
    await is_in(http, wrong, "COMPLETED")
    await is_in(http, right, "SCHEDULED")


async def test_a_modality_that_named_the_wrong_entry_with_images_of_another_patient_did_not_perform_it(
    feed: Feed, http: httpx.AsyncClient, modality: Modality
) -> None:
    """They never were the wrong order's: it was in doubt whose they are, until a person said so."""
    wrong, right = an_order(), an_order()
    study = wrong.study_instance_uid
    await planned(feed, modality, wrong, right)
    uid, _ = await modality.begins(in_progress(wrong))
    assert (await modality.says(uid, ended("COMPLETED", a_series([f"{study[:60]}.1.1"])))).Status == 0
    await feed.publish(received(study), available(study))
    await is_in(http, wrong, "COMPLETED")
    await feed.publish(relinked(study, None, right))
    await is_in(http, right, "COMPLETED")
    await is_in(http, wrong, "SCHEDULED")
    await feed.publish(relinked(study, right, None))
    await is_in(http, right, "SCHEDULED")
    await is_in(http, wrong, "COMPLETED")


async def test_an_exam_waits_whose_match_rested_on_a_merge_that_was_undone_until_the_merge_is_made_again(
    feed: Feed, http: httpx.AsyncClient, modality: Modality
) -> None:
    order = an_order()
    study = order.study_instance_uid
    await planned(feed, modality, order)
    uid, _ = await modality.begins(in_progress(order))
    assert (await modality.says(uid, ended("COMPLETED", a_series([f"{study[:60]}.1.1"])))).Status == 0
    await feed.publish(received(study), matched(order), available(study))
    await is_in(http, order, "COMPLETED")
    undone = relinked(study, order, None).model_copy(update={"act": LinkAct.UNMERGE, "actor": None})
    await feed.publish(undone)
    await is_in(http, order, "SCHEDULED")
    await feed.publish(matched(order))
    await is_in(http, order, "COMPLETED")
