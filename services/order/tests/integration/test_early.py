"""What comes before its order waits for it, and what is old changes nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from fj_bus import Bus, BusSettings
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


async def told(log: Log, entry: dict[str, Any], *types: str) -> list[dict[str, Any]]:
    """The facts about one entry, as soon as all `types` are there."""
    key = f"order.early_change.{entry['wish_id']}"
    records = await log.wait_for("operator-events", where=lambda record: record.key == key, count=len(types))
    assert [record.type for record in records] == list(types)
    return [record.body for record in records]


@pytest.fixture
async def bus(order: ServiceProcess, services: Services) -> AsyncIterator[Bus]:
    """That of the running service: what a sweep tells is published by its relay."""
    async with asyncpg.create_pool(services.database("order"), min_size=1) as pool:
        yield Bus(pool, BusSettings(kafka="127.0.0.1:1"), "order")


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
    [given_up] = await told(log, entry, "work.given_up.v1")
    assert given_up["reason"] == f"XO of {number} (EHR): the order belongs to another patient"
    assert b"Example" not in json.dumps(given_up).encode()

    tried = (await http.post(f"{given_up['address']}/repeat", json={"reason": "merged?"})).json()
    assert (tried["done"], tried["entry"]["refused"]) == (False, "the order belongs to another patient")
    _, settled, again = await told(log, entry, "work.given_up.v1", "work.settled.v1", "work.given_up.v1")
    assert (settled["settled_as"], settled["reason"], settled["actor"]) == ("repeated", "merged?", "tess")
    assert (again["reason"], again["about"]) == (given_up["reason"], given_up["about"])


async def test_what_was_given_up_is_done_when_a_person_has_it_tried_again(
    placer: MllpClient, http: httpx.AsyncClient, bus: Bus, log: Log
) -> None:
    number = a_number()
    await placer.send(orm(number, control="XO", code="CTHEAD", said_at=at(2)))
    await EarlySweep(bus.unit, wait=timedelta(0), keep=timedelta(days=1)).run()
    [entry] = await waiting(http, number)
    address = f"/api/order/early/{entry['wish_id']}"
    assert (await http.get(address)).json() == entry

    # Without its order it waits again, as it did; a person who had no answer asks again under the same key.
    key = {"Idempotency-Key": f"again-{number}"}
    for _ in range(2):
        tried = (await http.post(f"{address}/repeat", headers=key)).json()
        assert (tried["done"], tried["entry"]["refused"]) == (False, None)
    assert (await http.post(f"{address}/repeat")).status_code == 409
    await EarlySweep(bus.unit, wait=timedelta(0), keep=timedelta(days=1)).run()
    await placer.send(orm(number, said_at=at(1)))

    assert (await http.post(f"{address}/repeat", json={})).json() == {"done": True, "entry": None}
    _, changed = await facts(log, number, "order.placed.v1", "order.changed.v1")
    assert (changed.body["procedure"]["code"], changed.body["actor"]) == ("CTHEAD", "tess")
    *_, settled = await told(log, entry, *["work.given_up.v1", "work.settled.v1"] * 2)
    assert settled["settled_as"] == "repeated"
    assert (await http.get(address)).status_code == 404


async def test_a_person_says_why_nothing_is_to_be_done_about_it(
    placer: MllpClient, http: httpx.AsyncClient, order: ServiceProcess, log: Log
) -> None:
    number = a_number()
    await placer.send(orm(number, control="CA"))
    [entry] = await waiting(http, number)
    address = f"/api/order/early/{entry['wish_id']}/cancel"
    because = {"reason": "a number of another hospital"}
    async with httpx.AsyncClient(base_url=order.http) as nameless:
        assert (await nameless.post(address, json=because)).status_code == 401
    assert (await http.post(address, json={})).status_code == 422
    for _ in range(2):
        key = {"Idempotency-Key": f"why-{number}"}
        assert (await http.post(address, json=because, headers=key)).status_code == 204
    assert (await http.post(address, json=because)).status_code == 409
    [settled] = await told(log, entry, "work.settled.v1")
    assert (settled["settled_as"], settled["reason"], settled["actor"]) == ("cancelled", because["reason"], "tess")
    await placer.send(orm(number))
    await facts(log, number, "order.placed.v1")


async def test_an_old_message_is_accepted_and_undoes_nothing(placer: MllpClient, log: Log) -> None:
    number = a_number()
    await placer.send(orm(number, said_at=at(1)))
    await placer.send(orm(number, control="XO", code="CTHEAD", said_at=at(3)))
    for control in ("NW", "XO", "CA", "HD"):
        assert (await placer.send(orm(number, control=control, code="CTFOOT", said_at=at(2)))).code == "AA"
    await placer.send(orm(number, control="CA", said_at=at(4)))
    assert (await placer.send(orm(number, code="CTFOOT", said_at=at(1)))).code == "AA"
    await facts(log, number, "order.placed.v1", "order.changed.v1", "order.cancelled.v1")


def replacement(old: str, new: str, control: str = "RP", *, minute: int = 2) -> bytes:
    """This order, and the one that is wanted instead, in a group for each of its two steps."""
    header, patient, *_ = orm(old, said_at=at(minute)).split(b"\r")
    groups = [f"ORC|{control}|{old}^EHR"]
    for nth, code in enumerate(("CTHEAD", "CTNECK"), 1):
        groups += [f"ORC|RO|{new}^EHR|A{new}^MAIN", f"OBR|{nth}|{new}^EHR||{code}^CT^L"]
    return b"\r".join((header, patient, *(line.encode() for line in groups)))


@pytest.mark.parametrize("control", ["RP", "RU"])
async def test_of_a_replacement_before_its_order_the_new_one_is_placed_and_the_end_of_the_old_one_waits(
    placer: MllpClient, http: httpx.AsyncClient, order: ServiceProcess, log: Log, control: str
) -> None:
    old, new = a_number(), a_number()
    raw = replacement(old, new, control)
    for _ in range(2):
        assert (await placer.send(raw)).code == "AA"
    [instead] = await facts(log, new, "order.placed.v1")
    assert len(instead.body["steps"]) == 2
    assert [(entry["control"], entry["refused"]) for entry in await waiting(http, old)] == [(control, None)]

    await placer.close()
    order.stop()
    order.start()
    for _ in range(2):
        assert (await placer.send(orm(old, said_at=at(1)))).code == "AA"
    assert (await placer.send(raw)).code == "AA"
    _, cancelled = await facts(log, old, "order.placed.v1", "order.cancelled.v1")
    assert cancelled.body["replaced_by"] == instead.key
    assert (await http.get(f"/api/order/orders/{instead.key}")).json()["state"] == "ORDERED"
    assert await waiting(http, old) == []
    await facts(log, new, "order.placed.v1")


async def test_a_chain_of_replacements_that_comes_backwards_ends_with_its_last_order(
    placer: MllpClient, http: httpx.AsyncClient, log: Log
) -> None:
    first, second, third = (a_number() for _ in range(3))
    for raw in (replacement(second, third, minute=3), replacement(first, second), orm(first, said_at=at(1))):
        assert (await placer.send(raw)).code == "AA"
    placed = [(await facts(log, number, "order.placed.v1", "order.cancelled.v1")) for number in (first, second)]
    [last] = await facts(log, third, "order.placed.v1")
    assert [cancelled.body["replaced_by"] for _, cancelled in placed] == [placed[1][0].key, last.key]
    assert [await waiting(http, number) for number in (first, second)] == [[], []]


async def test_a_replacement_under_the_same_number_waits_as_a_change(
    placer: MllpClient, http: httpx.AsyncClient, log: Log
) -> None:
    number = a_number()
    await placer.send(replacement(number, number))
    assert len(await waiting(http, number)) == 1
    await placer.send(orm(number, said_at=at(1)))
    _, changed = await facts(log, number, "order.placed.v1", "order.changed.v1")
    assert changed.body["procedure"]["code"] == "CTHEAD"


async def test_a_replacement_whose_order_never_comes_or_is_replaced_already_is_an_entry_for_a_person(
    placer: MllpClient, http: httpx.AsyncClient, bus: Bus, log: Log
) -> None:
    lost, instead = a_number(), a_number()
    await placer.send(replacement(lost, instead))
    await EarlySweep(bus.unit, wait=timedelta(0), keep=timedelta(days=1)).run()
    [entry] = await waiting(http, lost)
    [given_up] = await told(log, entry, "work.given_up.v1")
    assert given_up["reason"] == f"RP of {lost} (EHR): its order did not come"
    await facts(log, instead, "order.placed.v1")

    twice, one, other = (a_number() for _ in range(3))
    for raw in (replacement(twice, one), replacement(twice, other, minute=3), orm(twice, said_at=at(1))):
        await placer.send(raw)
    await facts(log, twice, "order.placed.v1", "order.cancelled.v1")
    [entry] = await waiting(http, twice)
    assert entry["refused"] == "the order is CANCELLED: replace is not possible"


async def test_an_early_replacement_that_is_no_new_order_is_refused_and_does_not_wait(
    placer: MllpClient, http: httpx.AsyncClient, log: Log
) -> None:
    old, taken = a_number(), a_number()
    await placer.send(orm(taken))
    assert (await refusal(placer, replacement(old, taken))).errors[0].code == "205"
    assert await waiting(http, old) == []
    await placer.send(orm(old))
    await facts(log, old, "order.placed.v1")


async def test_waiting_is_bounded_in_number_and_in_time(
    placer: MllpClient, http: httpx.AsyncClient, bus: Bus, log: Log
) -> None:
    number = a_number()
    for _ in range(EARLY_MAX):
        await placer.send(orm(number, control="HD"))
    assert (await refusal(placer, orm(number, control="HD"))).errors[0].code == "204"
    await EarlySweep(bus.unit, wait=timedelta(0), keep=timedelta(days=1)).run()
    entries = await waiting(http, number)
    assert {entry["refused"] for entry in entries} == {"its order did not come"}
    await EarlySweep(bus.unit, wait=timedelta(0), keep=timedelta(0)).run()
    assert await waiting(http, number) == []
    _, settled = await told(log, entries[0], "work.given_up.v1", "work.settled.v1")
    assert (settled["settled_as"], settled.get("actor")) == ("cancelled", None)
