"""Readiness: a quiet consumer is well, a stuck one is not."""

import asyncio

import pytest
from fj_bus import Consumer, Relay, Transient, Tx
from fj_testing import eventually

from libs.bus.tests.world import CupFilled, World, consuming, effects, filled, handling, relaying, running

pytestmark = pytest.mark.servers


async def test_a_quiet_consumer_is_well(world: World) -> None:
    async def idle(fact: CupFilled, tx: Tx) -> None: ...

    async with world.bus("beta", stuck_s=1) as beta:
        consumer = Consumer(beta, "beta")
        handling(CupFilled, idle)(consumer)
        assert not consumer.health().ok
        async with running(consumer):
            await eventually(
                lambda: consumer.health().ok and "4 partitions, lag 0" in consumer.health().detail, within=20
            )
            await asyncio.sleep(2)  # longer than a stuck one is forgiven
            # A busy machine may keep it from its work as long once: one that is taken for stuck stays so.
            await eventually(lambda: consumer.health().ok, within=5, what=consumer.health().detail)


async def test_a_transient_failure_that_goes_on_is_reported_and_ends(world: World) -> None:
    down = True

    async def needs_it(fact: CupFilled, tx: Tx) -> None:
        if down:
            raise Transient("down")
        await tx.connection.execute("INSERT INTO effect (cup, n) VALUES ($1, $2)", fact.cup, fact.n)

    async with (
        world.bus("alpha") as alpha,
        world.bus("beta", stuck_s=1) as beta,
        relaying(alpha),
        consuming(beta, handling(CupFilled, needs_it)) as consumer,
    ):
        async with alpha.unit() as tx:
            tx.emit(filled("t", 1))
        await eventually(lambda: "a transient failure goes on: Transient" in consumer.health().detail, within=20)
        assert not consumer.health().ok
        down = False
        await eventually(lambda: effects(beta), within=20)
        await eventually(lambda: consumer.health().ok, within=20)


async def test_a_handler_that_hangs_is_reported(world: World) -> None:
    release = asyncio.Event()

    async def hang(fact: CupFilled, tx: Tx) -> None:
        await release.wait()

    async with (
        world.bus("alpha") as alpha,
        world.bus("beta", stuck_s=1) as beta,
        relaying(alpha),
        consuming(beta, handling(CupFilled, hang)) as consumer,
    ):
        async with alpha.unit() as tx:
            tx.emit(filled("h", 1))
        await eventually(lambda: "does not move on, lag 1" in consumer.health().detail, within=20)
        release.set()
        await eventually(lambda: consumer.health().ok, within=20)


async def test_facts_that_cannot_leave_the_outbox_are_reported(world: World) -> None:
    async with world.bus("alpha", stuck_s=1, kafka="127.0.0.1:1") as bus:
        relay = Relay(bus)
        async with running(relay):
            await eventually(lambda: relay.health().ok, within=20)
            async with bus.unit() as tx:
                tx.emit(filled("o", 1))
            await eventually(lambda: not relay.health().ok and "oldest fact" in relay.health().detail, within=20)


async def test_a_consumer_waits_for_a_kafka_that_is_away(world: World) -> None:
    async def idle(fact: CupFilled, tx: Tx) -> None: ...

    async with world.bus("beta", kafka="127.0.0.1:1") as beta:
        consumer = Consumer(beta, "beta")
        handling(CupFilled, idle)(consumer)
        async with running(consumer):
            await asyncio.sleep(1)
            assert not consumer.health().ok
