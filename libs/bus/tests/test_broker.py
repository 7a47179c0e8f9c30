"""The broker falls asleep, and is killed, under load."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest
from fj_bus import Bus, create_topics
from fj_testing import Stack, eventually
from fj_testing.log import Log

from libs.bus.tests.world import TOPICS, World, filled, prepare, relaying

pytestmark = [pytest.mark.servers, pytest.mark.failure, pytest.mark.timeout(180)]


async def empty(bus: Bus) -> bool:
    return not await bus.pool.fetchval("SELECT EXISTS (SELECT FROM bus.outbox)")


async def test_a_broker_that_stalls_or_dies_costs_time_and_nothing_else(
    fragile_stack: Stack, new_database: Callable[[], str]
) -> None:
    kafka = fragile_stack.kafka()
    await create_topics(kafka, "", ["alpha"], topics=TOPICS)
    world = World(kafka, "", {"alpha": new_database()})
    await prepare(world.dsns["alpha"])
    count = 0
    async with world.bus("alpha") as bus, relaying(bus):

        async def load(seconds: float) -> None:
            nonlocal count
            until = asyncio.get_running_loop().time() + seconds
            while asyncio.get_running_loop().time() < until:
                async with bus.unit() as tx:
                    for n in range(20):
                        tx.emit(filled(f"c{n}", count))
                count += 20
                await asyncio.sleep(0.01)

        await load(1)
        broker = fragile_stack.servers.home.running("kafka")
        assert broker is not None
        asleep = await asyncio.create_subprocess_exec("kill", "-STOP", str(broker.pid))
        await asleep.wait()
        await load(4)
        awake = await asyncio.create_subprocess_exec("kill", "-CONT", str(broker.pid))
        await awake.wait()
        await load(1)
        broker.kill()
        await load(1)
        await asyncio.to_thread(fragile_stack.servers.start, "kafka")
        await load(1)
        await eventually(lambda: empty(bus), within=60)
    records = await Log(kafka).read("cup-events")
    assert [id_ for id_, times in Counter(r.headers["ce_id"] for r in records).items() if times > 1] == []
    assert len(records) == count
    for key in {r.key for r in records}:
        numbers = [r.sequence for r in records if r.key == key]
        assert numbers == list(range(1, len(numbers) + 1))
