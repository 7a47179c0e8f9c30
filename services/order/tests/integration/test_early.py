"""What comes before its order waits for it, and what is old changes nothing."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from fj_hl7 import MllpClient
from fj_testing import Log, ServiceProcess, Services
from order_service.adapters.early import EarlySweep
from order_service.domain.early import EARLY_MAX

from services.order.tests.placer import a_number, facts, orm, refusal

pytestmark = pytest.mark.servers


def at(minute: int) -> str:
    return f"2026030209{minute:02d}00"


async def waiting(http: httpx.AsyncClient, number: str) -> list[dict[str, Any]]:
    """What the operator sees of what came before this order."""
    seen = (await http.get("/api/order/early", params={"limit": 500})).json()
    return [entry for entry in seen if entry["placer_order_number"] == {"value": number, "issuer": "EHR"}]


async def test_a_change_and_a_hold_before_their_order_are_done_in_the_order_of_their_time(
    placer: MllpClient, http: httpx.AsyncClient, log: Log
) -> None:
    number = a_number()
    assert (await placer.send(orm(number, control="HD", said_at=at(3)))).code == "AA"
    assert (await placer.send(orm(number, control="XO", code="CTHEAD", said_at=at(2)))).code == "AA"
    assert [(entry["control"], entry["refused"]) for entry in await waiting(http, number)] == [
        ("XO", None),
        ("HD", None),
    ]
    await placer.send(orm(number, said_at=at(1)))
    _, changed, _ = await facts(log, number, "order.placed.v1", "order.changed.v1", "order.held.v1")
    assert changed.body["procedure"]["code"] == "CTHEAD"
    assert await waiting(http, number) == []


@pytest.mark.parametrize(
    ("cancelled_at", "types"),
    [(2, ["order.placed.v1", "order.cancelled.v1"]), (0, ["order.placed.v1"])],
    ids=["newer", "older"],
)
async def test_a_cancel_before_its_order_cancels_it_unless_the_order_is_newer(
    placer: MllpClient, http: httpx.AsyncClient, log: Log, cancelled_at: int, types: list[str]
) -> None:
    number = a_number()
    await placer.send(orm(number, control="CA", said_at=at(cancelled_at)))
    await placer.send(orm(number, said_at=at(1)))
    await placer.send(orm(number, said_at=at(1)))
    await facts(log, number, *types)
    assert await waiting(http, number) == []


async def test_an_order_and_its_cancel_at_the_same_instant_end_cancelled_whichever_is_first(
    mllp_port: int, order: ServiceProcess, log: Log
) -> None:
    numbers = [a_number() for _ in range(12)]
    clients = [MllpClient("127.0.0.1", mllp_port) for _ in range(2 * len(numbers))]
    raws = [raw for n in numbers for raw in (orm(n, said_at=at(1)), orm(n, control="CA", said_at=at(2)))]
    acks = await asyncio.gather(*(client.send(raw) for client, raw in zip(clients, raws, strict=True)))
    assert {ack.code for ack in acks} == {"AA"}
    for client in clients:
        await client.close()
    for number in numbers:
        await facts(log, number, "order.placed.v1", "order.cancelled.v1")


async def test_what_waits_for_an_order_that_is_placed_by_json_is_done_too(
    placer: MllpClient, http: httpx.AsyncClient, log: Log
) -> None:
    number = a_number()
    await placer.send(orm(number, control="CA"))
    body = {
        "patient": {"id": {"value": f"P{number}", "issuer": "GENERAL"}},
        "procedure": {"code": "CTCHEST"},
        "placer_order_number": {"value": number, "issuer": "EHR"},
        "accession_number": f"A{number}",
    }
    assert (await http.post("/api/order/orders", json=body)).status_code == 201
    await facts(log, number, "order.placed.v1", "order.cancelled.v1")


async def test_what_cannot_be_done_when_its_order_comes_stays_for_a_person(
    placer: MllpClient, http: httpx.AsyncClient, log: Log
) -> None:
    number = a_number()
    stranger = orm(number, control="XO", said_at=at(2)).replace(f"||P{number}^^^".encode(), b"||P0^^^")
    await placer.send(stranger)
    assert (await placer.send(orm(number, said_at=at(1)))).code == "AA"
    await facts(log, number, "order.placed.v1")
    [entry] = await waiting(http, number)
    assert entry["refused"] == "the order belongs to another patient"


async def test_an_old_message_is_accepted_and_undoes_nothing(placer: MllpClient, log: Log) -> None:
    number = a_number()
    await placer.send(orm(number, said_at=at(1)))
    await placer.send(orm(number, control="XO", code="CTHEAD", said_at=at(3)))
    for control in ("NW", "XO", "CA", "HD"):
        assert (await placer.send(orm(number, control=control, code="CTFOOT", said_at=at(2)))).code == "AA"
    await placer.send(orm(number, control="CA", said_at=at(4)))
    assert (await placer.send(orm(number, code="CTFOOT", said_at=at(1)))).code == "AA"
    await facts(log, number, "order.placed.v1", "order.changed.v1", "order.cancelled.v1")


async def test_a_replacement_of_an_unknown_order_does_not_wait(placer: MllpClient, http: httpx.AsyncClient) -> None:
    old, new = a_number(), a_number()
    header, patient, *_ = orm(old).split(b"\r")
    groups = (f"ORC|RP|{old}^EHR", f"ORC|RO|{new}^EHR", f"OBR|1|{new}^EHR||CTHEAD^CT head^L")
    ack = await refusal(placer, b"\r".join((header, patient, *(line.encode() for line in groups))))
    assert ack.errors[0].code == "204"
    assert (await http.get("/api/order/orders", params={"placer_order_number": new})).json() == []


async def test_waiting_is_bounded_in_number_and_in_time(
    placer: MllpClient, http: httpx.AsyncClient, order: ServiceProcess, services: Services
) -> None:
    number = a_number()
    for _ in range(EARLY_MAX):
        await placer.send(orm(number, control="HD"))
    assert (await refusal(placer, orm(number, control="HD"))).errors[0].code == "204"
    async with asyncpg.create_pool(services.database("order"), min_size=1) as pool:
        await EarlySweep(pool, wait=timedelta(0), keep=timedelta(days=1)).run()
        assert {entry["refused"] for entry in await waiting(http, number)} == {"its order did not come"}
        await EarlySweep(pool, wait=timedelta(0), keep=timedelta(0)).run()
        assert await waiting(http, number) == []
