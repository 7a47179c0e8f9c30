"""Who had no answer to a changing call asks again: over HTTP, on a real database."""

import asyncio
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI, Header, Request
from fj_bus import Asked, Bus

from libs.bus.tests.world import World, filled

pytestmark = pytest.mark.servers


def app_of(bus: Bus) -> FastAPI:
    app = FastAPI()

    @app.post("/cups/{cup}")
    async def fill(cup: str, request: Request, asked: Asked, user: Annotated[str, Header()] = "Ada") -> dict[str, str]:
        async with bus.unit(user) as tx:
            if await asked.is_new(tx, user):
                tx.emit(filled(cup, 1))
            if b"spill" in await request.body():
                raise RuntimeError("spilt")
        return {"id": str(asked.id(user))}

    return app


def knocking(bus: Bus) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app_of(bus), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


async def fillings(bus: Bus, cup: str) -> int:
    return int(await bus.pool.fetchval("SELECT count(*) FROM bus.outbox WHERE key = $1", cup))


async def test_a_call_under_a_key_is_done_once_and_makes_the_same(world: World) -> None:
    async with world.bus("alpha") as bus, knocking(bus) as http:
        under = {"Idempotency-Key": "k1"}
        at_once = await asyncio.gather(
            *(http.post("/cups/a1", json={"of": "tea", "hot": True}, headers=under) for _ in range(5))
        )
        later = await http.post("/cups/a1", content=b'{ "hot": true,\n"of": "tea" }', headers=under)
        assert {answer.status_code for answer in (*at_once, later)} == {200}
        assert len({answer.json()["id"] for answer in (*at_once, later)}) == 1
        assert await fillings(bus, "a1") == 1


@pytest.mark.parametrize("body", [b'{"of": "milk"}', b'{"of": "tea", "hot": true}', b"", b"[" * 100_000, b"\xff"])
async def test_a_key_of_another_request_is_refused_and_nothing_is_done(world: World, body: bytes) -> None:
    async with world.bus("alpha") as bus, knocking(bus) as http:
        under = {"Idempotency-Key": "k2"}
        assert (await http.post("/cups/a2", json={"of": "tea"}, headers=under)).status_code == 200
        assert (await http.post("/cups/a2", content=body, headers=under)).status_code == 422
        assert (await http.post("/cups/a3", json={"of": "tea"}, headers=under)).status_code == 422
        assert (await fillings(bus, "a2"), await fillings(bus, "a3")) == (1, 0)


async def test_keys_of_two_callers_do_not_meet_and_without_a_key_each_call_is_new(world: World) -> None:
    async with world.bus("alpha") as bus, knocking(bus) as http:
        for user, key in (("Ann", "Lee k"), ("Ann Lee", "k"), ("Ann", None), ("Ann", None)):
            headers = {"user": user} | ({"Idempotency-Key": key} if key else {})
            assert (await http.post("/cups/a4", json={}, headers=headers)).status_code == 200
        assert await fillings(bus, "a4") == 4
        assert (await http.post("/cups/a4", json={}, headers={"Idempotency-Key": "k" * 256})).status_code == 422


async def test_what_was_rolled_back_was_not_asked_for(world: World) -> None:
    async with world.bus("alpha") as bus, knocking(bus) as http:
        under = {"Idempotency-Key": "k5"}
        assert (await http.post("/cups/a5", json={"spill": True}, headers=under)).status_code == 500
        assert (await http.post("/cups/a5", json={"of": "tea"}, headers=under)).status_code == 200
        assert await fillings(bus, "a5") == 1
