"""Nothing is lost, doubled or out of order, whoever is killed."""

import asyncio
import json
import random
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

import asyncpg
import pytest
from fj_bus import Bus, Consumer
from fj_testing import eventually
from fj_testing.log import Log, Record

from libs.bus.tests.world import CupFilled, World, drink, effects, filled, relaying, running

pytestmark = [pytest.mark.servers, pytest.mark.failure, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def worker(role: str, world: World, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process of this role; killed at the end."""
    file = folder / "world.json"
    file.write_text(json.dumps(asdict(world)))
    with (folder / f"{role}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "libs.bus.tests.worker", role, str(file), cwd=ROOT, stderr=log
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def assert_once_and_in_order(records: list[Record]) -> None:
    ids = Counter(record.headers["ce_id"] for record in records)
    assert [id_ for id_, count in ids.items() if count > 1] == []
    numbers: dict[str, list[int]] = defaultdict(list)
    for record in records:
        numbers[record.key].append(record.sequence)
    wrong = {key: found for key, found in numbers.items() if found != list(range(1, len(found) + 1))}
    assert wrong == {}


async def load(bus: Bus, prefix: str, stop: asyncio.Event) -> int:
    """Emit until told to stop. Returns how many facts were committed."""
    count = 0

    async def one(worker_: int) -> None:
        nonlocal count
        n = 0
        while not stop.is_set():
            n += 1
            async with bus.unit() as tx:
                tx.emit(filled(f"{prefix}{n % 31}", n))
                tx.emit(filled(f"{prefix}{(n * worker_) % 17}", n))
            count += 2

    await asyncio.gather(*(one(n + 1) for n in range(4)))
    return count


async def empty(bus: Bus) -> bool:
    return not await bus.pool.fetchval("SELECT EXISTS (SELECT FROM bus.outbox)")


async def test_relays_are_killed_under_load(world: World, log: Log, tmp_path: Path) -> None:
    stop = asyncio.Event()
    async with world.bus("alpha") as bus:
        loading = asyncio.create_task(load(bus, "k", stop))
        for _ in range(8):
            async with worker("alpha", world, tmp_path):
                await asyncio.sleep(random.uniform(1.5, 3.5))  # noqa: S311 - how long it lives is the experiment
        stop.set()
        count = await loading
        async with relaying(bus):
            await eventually(lambda: empty(bus), within=40)
        records = [r for r in await log.read("cup-events") if r.key.startswith("k")]
    assert_once_and_in_order(records)
    assert len(records) == count > 1000


async def test_replicas_share_and_one_is_killed(world: World, log: Log, tmp_path: Path) -> None:
    stop = asyncio.Event()
    async with world.bus("alpha") as bus, worker("alpha", world, tmp_path), relaying(bus) as ours:
        async with worker("alpha", world, tmp_path) as theirs:
            await eventually(lambda: "owns 2 partition" in ours.health().detail, within=20)
            loading = asyncio.create_task(load(bus, "s", stop))
            await asyncio.sleep(1)  # facts are under way at the kill
            theirs.kill()
            await theirs.wait()
        await asyncio.sleep(1)
        stop.set()
        count = await loading
        await eventually(lambda: empty(bus), within=30)
        records = [r for r in await log.read("cup-events") if r.key.startswith("s")]
    assert_once_and_in_order(records)
    assert len(records) == count


async def test_a_relay_dies_between_the_log_and_the_outbox(world: World, log: Log, tmp_path: Path) -> None:
    async with world.bus("alpha") as bus:
        for n in range(3):
            await fill(bus, "d", 20 * n)
            async with worker("dying", world, tmp_path) as dying:
                await asyncio.wait_for(dying.wait(), 90)
        await fill(bus, "d", 60)
        async with relaying(bus):
            await eventually(lambda: empty(bus), within=20)
        records = [r for r in await log.read("cup-events") if r.key.startswith("d")]
    assert_once_and_in_order(records)
    assert len(records) == 80


@pytest.mark.parametrize("asleep_s", [0.5, 3.0])
async def test_a_relay_sleeps_with_facts_in_hand_and_loses_its_session(
    asleep_s: float, world: World, log: Log, tmp_path: Path
) -> None:
    """Short: it wakes before its deadline and sends. Long: it wakes when they are on the log already."""
    name = f"z{asleep_s}-"
    async with world.bus("alpha") as bus:
        await fill(bus, name, 0)
        async with worker("sleeping", world, tmp_path) as sleeper:
            await eventually(lambda: empty(bus), within=20)
            await fill(bus, name, 20)
            await eventually(lambda: is_stopped(sleeper.pid), within=20)
            await bus.pool.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            async with relaying(bus):
                await asyncio.sleep(asleep_s)
                sleeper.send_signal(signal.SIGCONT)
                await fill(bus, name, 40)
                await eventually(lambda: empty(bus), within=20)
                await asyncio.sleep(1)  # whatever the sleeper may still do, it does within its deadline
        records = [r for r in await log.read("cup-events") if r.key.startswith(name)]
    assert_once_and_in_order(records)
    assert len(records) == 60


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


async def fill(bus: Bus, prefix: str, start: int) -> None:
    """Twenty facts of ten keys, in all four partitions."""
    async with bus.unit() as tx:
        for n in range(start, start + 20):
            tx.emit(filled(f"{prefix}{n % 10}", n))


async def test_consumers_are_killed_under_load(world: World, log: Log, tmp_path: Path) -> None:
    stop = asyncio.Event()
    async with world.bus("alpha", slice_size=20) as alpha, world.bus("beta", slice_size=20) as beta, relaying(alpha):
        await beta.pool.execute("INSERT INTO guest SELECT 'e' || n FROM generate_series(0, 30) AS n")
        loading = asyncio.create_task(load(alpha, "e", stop))
        for _ in range(4):
            before = await beta.pool.fetchval("SELECT count(*) FROM effect")
            async with worker("consumer", world, tmp_path):
                await eventually(partial(more_than, beta, before), within=25)
                await asyncio.sleep(random.uniform(0, 0.5))  # noqa: S311 - when it dies is the experiment
        stop.set()
        count = await loading
        consumer = Consumer(beta, "beta")
        consumer.on(CupFilled)(drink)
        async with running(consumer), relaying(beta):
            await eventually(partial(more_than, beta, count - 1), within=40)
            drunk = await log.wait_for("drunk-events", count=count, within=40)
        done = await effects(beta)
        order = {key: [r.body["n"] for r in group] for key, group in by_key(await log.read("cup-events")).items()}
    assert len(done) == count
    for cup in {cup for cup, _ in done}:
        assert [n for name, n in done if name == cup] == order[cup]
    assert_once_and_in_order(drunk)


def by_key(records: list[Record]) -> dict[str, list[Record]]:
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[record.key].append(record)
    return groups


async def more_than(bus: Bus, count: int) -> bool:
    return bool(await bus.pool.fetchval("SELECT count(*) > $1 FROM effect", count))


async def test_a_lost_database_session_is_replaced(world: World, log: Log) -> None:
    async with world.bus("alpha") as bus, relaying(bus) as relay:
        await eventually(lambda: relay.health().ok)
        killer = await asyncpg.connect(world.dsns["alpha"])
        await killer.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await killer.close()
        async with bus.unit() as tx:
            tx.emit(filled("q", 1))
        await log.wait_for("cup-events", where=lambda r: r.key == "q", within=20)
