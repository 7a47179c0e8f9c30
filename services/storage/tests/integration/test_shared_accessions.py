"""One accession number on orders of two patients: the images say whose they are, else they wait until that is clear."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from fj_events import OrderCancelled, PatientPhi
from fj_testing import Feed, Log, eventually, merged
from storage_service.adapters.sql import Pool

from services.storage.tests.builders import Exam, Packer
from services.storage.tests.studies import Study, facts_of, knows, types_of

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]


def whose(exam: Exam) -> tuple[UUID, PatientPhi]:
    assert exam.patient_id
    return exam.patient_id, exam.patient


def two_orders() -> tuple[Exam, Exam]:
    one = Exam(family_name="Unknown")
    return one, Exam(family_name="Unknown", accession=one.accession)


def images_of(ordered: Exam, **about: Any) -> Exam:
    """Images that carry the accession number, and a Study UID of their own."""
    return Exam(accession=ordered.accession, family_name="Unknown", **about)


async def unmatched(tess: httpx.AsyncClient, log: Log, exam: Exam) -> str:
    await facts_of(log, exam, "study.unmatched.v1")
    reason: str = (await tess.get(f"/studies/{exam.study_uid}")).json()["unmatched_reason"]
    return reason


async def test_the_patients_number_on_the_images_chooses(feed: Feed, log: Log, packer: Packer, pool: Pool) -> None:
    one, other = two_orders()
    images = images_of(one, patient_number=other.patient_number)
    await feed.publish(one.order(), other.order())
    await knows(pool, one, other)
    await feed.publish(await packer.ship(images, images.images(1)))
    [fact] = await facts_of(log, images, "study.matched.v1")
    assert fact.body["order_id"] == str(other.order_id)


@pytest.mark.parametrize("becomes_clear", ["merge", "cancel"])
async def test_images_that_do_not_say_whose_they_are_wait_until_it_is_clear(
    tess: httpx.AsyncClient, feed: Feed, packer: Packer, study_of: Callable[[Exam], Study], becomes_clear: str
) -> None:
    one, other = two_orders()
    images = images_of(one, patient_number=None)
    log, pool = study_of(images).log, study_of(images).pool
    await feed.publish(one.order(), other.order())
    await knows(pool, one, other)
    await feed.publish(await packer.ship(images, images.images(1)))
    assert "an order for another patient" in await unmatched(tess, log, images)
    assert "study.matched.v1" not in await types_of(log, images)
    if becomes_clear == "merge":
        await feed.publish(merged(whose(other), whose(one)))
    else:
        await feed.publish(
            OrderCancelled(
                site="MAIN",
                order_id=other.order_id,
                patient_id=whose(other)[0],
                accession_number=other.order().accession_number,
                study_instance_uid=other.study_uid,
            )
        )
    [fact] = await facts_of(log, images, "study.matched.v1")
    assert fact.body["order_id"] == str(one.order_id)

    async def is_off_the_list() -> bool:
        entries = (await tess.get("/exceptions", params={"limit": 500})).json()
        return images.study_uid not in {entry["study_instance_uid"] for entry in entries}

    await eventually(is_off_the_list, within=20)
