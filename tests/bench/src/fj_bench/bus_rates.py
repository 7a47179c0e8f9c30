"""The bus: emitting, the way from a commit to a reader, consumption."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import uvloop
from aiokafka import AIOKafkaConsumer
from fj_bus import Bus, Connection, Consumer, Relay, Tx
from fj_testing import eventually

from fj_bench.bus_world import WorkDone, WorkSeen, World, build, emptied, running
from fj_bench.figure import Figure, at_least, shown, within
from fj_bench.ground import Ground

_CONSUMED: Final = 20_000
_EMITTERS: Final = 16
_SECONDS: Final = 4.0
_RATES: Final = ((50, 1), (200, 1), (1000, 5))
"""Facts a second, and how many of them a transaction has: what comes at the same time shares one, as at our doors."""
_READABLE: Final = 0.03
_CONSUMPTION: Final = 4000.0


def emit(site: Ground) -> Iterator[Figure]:
    """Units per second: one row of state and one fact each."""
    yield from uvloop.run(_emit(site))


def latency(site: Ground) -> Iterator[Figure]:
    """From the commit to the moment when a reader has it."""
    yield from uvloop.run(_latency(site))


def consume(site: Ground) -> Iterator[Figure]:
    """Facts per second of one process."""
    yield from uvloop.run(_consume(site))


async def _emit(site: Ground) -> list[Figure]:
    world, figures = await build(site), []
    async with world.bus("maker") as bus:
        for name, key in (("many keys", lambda n: f"w{n % 5000}"), ("one hot key", lambda _: "hot")):
            figures.append(shown(f"{_EMITTERS} at once, {name}", await _units(bus, key)))
            await bus.pool.execute("TRUNCATE bus.outbox")
        async with running(Relay(bus)):
            rate = await _units(bus, lambda n: f"w{n % 5000}")
            figures.append(shown(f"{_EMITTERS} at once, relay in the same process", rate))
            await eventually(lambda: emptied(bus), within=60)
    return figures


async def _units(bus: Bus, key: Callable[[int], str]) -> float:
    until, count = time.monotonic() + _SECONDS, 0

    async def work(worker: int) -> None:
        nonlocal count
        n = worker
        while time.monotonic() < until:
            n += _EMITTERS
            async with bus.unit() as tx:
                await tx.connection.execute(
                    "INSERT INTO state VALUES ($1, $2) ON CONFLICT (work) DO UPDATE SET n = excluded.n", key(n), n
                )
                tx.emit(WorkDone(site="MAIN", work=key(n), n=n))
            count += 1

    await asyncio.gather(*(work(worker) for worker in range(_EMITTERS)))
    return count / _SECONDS


async def _latency(site: Ground) -> list[Figure]:
    world, figures = await build(site), []
    async with world.bus("maker") as bus, running(Relay(bus)):
        await _latencies(world, bus, 200, 1)  # Kafka's JVM does the first ones slowly
        for rate, together in _RATES:
            took = await _latencies(world, bus, rate, together)
            p50, p95, p99 = (took[int(len(took) * share)] for share in (0.5, 0.95, 0.99))
            note = f"p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms, {together} a transaction"
            figures.append(within(f"p95 at {rate:,} facts/s", p95, _READABLE, note))
    return figures


async def _latencies(world: World, bus: Bus, rate: int, together: int) -> list[float]:
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

    async def commit(n: int) -> None:
        names = [f"l{rate}-{n}-{nth}" for nth in range(together)]
        async with bus.unit() as tx:
            for name in names:
                tx.emit(WorkDone(site="MAIN", work=name, n=n))
        committed.update(dict.fromkeys((name.encode() for name in names), time.monotonic()))

    reading = asyncio.create_task(read())
    begin, tasks = time.monotonic(), []
    for n in range(0, int(rate * _SECONDS), together):
        await asyncio.sleep(begin + n / rate - time.monotonic())
        tasks.append(asyncio.create_task(commit(n)))
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


async def _consume(site: Ground) -> list[Figure]:
    world = await build(site)
    async with world.bus("maker") as maker:
        await _publish(maker, _CONSUMED)
    ways = {
        "state as a set": see_as_set,
        "a statement a fact": see_alone,
        "a read and a write a fact": see_after_reading,
    }
    figures = []
    for name, handler in ways.items():
        rate, cost = await _consumption(world, handler, relay=False)
        bar = handler is not see_after_reading
        figures.append(at_least(name, rate, _CONSUMPTION, note=cost) if bar else shown(name, rate, note=cost))
    rate, cost = await _consumption(world, see_alone, relay=True)
    figures.append(shown("a statement a fact, relay in the same process", rate, note=cost))
    return figures


async def _publish(bus: Bus, count: int) -> None:
    async with running(Relay(bus)):
        for start in range(0, count, 1000):
            async with bus.unit() as tx:
                for n in range(start, start + 1000):
                    tx.emit(WorkDone(site="MAIN", work=f"c{n % 8000}", n=n))
        await eventually(lambda: emptied(bus), within=120)


async def _consumption(
    world: World, handler: Callable[[WorkDone, Tx], Awaitable[None]], *, relay: bool
) -> tuple[float, str]:
    async with world.bus("seer") as bus:
        await bus.pool.execute("TRUNCATE bus.inbox, bus.counter, bus.outbox, bus.began, state")
        consumer = Consumer(bus, "seer")
        consumer.on(WorkDone)(handler)
        consumer.group = f"seer-{secrets.token_hex(4)}"  # a new group reads everything anew
        async with running(consumer, *([Relay(bus)] if relay else [])):
            await eventually(lambda: _seen(bus), within=60)
            began, used, first = time.monotonic(), time.process_time(), await _seen(bus)
            await eventually(lambda: _done(bus), within=120, every=0.1)
            count, spent = _CONSUMED - first, time.process_time() - used
            return count / (time.monotonic() - began), f"{spent / count * 1e6:.0f} µs of its processor time a fact"


async def _seen(bus: Bus) -> int:
    return int(await bus.pool.fetchval("SELECT coalesce(sum(last), 0) FROM bus.inbox WHERE key LIKE 'c%'"))


async def _done(bus: Bus) -> bool:
    return await _seen(bus) >= _CONSUMED
