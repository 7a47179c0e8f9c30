"""A part that does one thing again and again: sweeps, checks, refreshes."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog
from prometheus_client import Counter

from fj_runtime.parts import Health

_JITTER: Final = 0.1
_PATIENCE: Final = 3
_errors = Counter("fj_periodic_errors", "Runs of a periodic part that raised", ["part"])
_log = structlog.get_logger("fj_runtime.periodic")


class Periodic:
    """Runs `act` every `seconds` (± 10 %, so that replicas do not march in step), the first time at once.

    An error is counted and logged, and the next run is tried as usual. After three failures in a row the part
    reports itself unhealthy until a run succeeds. A run is given `seconds_max` before it is cancelled.
    """

    def __init__(
        self, name: str, seconds: float, act: Callable[[], Awaitable[object]], seconds_max: float = 60
    ) -> None:
        self.name = name
        self._seconds = seconds
        self._seconds_max = seconds_max
        self._act = act
        self._failures = 0
        self._last: float | None = None

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._once()
            pause = self._seconds * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - spreads load, guards nothing
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)

    async def _once(self) -> None:
        try:
            async with asyncio.timeout(self._seconds_max):
                await self._act()
        except Exception:  # noqa: BLE001 - a sweep outlives whatever one run meets
            self._failures += 1
            _errors.labels(self.name).inc()
            _log.warning("periodic run failed", part=self.name, failures=self._failures, exc_info=True)
        else:
            self._failures = 0
            self._last = time.monotonic()

    def health(self) -> Health:
        if self._failures >= _PATIENCE:
            return Health(ok=False, detail=f"{self._failures} runs failed in a row")
        if self._last is None:
            return Health(ok=True, detail="no run finished yet")
        return Health(ok=True, detail=f"last run {time.monotonic() - self._last:.0f} s ago")
