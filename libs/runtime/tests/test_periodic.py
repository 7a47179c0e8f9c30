"""Doing one thing again and again."""

import asyncio
import itertools

from fj_runtime import Health, Periodic
from fj_testing import eventually


async def test_it_runs_at_once_and_again_until_it_is_told_to_stop() -> None:
    runs: list[float] = []

    async def act() -> None:
        runs.append(asyncio.get_running_loop().time())

    part, stop = Periodic("sweep", 0.05, act), asyncio.Event()
    running = asyncio.create_task(part.run(stop))
    await eventually(lambda: len(runs) >= 4, within=40)
    stop.set()
    async with asyncio.timeout(10):
        await running
    assert all(later - earlier > 0.04 for earlier, later in itertools.pairwise(runs))
    assert part.health().ok


async def test_it_outlives_errors_and_says_when_they_last() -> None:
    seen: list[Health] = []

    async def act() -> None:
        seen.append(part.health())
        if len(seen) <= 5:
            raise LookupError

    part, stop = Periodic("sweep", 0.01, act), asyncio.Event()
    running = asyncio.create_task(part.run(stop))
    await eventually(lambda: len(seen) > 6, within=40)
    stop.set()
    await running
    assert [health.ok for health in seen[:7]] == [True, True, True, False, False, False, True]
    assert seen[5].detail == "5 runs failed in a row"


async def test_a_run_that_hangs_is_given_up() -> None:
    part, stop = Periodic("sweep", 0.01, asyncio.Event().wait, seconds_max=0.05), asyncio.Event()
    running = asyncio.create_task(part.run(stop))
    await eventually(lambda: not part.health().ok, within=40)
    stop.set()
    await running


async def test_a_stop_does_not_wait_for_the_next_run() -> None:
    async def act() -> None:
        pass

    part, stop = Periodic("sweep", 3600, act), asyncio.Event()
    running = asyncio.create_task(part.run(stop))
    await eventually(lambda: part.health().detail.startswith("last run"), within=40)
    stop.set()
    async with asyncio.timeout(10):
        await running
