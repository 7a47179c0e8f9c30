"""Orders through the real doors: MLLP, JSON, FHIR; facts on a real Kafka."""

import asyncio
import itertools
from typing import Any
from uuid import UUID

import httpx
import pytest
from fj_events import Evidence, ExamCancelRefused, ExamStarted
from fj_events import Refused as Refusable
from fj_hl7 import Message, MllpClient, read_ack
from fj_testing import Feed, Log, ServiceProcess

from services.order.tests.placer import a_number, facts, orm, refusal

pytestmark = pytest.mark.servers


async def test_an_acknowledged_order_is_a_fact_on_the_log(placer: MllpClient, log: Log) -> None:
    number = a_number()
    raw = orm(number, priority="S")
    ack = await placer.send(raw)
    assert (ack.code, ack.control_id) == ("AA", Message.parse(raw).control_id)
    [placed] = await facts(log, number, "order.placed.v1")
    assert placed.body["priority"] == "STAT"
    assert placed.body["placer_order_number"] == {"value": number, "issuer": "EHR"}
    assert placed.body["accession_number"] == {"value": f"A{number}", "issuer": "MAIN"}
    assert placed.body["patient"]["id"] == {"value": f"P{number}", "issuer": "GENERAL"}
    assert placed.key == placed.body["order_id"] == placed.headers["ce_subject"]
    assert placed.headers["ce_source"] == "/filmjacket/order"


async def test_the_same_message_twice_and_the_same_order_again_are_one_fact(placer: MllpClient, log: Log) -> None:
    number = a_number()
    raw = orm(number)
    assert await placer.send(raw) == await placer.send(raw)
    assert (await placer.send(orm(number))).code == "AA"
    await placer.send(orm(number, control="CA"))
    await facts(log, number, "order.placed.v1", "order.cancelled.v1")


async def test_two_first_messages_about_one_order_at_the_same_instant_are_one_order(
    mllp_port: int, order: ServiceProcess, log: Log
) -> None:
    number = a_number()
    clients = [MllpClient("127.0.0.1", mllp_port) for _ in range(8)]
    acks = await asyncio.gather(*(client.send(orm(number)) for client in clients))
    assert {ack.code for ack in acks} == {"AA"}
    for client in clients:
        await client.close()
    await facts(log, number, "order.placed.v1")


async def test_orders_that_come_at_the_same_time_are_placed_once_each(
    mllp_port: int, order: ServiceProcess, log: Log
) -> None:
    numbers = [a_number() for _ in range(10)]
    clients = [MllpClient("127.0.0.1", mllp_port) for _ in range(20)]
    sending = zip(clients, [*numbers, *numbers], strict=True)
    acks = await asyncio.gather(*(client.send(orm(number)) for client, number in sending))
    assert {ack.code for ack in acks} == {"AA"}
    for client in clients:
        await client.close()
    for number in numbers:
        await facts(log, number, "order.placed.v1")


async def test_the_orders_of_one_message_are_taken_in_their_order_or_not_at_all(
    placer: MllpClient, http: httpx.AsyncClient, log: Log
) -> None:
    first, second, never = a_number(), a_number(), a_number()
    header, patient, *order = orm(first).split(b"\r")
    wishes = [
        [line.replace(b"ORC|NW", control).replace(first.encode(), number.encode()) for line in order]
        for control, number in (
            (b"ORC|NW", first),
            (b"ORC|NW", second),
            (b"ORC|CA", first),
            (b"ORC|NW", second),
            (b"ORC|NW", never),
            (b"ORC|ZZ", second),
        )
    ]
    ack = await refusal(placer, b"\r".join((header, patient, *itertools.chain(*wishes))))
    assert (ack.errors[0].segment, ack.errors[0].sequence) == ("ORC", 6)
    await placer.send(b"\r".join((header + b"|", patient, *itertools.chain(*wishes[:4]))))
    await facts(log, first, "order.placed.v1", "order.cancelled.v1")
    await facts(log, second, "order.placed.v1")
    assert (await http.get("/api/order/orders", params={"placer_order_number": never})).json() == []


async def test_a_change_says_what_differs_and_carries_the_whole_state(placer: MllpClient, log: Log) -> None:
    number = a_number()
    await placer.send(orm(number))
    await placer.send(orm(number, control="XO", code="CTHEAD", priority="S"))
    _, changed = await facts(log, number, "order.placed.v1", "order.changed.v1")
    assert set(changed.body["changed"]) == {"procedure", "priority"}
    assert changed.body["procedure"]["code"] == "CTHEAD"


async def test_changes_on_their_way_together_are_undone_to_what_the_exam_uses(
    placer: MllpClient, log: Log, feed: Feed
) -> None:
    number = a_number()
    await placer.send(orm(number))
    for code in ("CTHEAD", "CTNECK", "CTFOOT"):
        await placer.send(orm(number, control="XO", code=code))
    placed, taken, *refused = await facts(log, number, "order.placed.v1", *["order.changed.v1"] * 3)
    exam: dict[str, Any] = {"site": "MAIN", "exam_key": placed.key, "order_id": placed.key}
    await feed.publish(ExamStarted(**exam, study_instance_uid="1.2", evidence=Evidence.MPPS))
    refusal = ExamCancelRefused(**exam, refused=Refusable.CHANGE, state="STARTED")
    for fact in refused:
        [envelope] = await feed.publish(refusal, causation_id=UUID(fact.headers["ce_id"]))
        await feed.repeat(refusal, envelope)
    told = ["order.changed.v1", "order.reinstated.v1", "order.reinstated.v1"]
    records = await facts(log, number, "order.placed.v1", *["order.changed.v1"] * 3, *told)
    assert records[-3].body["procedure"] == taken.body["procedure"]
    assert [record.body["refused"] for record in records[-2:]] == ["change", "change"]


