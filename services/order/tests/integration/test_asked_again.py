"""Whoever had no answer to a new order asks again: by HTTP, without a placer order number, under a key of theirs."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fj_testing import Log

pytestmark = pytest.mark.servers

ASKED: dict[str, Any] = {
    "patient": {"id": {"value": "AG1", "issuer": "GENERAL"}, "family_name": "Example"},
    "procedure": {"code": "CTCHEST", "text": "CT chest", "system": "L"},
}
SERVICE_REQUEST: dict[str, Any] = {
    "resourceType": "ServiceRequest",
    "status": "active",
    "intent": "order",
    "code": {"coding": [{"code": "CTCHEST", "display": "CT chest"}]},
    "subject": {"identifier": {"system": "GENERAL", "value": "AG2"}},
}
DOORS = {
    "/api/order/orders": (ASKED, "order_id", "application/problem+json"),
    "/fhir/ServiceRequest": (SERVICE_REQUEST, "id", "application/fhir+json"),
}


async def asks(
    http: httpx.AsyncClient, door: str, key: str | None, user: str = "oscar", **otherwise: Any
) -> httpx.Response:
    headers = {"X-FJ-User": user} | ({"Idempotency-Key": key} if key else {})
    return await http.post(door, json=DOORS[door][0] | otherwise, headers=headers)


async def places(http: httpx.AsyncClient, door: str, key: str | None, user: str = "oscar") -> str:
    answer = await asks(http, door, key, user)
    assert answer.status_code == 201, answer.text
    order_id: str = answer.json()[DOORS[door][1]]
    return order_id


@pytest.mark.parametrize("door", DOORS)
async def test_the_same_key_is_the_same_order(door: str, http: httpx.AsyncClient, log: Log) -> None:
    key = str(uuid4())
    first, *again = await asyncio.gather(*(places(http, door, key) for _ in range(4)))
    assert set(again) == {first}
    assert await places(http, door, key) == first
    others = [
        await places(http, door, None),
        await places(http, door, str(uuid4())),
        await places(http, door, key, "x"),
    ]
    assert len({first, *others}) == 4
    placed = await log.wait_for("order-events", where=lambda record: record.key in {first, *others}, count=4)
    assert [record.key for record in placed].count(first) == 1


@pytest.mark.parametrize("door", DOORS)
async def test_the_same_key_for_another_request_is_refused(door: str, http: httpx.AsyncClient, log: Log) -> None:
    key = str(uuid4())
    order_id = await places(http, door, key)
    other = await asks(http, door, key, priority="urgent" if "fhir" in door else "STAT")
    assert (other.status_code, other.headers["content-type"].partition(";")[0]) == (422, DOORS[door][2])
    assert "Idempotency-Key" in other.text
    [elsewhere] = DOORS.keys() - {door}
    assert (await asks(http, elsewhere, key)).status_code == 422
    assert await places(http, door, key) == order_id
    # Another member, or the same one at another place, is the same request only where it says the same.
    turned = dict(reversed(DOORS[door][0].items()))
    headers = {"X-FJ-User": "oscar", "Idempotency-Key": key}
    assert (await http.post(door, json=turned, headers=headers)).status_code == 201
    later = await places(http, door, str(uuid4()))
    told = await log.wait_for("order-events", where=lambda record: record.key in {order_id, later}, count=2)
    assert sorted((record.key, record.type) for record in told) == sorted(
        (each, "order.placed.v1") for each in (order_id, later)
    )


async def test_of_two_requests_at_once_under_one_key_one_is_refused(http: httpx.AsyncClient) -> None:
    key, door = str(uuid4()), "/api/order/orders"
    answers = await asyncio.gather(*(asks(http, door, key, priority=each) for each in ("STAT", "ROUTINE")))
    assert sorted(answer.status_code for answer in answers) == [201, 422]


async def test_a_key_whose_request_was_refused_may_be_used_again(http: httpx.AsyncClient) -> None:
    key, door = str(uuid4()), "/api/order/orders"
    number = {"value": f"AG{key[:8]}", "issuer": "GENERAL"}
    held = await asks(http, door, None, placer_order_number=number)
    await http.post(f"{door}/{held.json()['order_id']}/cancel", json={})
    late: dict[str, Any] = {"placer_order_number": number, "priority": "STAT"}
    assert (await asks(http, door, key, **late)).status_code == 409
    assert await places(http, door, key) != held.json()["order_id"]


async def test_a_change_under_a_known_number_is_made_once(http: httpx.AsyncClient) -> None:
    """Asked for again after another change, it does not undo that one."""
    key, door = str(uuid4()), "/api/order/orders"
    number = {"value": f"AH{key[:8]}", "issuer": "GENERAL"}
    order_id = (await asks(http, door, None, placer_order_number=number)).json()["order_id"]
    for again, priority in ((key, "STAT"), (None, "ASAP")):
        changed = await asks(http, door, again, placer_order_number=number, priority=priority)
        assert (changed.status_code, changed.json()["priority"]) == (201, priority)
    answer = await asks(http, door, key, placer_order_number=number, priority="STAT")
    assert (answer.json()["order_id"], answer.json()["priority"]) == (order_id, "ASAP")


async def test_what_has_become_of_it_meanwhile_is_the_answer(http: httpx.AsyncClient, log: Log) -> None:
    key = str(uuid4())
    order_id = await places(http, "/api/order/orders", key)
    await http.post(f"/api/order/orders/{order_id}/cancel", json={})
    again = await asks(http, "/api/order/orders", key)
    assert (again.status_code, again.json()["order_id"], again.json()["state"]) == (201, order_id, "CANCELLED")
    told = await log.wait_for("order-events", where=lambda record: record.key == order_id, count=2)
    assert [record.type for record in told] == ["order.placed.v1", "order.cancelled.v1"]
