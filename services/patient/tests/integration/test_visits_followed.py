"""When every room has followed a moved visit, or its undoing, that is a fact too."""

from uuid import UUID, uuid4

import httpx
import pytest
from fj_events import PatientVisitFollowed
from fj_hl7 import MllpClient
from fj_testing import Feed, Log, Record, ServiceProcess

from services.patient.tests.integration.test_visits_in import USER, a_move, told

pytestmark = pytest.mark.servers
ROOMS = ("scheduling", "storage", "reporting", "ehr_sync", "portal")


@pytest.fixture
def n() -> str:
    return uuid4().hex[:8].upper()


async def follow(feed: Feed, moved: Record, room: str, fact_id: UUID, *changes: UUID) -> None:
    """A room has followed this fact, and says so twice."""
    visit_id = UUID(moved.body["visit_id"])
    fact = PatientVisitFollowed(
        site="MAIN", follower=f"{room}.{visit_id}", room=room, visit_id=visit_id, changes=changes
    )
    [said] = await feed.publish(fact, causation_id=fact_id)
    await feed.repeat(fact, said)


def fact_id(moved: Record) -> UUID:
    return UUID(moved.headers["ce_id"])


async def completed(log: Log, moved: Record, count: int = 1) -> list[Record]:
    def about(record: Record) -> bool:
        return record.key == moved.body["visit_id"] and record.type == "patient.visit_move_completed.v1"

    found = await log.wait_for("patient-events", where=about, count=count)
    assert len(found) == count
    return found


async def is_not_complete(log: Log, moved: Record) -> None:
    with pytest.raises(AssertionError):
        await log.wait_for(
            "patient-events",
            where=lambda r: r.key == moved.body["visit_id"] and r.type == "patient.visit_move_completed.v1",
            within=0.5,
        )


@pytest.mark.parametrize("first", ["order", "others"])
async def test_a_move_is_complete_once_when_every_room_has_followed_every_order(
    adt: MllpClient, log: Log, feed: Feed, n: str, first: str
) -> None:
    await adt.send(a_move(f"A{n}", f"B{n}", f"||V{n}^^^GENERAL"))
    [moved] = await told(log, f"V{n}", 1)
    one, two = uuid4(), uuid4()
    if first == "order":
        await follow(feed, moved, "order", fact_id(moved), one, two)
    for change in (one, two):
        for room in ROOMS if change == one else ROOMS[1:]:
            await follow(feed, moved, room, change)
    if first == "others":
        await follow(feed, moved, "order", fact_id(moved), one, two)
    await is_not_complete(log, moved)
    await follow(feed, moved, ROOMS[0], two)
    await follow(feed, moved, ROOMS[1], two)
    [fact] = await completed(log, moved)
    assert fact.body["patient_id"] == moved.body["patient_id"]
    assert fact.body["rooms"] == sorted(("order", *ROOMS))


async def test_a_move_that_no_order_went_along_with_is_complete_with_the_orders(
    adt: MllpClient, log: Log, feed: Feed, n: str
) -> None:
    await adt.send(a_move(f"A{n}", f"B{n}", f"||V{n}^^^GENERAL"))
    [moved] = await told(log, f"V{n}", 1)
    await follow(feed, moved, "order", fact_id(moved))
    [fact] = await completed(log, moved)
    assert fact.body["rooms"] == ["order"]


async def test_a_fact_that_changes_no_order_waits_for_the_orders_of_the_one_before(
    adt: MllpClient, log: Log, feed: Feed, n: str
) -> None:
    await adt.send(a_move(f"B{n}", f"C{n}", f"||V{n}^^^GENERAL", minute=2))
    await adt.send(a_move(f"A{n}", f"B{n}", f"||V{n}^^^GENERAL", minute=1))
    before, moved = await told(log, f"V{n}", 2)
    change = uuid4()
    await follow(feed, before, "order", fact_id(before), change)
    await follow(feed, moved, "order", fact_id(moved))
    await is_not_complete(log, moved)
    for room in ROOMS:
        await follow(feed, moved, room, change)
    await completed(log, moved)


async def test_an_undone_move_is_completed_too(
    adt: MllpClient, patient: ServiceProcess, log: Log, feed: Feed, n: str
) -> None:
    await adt.send(a_move(f"A{n}", f"B{n}", f"||V{n}^^^GENERAL"))
    [moved] = await told(log, f"V{n}", 1)
    await follow(feed, moved, "order", fact_id(moved))
    await completed(log, moved)
    async with httpx.AsyncClient(base_url=patient.http, headers=USER) as http:
        undo = f"/api/patient/visits/{moved.body['visit_id']}/undo"
        [found] = (await http.get("/api/patient/visits", params={"number": f"V{n}"})).json()
        [said] = found["moves"]
        why = {"statement_id": said["statement_id"], "reason": "wrong visit"}
        assert (await http.post(undo, json=why)).status_code == 204
    undone = (await told(log, f"V{n}", 2))[-1]
    change = uuid4()
    await follow(feed, undone, "order", fact_id(undone), change)
    for room in ROOMS:
        await follow(feed, undone, room, change)
    assert "patient_id" not in (await completed(log, moved, 2))[-1].body
