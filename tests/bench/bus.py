"""The bus: emitting, latency to the log, consumption, relays killed under load. Run: `python tests/bench/bus.py`.

One row alone: `python tests/bench/bus.py emit|latency|consume|kills [kills]`. Real Kafka and PostgreSQL, all on one
machine: trust ratios within a run, not absolutes.
"""

import asyncio
import json
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer
from fj_bus import Bus, BusSettings, Connection, Consumer, Relay, Tx, create_topics
from fj_events import BadBody, Fact, Topic
from fj_runtime import Part, migrate
from fj_testing import eventually
from fj_testing.log import Log
from fj_testing.stack import own_stack
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

NOTE: Final = "n" * 700
CONSUMED: Final = 20_000
KILLS: Final = 50


class WorkDone(Fact, type="work.done.v1", topic="work-events", key="work"):
    """One kilobyte on the log."""

    work: str
    n: int
    note: str = NOTE


class WorkSeen(Fact, type="work.seen.v1", topic="seen-events", key="work"):
    """The consequence."""

    work: str
    n: int


FACTS: Final[Mapping[str, type[Fact]]] = {kind.fact_type: kind for kind in (WorkDone, WorkSeen)}


def _topic(kind: type[Fact], producer: str, consumers: tuple[str, ...]) -> Topic:
    return Topic(
        name=kind.topic, owner=producer, key="work", partitions=12, retention="forever", phi="none",
        producers=(producer,), consumers=consumers, facts=(kind.fact_type,),
    )  # fmt: skip


TOPICS: Final = {
    WorkDone.topic: _topic(WorkDone, "maker", ("seer",)),
    WorkSeen.topic: _topic(WorkSeen, "seer", ()),
}
Result = tuple[str, str]


def decode(type_: str, body: bytes) -> Fact:
    """As fj_events.from_body, for these facts."""
    try:
        return FACTS[type_].model_validate_json(body, extra="ignore")
    except ValidationError:
        raise BadBody(type_) from None


@dataclass(frozen=True)
class World:
    """Where everything is."""

    kafka: str
    prefix: str
    dsns: dict[str, str]

    @asynccontextmanager
    async def bus(self, service: str) -> AsyncIterator[Bus]:
        """A service's bus, as a process has it."""
        async with asyncpg.create_pool(self.dsns[service], min_size=1, max_size=30) as pool:
            yield Bus(
                pool, BusSettings(kafka=self.kafka, topic_prefix=self.prefix), service, topics=TOPICS, decode=decode
            )


@asynccontextmanager
async def running(*parts: Part) -> AsyncIterator[None]:
    """Parts of a process at work."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(part.run(stop)) for part in parts]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def emptied(bus: Bus) -> bool:
    """Whether everything has left the outbox."""
    return not await bus.pool.fetchval("SELECT EXISTS (SELECT FROM bus.outbox)")


async def emit(world: World) -> list[Result]:
    """Units per second: one row of state and one fact each."""
    results = []
    async with world.bus("maker") as bus:
        for name, key in (("many keys", lambda n: f"w{n % 5000}"), ("one hot key", lambda _: "hot")):
            rate = await _units(bus, key, seconds=4)
            results.append((f"emit, 16 at once, {name}", f"{rate:,.0f} units/s"))
            await bus.pool.execute("TRUNCATE bus.outbox")
        async with running(Relay(bus)):
            rate = await _units(bus, lambda n: f"w{n % 5000}", seconds=4)
            results.append(("emit, 16 at once, relay in the same process", f"{rate:,.0f} units/s"))
            await eventually(lambda: emptied(bus), within=60)
    return results


async def _units(bus: Bus, key: Callable[[int], str], seconds: float) -> float:
    until, count = time.monotonic() + seconds, 0

    async def work(worker: int) -> None:
        nonlocal count
        n = worker
        while time.monotonic() < until:
            n += 16
            async with bus.unit() as tx:
                await tx.connection.execute(
                    "INSERT INTO state VALUES ($1, $2) ON CONFLICT (work) DO UPDATE SET n = excluded.n", key(n), n
                )
                tx.emit(WorkDone(site="MAIN", work=key(n), n=n))
            count += 1

    await asyncio.gather(*(work(worker) for worker in range(16)))
    return count / seconds


async def latency(world: World) -> list[Result]:
    """From the commit to the moment when a reader has it."""
    results = []
    async with world.bus("maker") as bus, running(Relay(bus)):
        for rate in (50, 200, 1000, 3000):
            took = await _latencies(world, bus, rate, seconds=4)
            p50, p95, p99 = (took[int(len(took) * share)] * 1000 for share in (0.5, 0.95, 0.99))
            text = f"p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms"
            results.append((f"commit → readable at {len(took) / 4:,.0f} facts/s (asked {rate:,})", text))
    return results


async def _latencies(world: World, bus: Bus, rate: int, seconds: float) -> list[float]:
    committed: dict[bytes, float] = {}
    took: list[float] = []
    reader = AIOKafkaConsumer(
        world.prefix + WorkDone.topic, bootstrap_servers=world.kafka, auto_offset_reset="latest", fetch_max_wait_ms=100
    )
    await reader.start()
    await reader.seek_to_end()

    async def read() -> None:
        while True:
            for records in (await reader.getmany(timeout_ms=1000)).values():
                now = time.monotonic()
                took.extend(now - committed[r.key] for r in records if r.key in committed)

    async def one(n: int) -> None:
        name = f"l{rate}-{n}"
        async with bus.unit() as tx:
            tx.emit(WorkDone(site="MAIN", work=name, n=n))
        committed[name.encode()] = time.monotonic()

    reading = asyncio.create_task(read())
    begin, tasks = time.monotonic(), []
    for n in range(int(rate * seconds)):
        await asyncio.sleep(begin + n / rate - time.monotonic())
        tasks.append(asyncio.create_task(one(n)))
    await asyncio.gather(*tasks)
    await asyncio.sleep(2)
    reading.cancel()
    await reader.stop()
    return sorted(took)


class States:
    """The state of a whole transaction, written in one statement."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}

    async def flush(self, connection: Connection) -> None:
        """Write it."""
        await connection.execute(
            "INSERT INTO state SELECT * FROM unnest($1::text[], $2::bigint[]) "
            "ON CONFLICT (work) DO UPDATE SET n = excluded.n",
            list(self.rows),
            list(self.rows.values()),
        )


