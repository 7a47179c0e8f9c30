"""Refused messages: seen, looked into, mended by a profile, tried again; and all that is kept is sealed."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from fj_hl7 import MllpClient
from fj_testing import Log, ServiceProcess, Services

from services.order.tests.integration.conftest import USER
from services.order.tests.placer import a_number, facts, orm, refusal

pytestmark = pytest.mark.servers
PROFILE = """
profiles:
  ODD:
    senders: [{application: ODD}]
    codes:
      order_control: {NEU: NW}
"""


@pytest.fixture(scope="module")
def mllp_port(free_port: Callable[[], int]) -> int:
    return free_port()


@pytest.fixture(scope="module")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("profiles")


@pytest.fixture(scope="module")
def order(services: Services, mllp_port: int, profiles: Path) -> ServiceProcess:
    return services.start("order", ORDER_MLLP_PORT=mllp_port, FJ_HL7_PROFILES=str(profiles))


@pytest.fixture
async def http(order: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=order.http, headers=USER, timeout=30) as client:
        yield client


@pytest.fixture
async def placer(order: ServiceProcess, mllp_port: int) -> AsyncIterator[MllpClient]:
    client = MllpClient("127.0.0.1", mllp_port)
    yield client
    await client.close()


def odd(number: str) -> bytes:
    return orm(number, control="NEU").replace(b"|EHR|GENERAL|", b"|ODD|GENERAL|", 1)


async def about(log: Log, control_id: str, *types: str) -> list[Any]:
    """The facts about this message, as soon as all `types` are there."""
    [refused] = [
        record
        for record in await log.wait_for("message-events", where=lambda r: r.body.get("control_id") == control_id)
        if record.type == "message.refused.v1"
    ][:1]
    records = await log.wait_for("message-events", where=lambda r: r.key == refused.key, count=len(types))
    assert [record.type for record in records] == list(types)
    return records


def control_id(raw: bytes) -> str:
    return raw.split(b"|")[9].decode()


async def test_a_refused_message_is_a_fact_is_mended_by_a_profile_and_tried_again(
    placer: MllpClient, http: httpx.AsyncClient, order: ServiceProcess, profiles: Path, log: Log
) -> None:
    numbers = [a_number(), a_number()]
    raws = [odd(number) for number in numbers]
    for raw in raws:
        assert (await refusal(placer, raw)).errors[0].code == "103"
        await refusal(placer, raw)
    [refused] = await about(log, control_id(raws[0]), "message.refused.v1")
    assert (refused.body["application"], refused.body["code"]) == ("ODD", "AE")
    assert refused.body["errors"] == [{"code": "103", "segment": "ORC", "sequence": 1, "field": 1}]
    assert b"Example" not in refused.value

    again = (await http.post(refused.body["address"].replace("?", "/replay?"))).json()
    assert (again["before"], again["after"]) == ("AE", "AE")
    [_, in_vain] = await about(log, control_id(raws[0]), "message.refused.v1", "message.refused.v1")
    assert (in_vain.body["actor"], in_vain.body["errors"]) == ("tess", refused.body["errors"])
    (profiles / "odd.yaml").write_text(PROFILE)
    order.stop()
    order.start()
    tried = (await http.post("/api/order/messages/replay", json={"application": "ODD"})).json()
    assert [(each["control_id"], each["after"]) for each in tried] == [(control_id(raw), "AA") for raw in raws]
    for number, raw, refusals in zip(numbers, raws, (2, 1), strict=True):
        await facts(log, number, "order.placed.v1")
        [*_, settled] = await about(log, control_id(raw), *["message.refused.v1"] * refusals, "message.settled.v1")
        assert (settled.body["settled_as"], settled.body["actor"]) == ("accepted", "tess")

    # What was accepted has no second effect, however often it is tried; nothing waits any more.
    for _ in range(2):
        again = (await http.post(refused.body["address"].replace("?", "/replay?"))).json()
        assert again["after"] == "AA"
    assert (await http.post("/api/order/messages/replay", json={"application": "ODD"})).json() == []
    await facts(log, numbers[0], "order.placed.v1")


async def test_an_old_message_that_is_tried_again_undoes_nothing(
    placer: MllpClient, http: httpx.AsyncClient, log: Log
) -> None:
    number = a_number()
    raw = orm(number)
    await placer.send(raw)
    await placer.send(orm(number, control="XO", code="CTHEAD", said_at="20260302101500"))
    [kept] = (await http.get("/api/order/messages", params={"control_id": control_id(raw)})).json()
    again = (await http.post(kept["address"].replace("?", "/replay?"))).json()
    assert again["after"] == "AA"
    _, changed = await facts(log, number, "order.placed.v1", "order.changed.v1")
    assert changed.body["procedure"]["code"] == "CTHEAD"


async def test_what_is_kept_is_sealed_and_each_look_at_it_is_written_down(
    placer: MllpClient, http: httpx.AsyncClient, services: Services
) -> None:
    number = a_number()
    raw = orm(number)
    await placer.send(raw)
    [kept] = (await http.get("/api/order/messages", params={"control_id": control_id(raw)})).json()
    assert (kept["kind"], kept["code"], kept["application"], kept["facility"]) == ("ORM^O01", "AA", "EHR", "GENERAL")
    assert "Example" not in str(kept)
    shown = (await http.get(kept["address"])).json()
    assert shown["text"].split("\n") == raw.decode().split("\r")
    assert "MSA|AA" in shown["answer"]
    database = await asyncpg.connect(services.database("order"))
    try:
        sealed = await database.fetchval("SELECT raw FROM hl7_received WHERE control_id = $1", control_id(raw))
        looks = await database.fetch("SELECT actor, act FROM hl7_looks WHERE control_id = $1", control_id(raw))
    finally:
        await database.close()
    assert b"Example" not in sealed
    assert [tuple(look) for look in looks] == [("tess", "looked")]


async def test_a_person_dismisses_what_nothing_is_to_be_done_about(
    placer: MllpClient, http: httpx.AsyncClient, log: Log
) -> None:
    raw = orm(a_number(), control="ZZ")
    await refusal(placer, raw)
    [refused] = await about(log, control_id(raw), "message.refused.v1")
    where = refused.body["address"].replace("?", "/dismiss?")
    assert (await http.post(where, json={"reason": "a test of theirs"})).status_code == 204
    [_, settled] = await about(log, control_id(raw), "message.refused.v1", "message.settled.v1")
    assert (settled.body["settled_as"], settled.body["reason"], settled.body["actor"]) == (
        "dismissed",
        "a test of theirs",
        "tess",
    )
    assert (await http.post(where, json={})).status_code == 404


async def test_what_is_not_kept_is_not_found_and_nobody_without_a_name_looks(http: httpx.AsyncClient) -> None:
    nowhere = f"/api/order/messages/{'0' * 64}"
    assert (await http.get(nowhere, params={"control_id": "X"})).status_code == 404
    assert (await http.post(f"{nowhere}/replay", params={"control_id": "X"})).status_code == 404
    async with httpx.AsyncClient(base_url=http.base_url) as nameless:
        assert (await nameless.get("/api/order/messages")).status_code == 401
