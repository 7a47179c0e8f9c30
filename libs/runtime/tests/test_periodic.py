"""Doing one thing again and again."""

import asyncio

from fj_runtime import Periodic
from fj_testing import eventually


async def test_it_runs_at_once_and_again_until_it_is_told_to_stop() -> None:
    runs: list[float] = []

    async def act() -> None:
        runs.append(asyncio.get_running_loop().time())

    part, stop = Periodic("sweep", 0.05, act), asyncio.Event()
    running = asyncio.create_task(part.run(stop))
    await eventually(lambda: len(runs) >= 4, within=2)
    stop.set()
    async with asyncio.timeout(1):
        await running
    assert all(0.04 < later - earlier < 0.5 for earlier, later in zip(runs, runs[1:], strict=False))
    assert part.health().ok


async def test_it_outlives_errors_and_says_when_they_last() -> None:
    broken = True
    runs = 0

    async def act() -> None:
        nonlocal runs
        runs += 1
        if broken:
            raise LookupError

    part, stop = Periodic("sweep", 0.01, act), asyncio.Event()
    running = asyncio.create_task(part.run(stop))
    await eventually(lambda: runs == 2)
    assert part.health().ok
    await eventually(lambda: not part.health().ok)
    assert "runs failed in a row" in part.health().detail
    broken = False
    await eventually(lambda: part.health().ok)
    stop.set()
    await running


async def test_a_run_that_hangs_is_given_up() -> None:
    part, stop = Periodic("sweep", 0.01, asyncio.Event().wait, seconds_max=0.05), asyncio.Event()
    running = asyncio.create_task(part.run(stop))
    await eventually(lambda: not part.health().ok)
    stop.set()
    await running


async def test_a_stop_does_not_wait_for_the_next_run() -> None:
    async def act() -> None:
        pass

    part, stop = Periodic("sweep", 3600, act), asyncio.Event()
    running = asyncio.create_task(part.run(stop))
    await eventually(lambda: part.health().detail.startswith("last run"))
    stop.set()
    async with asyncio.timeout(1):
        await running