async def test_an_order_control_that_is_not_taken_is_refused_by_name_and_leaves_nothing(
    placer: MllpClient, http: httpx.AsyncClient
) -> None:
    number = a_number()
    ack = await refusal(placer, orm(number, control="ZZ"))
    assert ack.code == "AE"
    [error] = ack.errors
    assert error.code == "103"
    assert "NW, XO, XX, CA" in error.text
    assert (await http.get("/api/order/orders", params={"placer_order_number": number})).json() == []


async def test_a_cancelled_order_is_not_placed_again_by_an_old_message(placer: MllpClient, log: Log) -> None:
    number = a_number()
    await placer.send(orm(number))
    await placer.send(orm(number, control="CA"))
    assert (await refusal(placer, orm(number, priority="S"))).code == "AE"
    assert (await placer.send(orm(number, control="CA"))).code == "AA"
    await facts(log, number, "order.placed.v1", "order.cancelled.v1")


async def test_a_bad_message_does_not_stop_the_next_good_one(mllp_port: int, order: ServiceProcess) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", mllp_port)
    for raw, code in ((b"nonsense", "AR"), (orm(a_number()).replace(b"PID|", b"XID|"), "AE"), (orm(a_number()), "AA")):
        writer.write(b"\x0b" + raw + b"\x1c\r")
        answer = await asyncio.wait_for(reader.readuntil(b"\x1c\r"), 5)
        assert read_ack(answer.strip(b"\x0b\x1c\r")).code == code
    writer.close()


async def test_a_message_for_another_door_is_told_where_to_go(placer: MllpClient) -> None:
    ack = await refusal(placer, orm(a_number()).replace(b"ORM^O01^ORM_O01", b"ADT^A04^ADT_A01"))
    assert ack.code == "AR"
    assert "2576" in ack.errors[0].text


async def test_json_orders_name_their_user_and_are_refused_without_one(http: httpx.AsyncClient, log: Log) -> None:
    number = a_number()
    body = {
        "patient": {"id": {"value": "P9", "issuer": "GENERAL"}, "family_name": "Example"},
        "procedure": {"code": "CTCHEST"},
        "placer_order_number": {"value": number, "issuer": "EHR"},
        "accession_number": f"A{number}",
    }
    nobody = await http.post("/api/order/orders", json=body, headers={"X-FJ-User": ""})
    assert (nobody.status_code, nobody.headers["content-type"]) == (401, "application/problem+json")
    placed = await http.post("/api/order/orders", json=body)
    assert placed.status_code == 201
    [fact] = await facts(log, number, "order.placed.v1")
    assert fact.body["actor"] == "tess"
    order_id = placed.json()["order_id"]
    cancelled = await http.post(f"/api/order/orders/{order_id}/cancel", json={"reason": "typed in twice"})
    assert cancelled.json()["state"] == "CANCELLED"
    await facts(log, number, "order.placed.v1", "order.cancelled.v1")


@pytest.mark.parametrize(
    ("body", "status"), [("{not json", 400), ("[]", 422), ('{"procedure": {"code": "X"}}', 422), ("", 422)]
)
async def test_bad_json_is_a_problem_that_echoes_nothing(http: httpx.AsyncClient, body: str, status: int) -> None:
    answer = await http.post("/api/order/orders", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in answer.text


async def test_a_service_request_becomes_an_order_and_is_answered_with_the_resource(
    http: httpx.AsyncClient, log: Log
) -> None:
    number = a_number()
    accession = {"type": {"coding": [{"code": "ACSN"}]}, "value": f"A{number}"}
    body = {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "priority": "stat",
        "identifier": [accession],
        "code": {"coding": [{"system": "http://loinc.org", "code": "24627-2"}], "text": "CT chest"},
        "subject": {"identifier": {"system": "urn:filmjacket:issuer:GENERAL", "value": "P7"}},
    }
    answer = await http.post("/fhir/ServiceRequest", json=body)
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (201, "application/fhir+json")
    resource = answer.json()
    assert answer.headers["location"] == f"/fhir/ServiceRequest/{resource['id']}"
    [placed] = await facts(log, number, "order.placed.v1")
    assert (placed.body["order_id"], placed.body["priority"], placed.body["source"]) == (resource["id"], "STAT", "FHIR")
    revoked = await http.put(f"/fhir/ServiceRequest/{resource['id']}", json=body | {"status": "revoked"})
    assert (revoked.status_code, revoked.json()["status"]) == (200, "revoked")
    await facts(log, number, "order.placed.v1", "order.cancelled.v1")


@pytest.mark.parametrize(("body", "status"), [("{", 400), ('{"resourceType":"Patient"}', 400), ("[1]", 400)])
async def test_bad_fhir_is_an_operation_outcome(http: httpx.AsyncClient, body: str, status: int) -> None:
    headers = {"Content-Type": "application/fhir+json"}
    answer = await http.post("/fhir/ServiceRequest", content=body, headers=headers)
    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome"
