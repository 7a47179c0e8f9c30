"""Processor time of processes: what others on the machine cannot take away from a measurement."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil


@dataclass(slots=True)
class Cost:
    """Seconds of processor time, user and system, by name; complete when the block has ended."""

    seconds: dict[str, float] = field(default_factory=dict)

    def per(self, count: int) -> str:
        """Microseconds for each of `count` things: `order 900, postgres 500 µs`."""
        parts = (f"{name} {1e6 * spent / max(count, 1):.0f}" for name, spent in self.seconds.items())
        return ", ".join(parts) + " µs"

    @property
    def total(self) -> float:
        return sum(self.seconds.values())


@contextmanager
def cost_of(**pids: int) -> Iterator[Cost]:
    """What these processes and their children spend in the block; `client` is this process."""
    cost = Cost()
    roots = {"client": psutil.Process()} | {name: psutil.Process(pid) for name, pid in pids.items()}
    before = {name: _spent(root, children=name != "client") for name, root in roots.items()}
    yield cost
    cost.seconds = {name: _spent(root, children=name != "client") - before[name] for name, root in roots.items()}


def _spent(root: psutil.Process, *, children: bool) -> float:
    family: Iterable[psutil.Process] = [root, *root.children(recursive=True)] if children else [root]
    total = 0.0
    for process in family:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + (times.children_user + times.children_system if children else 0)
    return total
