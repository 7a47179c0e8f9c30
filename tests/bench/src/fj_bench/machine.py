"""The machine that a figure comes from: how much its processors and its disk vary while nothing of ours runs."""

import os
import platform
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from typing import Final

import psutil

_ROUNDS: Final = 40
_TURNS: Final = 200_000
_SYNCS: Final = 40
_BLOCK: Final = b"\0" * 4096


@dataclass(slots=True)
class Noise:
    """Samples of the same small work, taken before each group of rows."""

    turns: list[float] = field(default_factory=list)
    """Seconds of wall clock that the same loop took."""
    syncs: list[float] = field(default_factory=list)
    """Seconds for 4 KiB to the disk."""
    others: list[float] = field(default_factory=list)
    """Percent of all processors that other programs used meanwhile."""

    def sample(self) -> None:
        """Take samples; about one second."""
        psutil.cpu_percent()
        for _ in range(_ROUNDS):
            began = time.perf_counter()
            for _ in range(_TURNS):
                pass
            self.turns.append(time.perf_counter() - began)
        ours = 100 / (os.cpu_count() or 1)
        self.others.append(max(psutil.cpu_percent() - ours, 0.0))
        with tempfile.TemporaryFile(dir="/var/tmp") as file:
            for _ in range(_SYNCS):
                began = time.perf_counter()
                file.write(_BLOCK)
                file.flush()
                os.fdatasync(file.fileno())
                self.syncs.append(time.perf_counter() - began)

    def told(self) -> str:
        """One line: what this machine is, and what its figures are worth."""
        gib = psutil.virtual_memory().total / 2**30
        low, high = min(self.turns), statistics.quantiles(self.turns, n=20)[-1]
        syncs = statistics.quantiles(self.syncs, n=20)
        return (
            f"{os.cpu_count()} cores, {gib:.0f} GiB, Python {platform.python_version()}. Noise: the same loop took"
            f" {low * 1000:.1f} to {high * 1000:.1f} ms (p95, {high / low - 1:+.0%}), others used up to"
            f" {max(self.others):.0f} % of the processors, a sync of 4 KiB took {syncs[9] * 1000:.1f} ms"
            f" (p95 {syncs[18] * 1000:.1f}). Clients, servers and services share the cores."
        )
