"""What runs, whether it is ready, where, and how much memory it has."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fj_local.home import Home
from fj_local.ports import LOOPBACK, Ports, answers
from fj_local.services import PROCESSES, is_ready

_PARENT = 1  # field 4 of proc_pid_stat(5), counted after the command's closing parenthesis


@dataclass(frozen=True, slots=True)
class State:
    """One process of the stack as it is now."""

    name: str
    service: str | None
    """The service that it is a process of; None for what is not ours."""
    running: bool
    ready: bool
    addresses: tuple[str, ...]
    memory: int | None
    """Bytes of its own: shared memory is divided among those that share it (PSS). Children count too."""


def inspect(home: Home, ports: Ports) -> Iterator[State]:
    """Every process that `up` starts, in order of need."""
    for name, port in (("kafka", "kafka"), ("postgres", "postgres"), ("seaweedfs", "s3")):
        yield _state(home, name, None, (_at(ports[port]),), partial(answers, ports[port]))
    for process in PROCESSES:
        http = ports[process.http]
        doors = tuple(_at(ports[door], door) for door in (*process.doors, *process.shared_doors))
        yield _state(home, process.name, process.service, (f"http://{_at(http)}", *doors), partial(is_ready, http))
    gateway = (f"http://{_at(ports['gateway'])}", f"http://{_at(ports['viewer'])}")
    yield _state(home, "gateway", None, gateway, partial(answers, ports["gateway"]))


def pss(pid: int) -> int:
    """Proportional set size in bytes of a process and its descendants."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    total, waiting = 0, [pid]
    while waiting:
        current = waiting.pop()
        waiting += children.get(current, [])
        total += _own_pss(current)
    return total


def _state(home: Home, name: str, service: str | None, addresses: tuple[str, ...], ready: Callable[[], bool]) -> State:
    running = home.running(name)
    if running is None:
        return State(name, service, running=False, ready=False, addresses=addresses, memory=None)
    return State(name, service, running=True, ready=ready(), addresses=addresses, memory=pss(running.pid))


def _at(port: int, door: str = "") -> str:
    protocol = next((f"{kind}://" for kind in ("mllp", "dimse") if kind.upper() in door), "")
    return f"{protocol}{LOOPBACK}:{port}"


def _parents() -> Iterator[tuple[int, int]]:
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            try:
                stat = Path(entry.path, "stat").read_text()
            except OSError:
                continue
            yield int(entry.name), int(stat.rpartition(")")[2].split()[_PARENT])


def _own_pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
