"""PostgreSQL and Kafka are killed under load, again and again: facts are told once, taken once, and soon go on."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from functools import partial

import pytest
from fj_bus import Bus, Consumer, Relay, Tx, create_topics
from fj_bus.postgres import LOST
from fj_testing import Stack, eventually
from fj_testing.log import Log, Record

from libs.bus.tests.world import TOPICS, CupDrunk, CupFilled, World, effects, filled, prepare, running

pytestmark = [pytest.mark.servers, pytest.mark.failure, pytest.mark.timeout(300)]
KILLS = 4


@pytest.fixture
async def world(fragile_stack: Stack, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    kafka, server = fragile_stack.kafka(), fragile_stack.postgres()
    prefix = f"{request.node.callspec.id}-"
    databases = {name: f"{request.node.callspec.id}_{name}" for name in ("alpha", "beta")}
    await create_topics(kafka, prefix, ["alpha", "beta"], topics=TOPICS)
    world = World(kafka, prefix, {name: server.create_database(own, "cup") for name, own in databases.items()})
    for dsn in world.dsns.values():
        await prepare(dsn)
    yield world
    for own in databases.values():
        server.drop_database(own)


async def drink(fact: CupFilled, tx: Tx) -> None:
    await tx.connection.execute("INSERT INTO effect (cup, n) VALUES ($1, $2)", fact.cup, fact.n)
    tx.emit(CupDrunk(site=fact.site, cup=fact.cup, n=fact.n))


async def load(bus: Bus, stop: asyncio.Event) -> set[tuple[str, int]]:
    """Emit until told to stop. Returns what was committed for certain."""
    committed = set()
    n = 0
    while not stop.is_set():
        n += 1
        cup = f"c{n % 13}"
        try:
            async with bus.unit() as tx:
                tx.emit(filled(cup, n))
        except LOST:
            await asyncio.sleep(0.05)
        else:
            committed.add((cup, n))
            await asyncio.sleep(0.002)
    return committed


async def taken(bus: Bus) -> int:
    try:
        return len(await effects(bus))
    except LOST:
        return 0


def assert_once_and_in_order(records: list[Record]) -> None:
    assert [id_ for id_, times in Counter(record.headers["ce_id"] for record in records).items() if times > 1] == []
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    for record in records:
        numbers[record.key].append(record.sequence)
    assert {key: found for key, found in numbers.items() if found != list(range(1, len(found) + 1))} == {}


@pytest.mark.parametrize("victim", ["postgres", "kafka"])
async def test_a_server_that_dies_costs_time_and_nothing_else(victim: str, fragile_stack: Stack, world: World) -> None:
    stop = asyncio.Event()
    async with world.bus("alpha") as alpha, world.bus("beta") as beta:
        parts = Relay(alpha), Consumer(beta, "beta"), Relay(beta)
        parts[1].on(CupFilled)(drink)
        async with running(*parts):
            loading = asyncio.create_task(load(alpha, stop))
            for _ in range(KILLS):
                await asyncio.sleep(random.uniform(0.5, 1.5))  # noqa: S311 - when it dies is the experiment
                process = fragile_stack.servers.home.running(victim)
                assert process is not None
                process.kill()
                await asyncio.to_thread(fragile_stack.servers.start, victim)
                before = await taken(beta)
                await eventually(partial(more_than, beta, before), within=15)
            stop.set()
            committed = await loading
            drunk = await Log(world.kafka, world.prefix).wait_for("drunk-events", count=len(committed), within=15)
            await eventually(lambda: all(part.health().ok for part in parts), within=15)
        told = await Log(world.kafka, world.prefix).read("cup-events")
        done = await effects(beta)
    assert_once_and_in_order(told)
    assert_once_and_in_order(drunk)
    assert committed <= {(record.key, record.body["n"]) for record in told}
    assert Counter(done) == Counter((record.key, record.body["n"]) for record in told)


async def more_than(bus: Bus, count: int) -> bool:
    return await taken(bus) > count
