"""What belongs together comes at the same instant, over and over: nothing is lost between two transactions."""

import asyncio
from functools import partial

import httpx
import pytest
from fj_events import Fact, PatientUpdated, Source
from fj_testing import Feed, eventually
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
)

pytestmark = pytest.mark.servers
ROUNDS = 12


async def state(http: httpx.AsyncClient, key: str) -> str:
    answer = await http.get(f"/api/scheduling/exams/{key}")
    return str(answer.json().get("state"))


async def test_an_order_and_its_modality_at_the_same_instant(
    feed: Feed, modality: Modality, http: httpx.AsyncClient
) -> None:
    orders = [an_order() for _ in range(ROUNDS)]

    async def performs(number: int) -> None:
        uid = generate_uid()
        content = in_progress(orders[number], StudyInstanceUID=generate_uid())
        assert (await modality.begins(content, uid))[1].Status == 0x0000
        assert (await modality.says(uid, ended("COMPLETED", a_series([uid])))).Status == 0x0000

    await asyncio.gather(feed.publish(*orders), *(performs(number) for number in range(ROUNDS)))
    for order in orders:
        await eventually(partial(_is, http, str(order.order_id), "COMPLETED"), within=30, what="the exam is completed")


async def _is(http: httpx.AsyncClient, key: str, wanted: str) -> bool:
    return await state(http, key) == wanted


async def test_facts_of_three_topics_at_the_same_instant(
    feed: Feed, modality: Modality, http: httpx.AsyncClient
) -> None:
    orders = [an_order() for _ in range(ROUNDS * 4)]
    names: list[Fact] = []
    images: list[Fact] = []
    for order in orders:
        study = generate_uid()
        images += (received(study), matched(order, study), available(study))
        patient = order.patient.model_copy(update={"family_name": "Lovelace"})
        fact = PatientUpdated(
            site="MAIN", patient_id=order.patient_id, provisional=False, source=Source.HL7, patient=patient
        )
        names.append(fact)
    waiting = [an_order(patient_id=order.patient_id, patient=order.patient) for order in orders]
    await asyncio.gather(feed.publish(*orders), feed.publish(*waiting), feed.publish(*images), feed.publish(*names))
    for order in orders:
        await eventually(partial(_is, http, str(order.order_id), "COMPLETED"), within=30, what="the exam is completed")

    async def renamed() -> bool:
        shown = [item.PatientName for order in waiting for item in await modality.sees(order)]
        return shown == ["Lovelace^Ada"] * len(waiting)

    await eventually(renamed, within=30, every=0.5)


async def test_the_same_n_create_from_two_sides_is_taken_once(modality: Modality) -> None:
    for _ in range(ROUNDS):
        content, uid = in_progress(), generate_uid()
        answers = await asyncio.gather(*(modality.begins(content, uid) for _ in range(3)))
        assert sorted(status.Status for _, status in answers) == [0x0000, 0x0111, 0x0111]
