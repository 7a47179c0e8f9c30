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
    "/api/order/orders": (ASKED, "order_id"),
    "/fhir/ServiceRequest": (SERVICE_REQUEST, "id"),
}


async def places(http: httpx.AsyncClient, door: str, key: str | None, user: str = "oscar") -> str:
    body, name = DOORS[door]
    headers = {"X-FJ-User": user} | ({"Idempotency-Key": key} if key else {})
    answer = await http.post(door, json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    order_id: str = answer.json()[name]
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


async def test_what_has_become_of_it_meanwhile_is_the_answer(http: httpx.AsyncClient, log: Log) -> None:
    key = str(uuid4())
    order_id = await places(http, "/api/order/orders", key)
    await http.post(f"/api/order/orders/{order_id}/cancel", json={})
    again = await http.post("/api/order/orders", json=ASKED, headers={"X-FJ-User": "oscar", "Idempotency-Key": key})
    assert (again.status_code, again.json()["order_id"], again.json()["state"]) == (201, order_id, "CANCELLED")
    told = await log.wait_for("order-events", where=lambda record: record.key == order_id, count=2)
    assert [record.type for record in told] == ["order.placed.v1", "order.cancelled.v1"]
