"""Relays are killed under load: is every fact on the log, once, in order? The killed process is this module."""

import asyncio
import json
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final

import uvloop
from fj_bus import Bus, Relay
from fj_testing import Log, Record, eventually

from fj_bench.bus_world import WorkDone, World, build, emptied, running
from fj_bench.figure import Figure, none_of, shown
from fj_bench.ground import Ground

_KILLS: Final = 50
_WORKERS: Final = 16


def measure(site: Ground) -> Iterator[Figure]:
    """Fifty kills."""
    yield from uvloop.run(_kills(site, _KILLS))


async def _kills(site: Ground, times: int) -> list[Figure]:
    world, load = await build(site), Load()
    async with world.bus("maker") as bus:
        began = time.monotonic()
        working = asyncio.gather(*(load.work(bus, worker) for worker in range(1, _WORKERS + 1)))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "world.json"
            file.write_text(json.dumps(asdict(world)))
            alive = [await _one_life(file, bus) for _ in range(times)]
        load.stop.set()
        await working
        rate = load.count / (time.monotonic() - began)
        async with running(Relay(bus)):
            await eventually(lambda: emptied(bus), within=300)
    records = [r for r in await Log(world.kafka, world.prefix).read(WorkDone.topic) if r.key.startswith("k")]
    return [*_judged(records, load.count, times, rate), _takeover(alive)]


class Load:
    """Commands that go on whoever is killed."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.count = 0

    async def work(self, bus: Bus, worker: int) -> None:
        n = 0
        while not self.stop.is_set():
            n += 1
            async with bus.unit() as tx:
                for key in {f"k{n % 97}", f"k{(n * worker) % 41}"}:
                    tx.emit(WorkDone(site="MAIN", work=key, n=n))
                    self.count += 1
            await asyncio.sleep(0.03)


def _judged(records: list[Record], count: int, times: int, rate: float) -> Iterator[Figure]:
    numbers: dict[str, list[int]] = defaultdict(list)
    for record in records:
        numbers[record.key].append(record.sequence)
    twice = sum(n - 1 for n in Counter(r.headers["ce_id"] for r in records).values())
    crossed = sum(found != list(range(1, len(found) + 1)) for found in numbers.values())
    yield none_of(f"{times} kills: facts twice", twice, note=f"of {count:,} facts at {rate:,.0f}/s")
    yield none_of(f"{times} kills: facts lost", count - len(records) + twice)
    yield none_of(f"{times} kills: keys with a gap, a repeat or a wrong order", crossed, note=f"of {len(numbers)}")


def _takeover(alive: list[float]) -> Figure:
    return shown("first fact after a start, median", statistics.median(alive[1:]), " s", "with the start of Python")


async def _one_life(file: Path, bus: Bus) -> float:
    """Start a relay, let it publish for a moment, kill it. Seconds to its first fact."""
    reached = "SELECT coalesce(sum(next), 0)::bigint FROM bus.reached"
    before, began = await bus.pool.fetchval(reached), time.monotonic()
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, str(file))
    while await bus.pool.fetchval(reached) == before:
        await asyncio.sleep(0.02)
    alive = time.monotonic() - began
    await asyncio.sleep(random.uniform(0.2, 1.0))  # noqa: S311 - when it dies is the experiment
    process.send_signal(signal.SIGKILL)
    await process.wait()
    return alive


async def _relay(file: Path) -> None:
    """The process that is killed."""
    async with World(**json.loads(file.read_text())).bus("maker") as bus:
        await Relay(bus).run(asyncio.Event())


if __name__ == "__main__":
    uvloop.run(_relay(Path(sys.argv[1])))
