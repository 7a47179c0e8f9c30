"""A consumer waits for facts and does not look for them: here a wait without a fact would outlast the test."""

import pytest
from aiokafka import AIOKafkaConsumer
from fj_bus import Bus, Tx, session
from fj_testing import eventually

from libs.bus.tests.world import CupFilled, World, consuming, effects, filled, handling, relaying

pytestmark = pytest.mark.servers
FACTS = 20


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_WAIT_MS", 3_600_000)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many facts each look of a consumer at what has come has found."""
    found: list[int] = []
    really = session._next_batch

    async def next_batch(client: AIOKafkaConsumer) -> session.Batch:
        batch = await really(client)
        found.append(len(batch))
        return batch

    monkeypatch.setattr(session, "_next_batch", next_batch)
    return found


async def note(fact: CupFilled, tx: Tx) -> None:
    await tx.connection.execute("INSERT INTO effect (cup, n) VALUES ($1, $2)", fact.cup, fact.n)


async def fill(bus: Bus, cup: str, *numbers: int) -> None:
    async with bus.unit() as tx:
        for n in numbers:
            tx.emit(filled(cup, n))


async def has(bus: Bus, cup: str, count: int) -> bool:
    return [n for name, n in await effects(bus) if name == cup] == list(range(1, count + 1))


async def test_each_fact_ends_the_wait_for_it_and_nothing_else_does(world: World, looks: list[int]) -> None:
    async with world.bus("alpha") as alpha, world.bus("beta") as beta, relaying(alpha):
        async with consuming(beta, handling(CupFilled, note)):
            for n in range(1, FACTS + 1):
                await fill(alpha, "awaited", n)
                await eventually(lambda n=n: has(beta, "awaited", n), within=30)  # type: ignore[misc]  # its own n
        assert sum(looks) == FACTS
        assert looks.count(0) <= 1  # the end of the consumer may end a wait too


async def test_a_full_queue_is_worked_off_without_looking(world: World) -> None:
    async with (
        world.bus("alpha") as alpha,
        world.bus("beta", slice_size=2) as beta,
        relaying(alpha),
        consuming(beta, handling(CupFilled, note)),
    ):
        await fill(alpha, "full", *range(1, 201))
        await eventually(lambda: has(beta, "full", 200), within=60)


async def test_partitions_that_change_hands_are_awaited_by_who_has_them_then(world: World) -> None:
    cups = [f"handed {n}" for n in range(12)]
    async with world.bus("alpha") as alpha, world.bus("beta") as beta, relaying(alpha):

        async def filled_to(count: int) -> bool:
            return all([await has(beta, cup, count) for cup in cups])

        async with consuming(beta, handling(CupFilled, note)):
            for cup in cups:
                await fill(alpha, cup, 1)
            await eventually(lambda: filled_to(1), within=30)
            async with consuming(beta, handling(CupFilled, note)) as second:
                await eventually(lambda: second.health().ok, within=30)
                for cup in cups:
                    await fill(alpha, cup, 2)
                await eventually(lambda: filled_to(2), within=60)
            for cup in cups:
                await fill(alpha, cup, 3)
            await eventually(lambda: filled_to(3), within=60)
