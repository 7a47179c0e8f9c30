"""What operators do: look, replay, drop, rebuild."""

import random
from argparse import ArgumentParser
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI
from fj_bus import Bus, Consumer, ConsumersRunning, Permanent, Tx, bus_commands, operator_router, rebuild
from fj_testing import eventually

from libs.bus.tests.world import CupFilled, GuestSeated, World, consuming, drink, effects, filled, relaying, seat

pytestmark = pytest.mark.servers
Actor = Annotated[str, Depends(lambda: "Ada")]
broken: set[str] = set()


async def sip(fact: CupFilled, tx: Tx) -> None:
    """Drink, unless the cup is broken."""
    if fact.cup in broken:
        raise Permanent("chipped")
    await drink(fact, tx)


def party(consumer: Consumer) -> None:
    consumer.on(CupFilled)(sip)
    consumer.on(GuestSeated)(seat)


async def pour(bus: Bus, cups: Sequence[str], times: int) -> None:
    """Guests and cups in any order."""
    for n in range(1, times + 1):
        async with bus.unit() as tx:
            for cup in random.sample(cups, len(cups)):
                tx.emit(filled(cup, n))
    for cup in cups:
        async with bus.unit() as tx:
            tx.emit(GuestSeated(site="MAIN", chair=f"chair of {cup}", cup=cup))


async def has(bus: Bus, cups: Sequence[str], count: int) -> bool:
    return len([1 for cup, _ in await effects(bus) if cup in cups]) == count


async def dead(bus: Bus, key: str) -> bool:
    return bool(await bus.pool.fetchval("SELECT true FROM bus.held WHERE state = 'dead' AND key = $1", key))


async def held(bus: Bus, key: str, count: int) -> bool:
    return bool(await bus.pool.fetchval("SELECT count(*) = $2 FROM bus.held WHERE key = $1", key, count))


async def by_cup(bus: Bus) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for cup, n in await effects(bus):
        found.setdefault(cup, []).append(n)
    return found


async def test_a_rebuild_makes_what_the_live_consumer_made(world: World) -> None:
    cups = [f"b{n}" for n in range(20)]
    broken.update({"b3", "b4"})
    async with world.bus("alpha") as alpha, world.bus("beta") as beta, relaying(alpha):
        async with consuming(beta, party) as live:
            await pour(alpha, cups, times=5)
            await eventually(lambda: has(beta, cups, 18 * 5), within=20)
            await eventually(lambda: dead(beta, "b4"), within=10)
            with pytest.raises(ConsumersRunning, match="consumers of beta"):
                await rebuild(live, ["effect", "guest"])
        before, outbox = await by_cup(beta), await beta.pool.fetchval("SELECT count(*) FROM bus.outbox")
        async with alpha.unit() as tx:
            tx.emit(filled("b1", 6))  # on the log, and nobody has taken it yet
        await eventually(lambda: published(alpha), within=10)
        again = Consumer(beta, "beta")
        party(again)
        done = await rebuild(again, ["effect", "guest"])
        assert (done.handled, done.left_out, done.parked) == (18 * 5 + 20, 2 * 5 + 1, 0)
        assert await by_cup(beta) == before
        assert await beta.pool.fetchval("SELECT count(*) FROM bus.outbox") == outbox
        async with consuming(beta, party):
            await eventually(lambda: has(beta, ["b1"], 6), within=20)
    broken.clear()


async def published(bus: Bus) -> bool:
    return not await bus.pool.fetchval("SELECT EXISTS (SELECT FROM bus.outbox)")


@asynccontextmanager
async def client(bus: Bus, consumer: Consumer) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(operator_router(bus, consumer, Actor))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://beta/api/beta") as http:
        yield http


async def test_a_page_of_dead_letters_says_how_many_there_are(world: World) -> None:
    async with world.bus("beta") as beta:
        consumer = Consumer(beta, "beta of many letters")
        await beta.pool.execute(
            """INSERT INTO bus.held (consumer, topic, partition, log_offset, key, headers, body, state, due)
            SELECT $1, 't', 0, n, 'k' || n, '[]', '', CASE WHEN n > 120 THEN 'parked' ELSE 'dead' END, 'infinity'
            FROM generate_series(1, 130) AS n""",
            consumer.group,
        )
        async with client(beta, consumer) as http:
            page = (await http.get("/dead-letters")).json()
            assert (len(page["dead_letters"]), page["total"]) == (100, 120)
            assert (await http.get("/dead-letters?limit=1&state=parked")).json()["total"] == 10


async def test_operators_see_and_replay_over_http(world: World) -> None:
    broken.add("h")
    async with (
        world.bus("alpha") as alpha,
        world.bus("beta") as beta,
        relaying(alpha),
        consuming(beta, party) as consumer,
    ):
        await pour(alpha, ["h"], times=2)
        await eventually(lambda: held(beta, "h", 2), within=20)
        async with client(beta, consumer) as http:
            (letter,) = [x for x in (await http.get("/dead-letters")).json()["dead_letters"] if x["key"] == "h"]
            assert (letter["error"], letter["behind"], letter["state"]) == ("Permanent", 1, "dead")
            assert "body" not in letter
            broken.clear()
            assert (await http.post(f"/dead-letters/{letter['id']}/replay")).status_code == 202
            await eventually(lambda: has(beta, ["h"], 2), within=20)
            assert (await http.post(f"/dead-letters/{letter['id']}/replay")).status_code == 404
            assert (await http.post(f"/dead-letters/{letter['id']}/drop")).status_code == 404

            async def caught_up() -> bool:
                lag = (await http.get("/lag")).json()
                assert {part["topic"] for part in lag["partitions"]} == {"cup-events", "guest-events"}
                return bool(lag["lag"] == 0)

            await eventually(caught_up, within=20)


async def test_the_command_line_lists_drops_and_replays(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    broken.update({"l1", "l2"})
    async with world.bus("alpha") as alpha, world.bus("beta") as beta, relaying(alpha):
        async with consuming(beta, party):
            await pour(alpha, ["l1"], times=2)
            await pour(alpha, ["l2"], times=2)
            await eventually(lambda: held(beta, "l1", 2), within=20)
            await eventually(lambda: held(beta, "l2", 2), within=20)

        @asynccontextmanager
        async def opened(_: None) -> AsyncIterator[Consumer]:
            consumer = Consumer(beta, "beta")
            party(consumer)
            yield consumer

        async def typed(line: str) -> tuple[int | None, str]:
            name, *arguments = line.split()
            _, act, add_arguments = bus_commands(opened, ["effect", "guest"])[name]
            parser = ArgumentParser()
            add_arguments(parser)
            code = await act(None, parser.parse_args(arguments))
            return code, capsys.readouterr().out

        code, listed = await typed("dlq list")
        ids = {line.split("key ")[1].split()[0]: line.split()[0] for line in listed.splitlines()}
        assert code == 0
        assert {"l1", "l2"} <= set(ids)
        broken.clear()
        assert (await typed(f"dlq drop {ids['l1']}"))[0] == 0
        assert (await typed(f"dlq drop {ids['l1']}"))[0] == 1
        assert (await typed("replay"))[1].endswith(" handled, 0 not\n")
        assert await has(beta, ["l1"], 1)
        assert await has(beta, ["l2"], 2)
        code, told = await typed("rebuild")
        assert code == 0, told
        assert await has(beta, ["l1"], 1)
