"""From a committed unit to the log."""

import asyncio
from contextlib import suppress

import pytest
from fj_bus import Bus, NotAProducer
from fj_testing import eventually
from fj_testing.log import Log

from libs.bus.tests.world import CupDrunk, World, filled, relaying

pytestmark = pytest.mark.servers


async def test_what_a_unit_emits_is_on_the_log_numbered_by_key(world: World, log: Log) -> None:
    async with world.bus("alpha") as bus, relaying(bus):
        async with bus.unit(actor="Grace Hopper") as tx:
            first = tx.emit(filled("a", 1))
            tx.emit(filled("b", 1))
            tx.emit(filled("a", 2))
        records = await log.wait_for("cup-events", count=3)
    by_key = {key: [r for r in records if r.key == key] for key in "ab"}
    assert [r.sequence for r in by_key["a"]] == [1, 2]
    assert [r.sequence for r in by_key["b"]] == [1]
    assert by_key["a"][0].headers["ce_id"] == str(first)
    assert by_key["a"][0].body["actor"] == "Grace Hopper"


async def spoil(bus: Bus) -> None:
    """A unit whose second fact is refused."""
    async with bus.unit() as tx:
        tx.emit(filled("c", 1))
        tx.emit(CupDrunk(site="MAIN", cup="c"))


async def test_a_unit_that_fails_leaves_neither_fact_nor_number(world: World, log: Log) -> None:
    async with world.bus("alpha") as bus, relaying(bus):
        with pytest.raises(NotAProducer):
            await spoil(bus)
        async with bus.unit() as tx:
            tx.emit(filled("c", 2))
        (record,) = await log.wait_for("cup-events", where=lambda r: r.key == "c")
    assert record.sequence == 1
    assert record.body["n"] == 2


async def test_a_service_emits_only_what_its_topics_let_it(world: World) -> None:
    async with world.bus("alpha") as bus:
        with pytest.raises(NotAProducer, match="alpha is no producer of drunk-events"):
            await spoil(bus)


async def test_many_units_at_once_some_rolled_back_keep_order_and_numbers(world: World, log: Log) -> None:
    committed = 0

    async def fill(bus: Bus, worker: int, n: int) -> None:
        async with bus.unit() as tx:
            for cup in (f"m{(worker + n) % 7}", f"m{n % 5}"):
                tx.emit(filled(cup, n))
            if (worker * n) % 4 == 1:
                raise ZeroDivisionError

    async def work(bus: Bus, worker: int) -> None:
        nonlocal committed
        for n in range(40):
            with suppress(ZeroDivisionError):
                await fill(bus, worker, n)
                committed += 2

    async with world.bus("alpha") as bus, relaying(bus):
        await asyncio.gather(*(work(bus, worker) for worker in range(8)))
        records = await log.wait_for("cup-events", where=lambda r: r.key.startswith("m"), count=committed, within=20)
    assert committed < 640
    assert len(records) == committed
    for key in {r.key for r in records}:
        numbers = [r.sequence for r in records if r.key == key]
        assert numbers == list(range(1, len(numbers) + 1))


async def test_a_relay_that_started_on_an_empty_outbox_never_reads_all_of_it(world: World, log: Log) -> None:
    """A queue's size when statements are planned says nothing of what it will be."""
    async with world.bus("alpha") as bus:
        await bus.pool.execute("VACUUM ANALYZE bus.outbox")
        whole, by_index = await scans(bus)
        async with relaying(bus):
            for n in range(20):
                async with bus.unit() as tx:
                    tx.emit(filled("q", n))
                await log.wait_for("cup-events", where=lambda r: r.key == "q", count=n + 1)

            async def counted() -> bool:
                return (await scans(bus))[1] >= by_index + 20

            await eventually(counted)
        assert (await scans(bus))[0] == whole


async def scans(bus: Bus) -> tuple[int, int]:
    """How often the outbox was read as a whole, and how often by its index."""
    query = "SELECT seq_scan, idx_scan FROM pg_stat_user_tables WHERE relid = 'bus.outbox'::regclass"
    [(whole, by_index)] = await bus.pool.fetch(query)
    return whole, by_index