async def see_as_set(fact: WorkDone, tx: Tx) -> None:
    """State as a set operation."""
    tx.batch(States).rows[fact.work] = fact.n
    tx.emit(WorkSeen(site=fact.site, work=fact.work, n=fact.n))


async def see_alone(fact: WorkDone, tx: Tx) -> None:
    """One statement a fact."""
    await tx.connection.execute(
        "INSERT INTO state VALUES ($1, $2) ON CONFLICT (work) DO UPDATE SET n = excluded.n", fact.work, fact.n
    )
    tx.emit(WorkSeen(site=fact.site, work=fact.work, n=fact.n))


async def see_after_reading(fact: WorkDone, tx: Tx) -> None:
    """A read and a write a fact."""
    await tx.connection.fetchval("SELECT n FROM state WHERE work = $1", fact.work)
    await see_alone(fact, tx)


async def consume(world: World) -> list[Result]:
    """Facts per second of one process: inbox, one change of state and one emitted fact each."""
    async with world.bus("maker") as maker:
        await _publish(maker, CONSUMED)
    results = []
    ways = {"state as a set": see_as_set, "a statement a fact": see_alone, "read and write a fact": see_after_reading}
    for name, handler in ways.items():
        results.append((f"consume, {name}", await _consumption(world, handler, relay=False)))
    told = await _consumption(world, see_alone, relay=True)
    results.append(("consume, a statement a fact, relay in the same process", told))
    return results


async def _publish(bus: Bus, count: int) -> None:
    async with running(Relay(bus)):
        for start in range(0, count, 1000):
            async with bus.unit() as tx:
                for n in range(start, start + 1000):
                    tx.emit(WorkDone(site="MAIN", work=f"c{n % 8000}", n=n))
        await eventually(lambda: emptied(bus), within=120)


async def _consumption(world: World, handler: Callable[[WorkDone, Tx], Awaitable[None]], *, relay: bool) -> str:
    async with world.bus("seer") as bus:
        await bus.pool.execute("TRUNCATE bus.inbox, bus.counter, bus.outbox, bus.began, state")
        consumer = Consumer(bus, "seer")
        consumer.on(WorkDone)(handler)
        world_group = f"seer-{random.randrange(10**9)}"  # noqa: S311 - a new group reads everything anew
        consumer.group = world_group
        parts: list[Part] = [consumer, Relay(bus)] if relay else [consumer]
        async with running(*parts):
            await eventually(lambda: _seen(bus), within=60)
            began, used, first = time.monotonic(), time.process_time(), await _seen(bus)
            await eventually(lambda: _done(bus), within=120, every=0.1)
            count, spent = CONSUMED - first, time.process_time() - used
            return f"{count / (time.monotonic() - began):,.0f} facts/s, {spent / count * 1e6:.0f} µs of our CPU a fact"


async def _seen(bus: Bus) -> int:
    return int(await bus.pool.fetchval("SELECT coalesce(sum(last), 0) FROM bus.inbox WHERE key LIKE 'c%'"))


