"""Orders that were born here get their placer's number: by NA at the door, or in the answer to our SN."""

import itertools
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fj_events import DeliveryDelivered, DeliveryKind, Evidence, ExamStarted, Identifier
from fj_hl7 import MllpClient
from fj_testing import Feed, Log, eventually

from services.order.tests.placer import a_number, orm, refusal

pytestmark = pytest.mark.servers
PATIENTS = itertools.count(1)


def na(number: str, order: dict[str, Any], patient: str, control: str = "NA", status: str = "") -> bytes:
    """The placer's answer to SN, as a message of its own."""
    accession = order["accession_number"]["value"]
    return "\r".join(
        (
            f"MSH|^~\\&|EHR|GENERAL|FJ|FJ|20260302091500||ORM^O01^ORM_O01|N{number}{control}{status}|P|2.5.1",
            f"PID|1||{patient}^^^GENERAL^MR||Example^Ada||19700401|F",
            f"ORC|{control}|{number}^EHR|{accession}||{status}",
        )
    ).encode()


async def born_here(http: httpx.AsyncClient, **more: Any) -> tuple[dict[str, Any], str]:
    """An order that somebody of the department entered, and its patient's number."""
    patient = f"B{next(PATIENTS):03d}"
    asked = {
        "patient": {"id": {"value": patient, "issuer": "GENERAL"}, "family_name": "Example"},
        "procedure": {"code": "CTCHEST", "text": "CT chest", "system": "L"},
    }
    answer = await http.post("/api/order/orders", json=asked | more)
    assert answer.status_code == 201, answer.text
    return answer.json(), patient


async def reads(http: httpx.AsyncClient, order: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await http.get(f"/api/order/orders/{order['order_id']}")).json()
    return found


async def facts_of(log: Log, order: dict[str, Any], count: int) -> list[Any]:
    return await log.wait_for("order-events", where=lambda record: record.key == order["order_id"], count=count)


async def test_na_gives_the_order_its_number_once(http: httpx.AsyncClient, placer: MllpClient, log: Log) -> None:
    order, patient = await born_here(http)
    assert order["placer_order_number"] is None
    number = a_number()
    for _ in range(2):
        assert (await placer.send(na(number, order, patient))).code == "AA"
    assert (await reads(http, order))["placer_order_number"] == {"value": number, "issuer": "EHR"}
    assert (await placer.send(na(number, order, patient, "CA"))).code == "AA"
    _, changed, cancelled = await facts_of(log, order, 3)
    assert changed.type == "order.changed.v1"
    assert changed.body["changed"] == ["placer_order_number"]
    assert changed.body["placer_order_number"] == {"value": number, "issuer": "EHR"}
    assert cancelled.type == "order.cancelled.v1"


async def test_a_number_comes_whatever_has_become_of_the_exam(
    http: httpx.AsyncClient, placer: MllpClient, feed: Feed
) -> None:
    order, patient = await born_here(http)
    key = order["order_id"]
    started = ExamStarted(site="MAIN", exam_key=key, order_id=key, study_instance_uid="1.2", evidence=Evidence.MPPS)
    await feed.publish(started)

    async def begun() -> bool:
        return bool((await reads(http, order))["state"] == "IN_PROGRESS")

    await eventually(begun)
    number = a_number()
    assert (await placer.send(na(number, order, patient))).code == "AA"
    known = await reads(http, order)
    assert (known["state"], known["placer_order_number"]["value"]) == ("IN_PROGRESS", number)


async def test_what_was_said_under_the_number_before_it_came_is_done(
    http: httpx.AsyncClient, placer: MllpClient
) -> None:
    order, patient = await born_here(http)
    number = a_number()
    assert (await placer.send(na(number, order, patient, "HD"))).code == "AA"
    assert (await reads(http, order))["state"] == "ORDERED"
    await placer.send(na(number, order, patient))
    assert (await reads(http, order))["state"] == "HELD"


async def test_a_number_that_does_not_fit_is_refused_by_name(http: httpx.AsyncClient, placer: MllpClient) -> None:
    order, patient = await born_here(http)
    other, _ = await born_here(http)
    number, taken = a_number(), a_number()
    await placer.send(orm(taken))
    refused = await refusal(placer, na(taken, order, patient))
    assert (refused.code, refused.errors[0].code.value, refused.errors[0].field) == ("AE", "205", 2)
    assert "another order has the number" in refused.errors[0].text
    await placer.send(na(number, order, patient))
    second = await refusal(placer, na(a_number(), order, patient))
    assert f"the order has the number {number}" in second.errors[0].text
    assert "another patient" in (await refusal(placer, na(a_number(), other, patient))).errors[0].text
    unknown = other | {"accession_number": {"value": "NOBODYS"}}
    assert (await refusal(placer, na(a_number(), unknown, patient))).errors[0].code.value == "204"
    assert (await reads(http, other))["placer_order_number"] is None


async def test_the_answer_to_our_wish_for_a_number_counts_and_the_first_one_stands(
    http: httpx.AsyncClient, feed: Feed, log: Log
) -> None:
    order, _ = await born_here(http)
    first, second = a_number(), a_number()
    for number in (first, first, second):
        await feed.publish(
            DeliveryDelivered(
                site="MAIN",
                delivery_id=uuid4(),
                exam_key=order["order_id"],
                order_id=order["order_id"],
                destination="ehr",
                kind=DeliveryKind.NUMBERS,
                status="SC",
                message_type="ORM^O01",
                control_id="FJ1",
                attempts=1,
                placer_order_number=Identifier(value=number, issuer="EHR"),
            )
        )
    await facts_of(log, order, 2)
    held = await http.post(f"/api/order/orders/{order['order_id']}/hold", json={})
    assert held.json()["placer_order_number"]["value"] == first
    *_, last = await facts_of(log, order, 3)
    assert last.type == "order.held.v1"


async def test_a_status_of_the_department_is_done_or_refused_by_name(
    http: httpx.AsyncClient, placer: MllpClient
) -> None:
    number = a_number()
    await placer.send(orm(number))
    [order] = (await http.get("/api/order/orders", params={"placer_order_number": number})).json()
    for status, state in (("HD", "HELD"), ("SC", "ORDERED"), ("CA", "CANCELLED")):
        assert (await placer.send(na(number, order, f"P{number}", "SC", status))).code == "AA"
        assert (await reads(http, order))["state"] == state
    performed = await refusal(placer, na(number, order, f"P{number}", "SC", "CM"))
    assert (performed.code, performed.errors[0].code.value) == ("AE", "103")
    assert "SC with status CM" in performed.errors[0].text
    asked = await refusal(placer, na(number, order, f"P{number}", "SN"))
    assert "order control SN" in asked.errors[0].text
