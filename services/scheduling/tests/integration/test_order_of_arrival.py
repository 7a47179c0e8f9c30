"""Facts of several topics, and what modalities say, in every order: the same end state (law 4)."""

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

import asyncpg
import httpx
import pytest
from fj_events import Fact, OrderPlaced
from fj_testing import Feed, Log, Services, eventually
from pydicom.uid import generate_uid

from services.scheduling.tests.builders import (
    Modality,
    a_series,
    an_order,
    available,
    cancelled,
    ended,
    in_progress,
    matched,
    received,
)

pytestmark = pytest.mark.servers
IMAGES = ("placed", "received", "matched", "available")
"""Without MPPS."""
MPPS = ("placed", "matched", "create", "set", "available")
"""With it."""


@dataclass(frozen=True)
class World:
    """Everything around `scheduling`, one thing at a time: the next happens when the one before has been taken."""

    feed: Feed
    modality: Modality
    log: Log
    http: httpx.AsyncClient
    database: "asyncpg.Connection[asyncpg.Record]"

    async def states(self, *facts: Fact) -> None:
        for fact in facts:
            (envelope,) = await self.feed.publish(fact)
            await eventually(partial(self._has_taken, fact, envelope.sequence), every=0.01)

    async def _has_taken(self, fact: Fact, sequence: int) -> bool:
        last = await self.database.fetchval(
            "SELECT max(last) FROM bus.inbox WHERE topic = $1 AND key = $2", fact.topic, fact.key
        )
        return last is not None and last >= sequence

    async def state(self, order: OrderPlaced) -> str:
        exam = await self.http.get(f"/api/scheduling/exams/{order.order_id}")
        return str(exam.json()["state"])

    async def types(self, key: str) -> list[str]:
        """What is said about an exam, once the outbox is empty."""

        async def is_published() -> bool:
            return not await self.database.fetchval("SELECT count(*) FROM bus.outbox WHERE key = $1", key)

        await eventually(is_published)
        records = await self.log.read("exam-events")
        return [record.type.removeprefix("exam.").removesuffix(".v1") for record in records if record.key == key]


@pytest.fixture
async def world(
    services: Services, feed: Feed, modality: Modality, log: Log, http: httpx.AsyncClient
) -> AsyncIterator[World]:
    database = await asyncpg.connect(services.database("scheduling"))
    yield World(feed, modality, log, http, database)
    await database.close()


@pytest.mark.parametrize("arrival", list(itertools.permutations(IMAGES)), ids="-".join)
async def test_images_without_mpps_start_and_complete_the_exam(arrival: tuple[str, ...], world: World) -> None:
    order, study = an_order(), generate_uid()
    facts: dict[str, Fact] = {
        "placed": order,
        "received": received(study),
        "matched": matched(order, study),
        "available": available(study),
    }
    await world.states(*(facts[name] for name in arrival))
    assert await world.state(order) == "COMPLETED"
    assert await world.modality.sees(order) == []
    assert await world.types(str(order.order_id)) == ["scheduled", "started", "completed"]


@pytest.mark.parametrize("names_the_order", [True, False])
@pytest.mark.parametrize(
    "arrival",
    [names for names in itertools.permutations(MPPS) if names.index("create") < names.index("set")],
    ids="-".join,
)
async def test_what_a_modality_says_and_its_images_lead_to_one_completed_exam(
    arrival: tuple[str, ...], names_the_order: bool, world: World
) -> None:
    order, study, uid = an_order(), generate_uid(), generate_uid()
    content = in_progress(order if names_the_order else None, StudyInstanceUID=study)
    for name in arrival:
        match name:
            case "placed":
                await world.states(order)
            case "matched":
                await world.states(received(study), matched(order, study))
            case "available":
                await world.states(available(study))
            case "create":
                assert (await world.modality.begins(content, uid))[1].Status == 0x0000
            case "set":
                assert (await world.modality.says(uid, ended("COMPLETED", a_series([uid])))).Status == 0x0000
    assert await world.state(order) == "COMPLETED"
    assert await world.modality.sees(order) == []
    assert await world.types(str(order.order_id)) == ["scheduled", "started", "completed"]
    needed = {"placed"} if names_the_order else {"placed", "matched"}
    was_known = needed.issubset(arrival[: arrival.index("create")])
    assert await world.types(study) == ([] if was_known else ["started", "completed"])


@pytest.mark.parametrize("arrival", ["pcr", "prc", "rpc"])
async def test_an_exam_with_images_wins_over_a_cancel(arrival: str, world: World) -> None:
    order = an_order()
    uid = order.study_instance_uid
    facts: dict[str, tuple[Fact, ...]] = {"p": (order,), "c": (cancelled(order),), "r": (received(uid), matched(order))}
    for name in arrival:
        await world.states(*facts[name])
    assert await world.state(order) == "STARTED"
    said = await world.types(str(order.order_id))
    assert [fact for fact in said if fact != "cancelled"] == ["scheduled", "started", "cancel_refused"]