async def _done(bus: Bus) -> bool:
    return await _seen(bus) >= CONSUMED


async def kills(world: World, times: int) -> list[Result]:
    """Relays are killed (-9) under load: is every fact on the log, once, in order?"""
    stop = asyncio.Event()
    count = 0
    async with world.bus("maker") as bus:

        async def work(worker: int) -> None:
            nonlocal count
            n = 0
            while not stop.is_set():
                n += 1
                async with bus.unit() as tx:
                    for key in {f"k{n % 97}", f"k{(n * worker) % 41}"}:
                        tx.emit(WorkDone(site="MAIN", work=key, n=n))
                        count += 1
                await asyncio.sleep(0.03)

        began = time.monotonic()
        load = asyncio.gather(*(work(worker) for worker in range(1, 17)))
        alive = [0.0]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "world.json"
            file.write_text(json.dumps(asdict(world)))
            for _ in range(times):
                await _one_life(file, bus, alive)
        stop.set()
        await load
        rate = count / (time.monotonic() - began)
        async with running(Relay(bus)):
            await eventually(lambda: emptied(bus), within=300)
    records = [r for r in await Log(world.kafka, world.prefix).read(WorkDone.topic) if r.key.startswith("k")]
    numbers: dict[str, list[int]] = defaultdict(list)
    for record in records:
        numbers[record.key].append(record.sequence)
    twice = sum(n - 1 for n in Counter(r.headers["ce_id"] for r in records).values())
    crossed = sum(found != list(range(1, len(found) + 1)) for found in numbers.values())
    verdict = (
        f"{count:,} facts at {rate:,.0f}/s: {twice} twice, {count - len(records) + twice} lost, {crossed} keys crossed"
    )
    takeover = f"first fact {statistics.median(alive[1:]):.1f} s after a start (median)"
    return [(f"{times} relays killed", verdict), ("takeover of waiting facts", takeover)]


async def _one_life(file: Path, bus: Bus, alive: list[float]) -> None:
    """Start a relay, let it publish for a moment, kill it."""
    reached = "SELECT coalesce(sum(next), 0)::bigint FROM bus.reached"
    before, began = await bus.pool.fetchval(reached), time.monotonic()
    process = await asyncio.create_subprocess_exec(sys.executable, __file__, "relay", str(file))
    while await bus.pool.fetchval(reached) == before:
        await asyncio.sleep(0.02)
    alive.append(time.monotonic() - began)
    await asyncio.sleep(random.uniform(0.2, 1.0))  # noqa: S311 - when it dies is the experiment
    process.send_signal(signal.SIGKILL)
    await process.wait()


async def _prepare(kafka: str, dsns: dict[str, str]) -> World:
    world = World(kafka, f"bench{random.randrange(10**6)}-", dsns)  # noqa: S311 - a name
    await create_topics(kafka, world.prefix, list(dsns), topics=TOPICS)
    for dsn in dsns.values():
        connection = await asyncpg.connect(dsn)
        await migrate(connection, ["fj_bus"])
        await connection.execute("CREATE TABLE state (work text PRIMARY KEY, n bigint NOT NULL)")
        await connection.close()
    return world


async def measure(rows: list[str], times: int) -> None:
    """Run these rows on servers of their own, and print the table."""
    table = Table("bus", "measured", title="1 KB facts, one process where not said otherwise")
    with own_stack() as stack:
        postgres = stack.postgres()
        dsns = {name: postgres.create_database(f"bench_{name}", "bench") for name in ("maker", "seer")}
        world = await _prepare(stack.kafka(), dsns)
        ways: dict[str, Callable[[World], Awaitable[list[Result]]]] = {
            "emit": emit, "latency": latency, "consume": consume, "kills": lambda w: kills(w, times),
        }  # fmt: skip
        for row in rows or list(ways):
            for name, text in await ways[row](world):
                print(f"{name}: {text}", flush=True)
                table.add_row(name, text)
    Console(width=150).print(table)


async def relay(file: Path) -> None:
    """The process that is killed."""
    async with World(**json.loads(file.read_text())).bus("maker") as bus:
        await Relay(bus).run(asyncio.Event())


def main() -> None:
    """Measure all, or the rows that are named."""
    if sys.argv[1:2] == ["relay"]:
        uvloop.run(relay(Path(sys.argv[2])))
        return
    rows = [argument for argument in sys.argv[1:] if not argument.isdigit()]
    times = next((int(argument) for argument in sys.argv[1:] if argument.isdigit()), KILLS)
    uvloop.run(measure(rows, times))


if __name__ == "__main__":
    main()
