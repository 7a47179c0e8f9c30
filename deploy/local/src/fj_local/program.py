"""What is started: a command with its environment, its ports, and how to tell that it is ready."""

import hashlib
import json
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from fj_local.errors import PortTaken, StartFailed
from fj_local.home import Home
from fj_local.ports import is_free
from fj_local.process import Running, remove, start

_TAIL: Final = 15
_POLL: Final = 0.05
_BETWEEN_TRIES: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One process of the stack."""

    name: str
    command: Sequence[str]
    ready: Callable[[], bool]
    ports: Sequence[int] = ()
    """Where it listens and nobody else does."""
    environment: Mapping[str, str] = field(default_factory=dict)
    within: float = 30.0
    """Seconds that it may take to become ready."""
    stop_with: signal.Signals = signal.SIGTERM
    grace: float = 20.0
    """Seconds that it may take to end before it is killed."""
    leftovers: Sequence[str] = ()
    """Files outside of its home that it leaves behind: removed before it starts and after it has ended."""
    tries: int = 1
    """How often it is started when it ends before it is ready."""

    @property
    def digest(self) -> str:
        """Changes with the command or the environment: then a running process is an old one."""
        return hashlib.sha256(json.dumps([list(self.command), dict(self.environment)]).encode()).hexdigest()[:16]


def launch(home: Home, program: Program) -> bool:
    """Start what does not run, restart what runs with other settings, wait until ready; whether it was started.

    Raises StartFailed, PortTaken, NotOurs.
    """
    running = home.running(program.name)
    if running is not None and running.digest != program.digest:
        running.stop()
        running = None
    deadline = time.monotonic() + program.within
    if running is not None and _becomes_ready(home, running, program, deadline):
        return False
    # One that was about to end when we came has not used up a try.
    for _ in range(program.tries):
        if _becomes_ready(home, _start(home, program), program, deadline):
            return True
        time.sleep(_BETWEEN_TRIES)
    raise _failure(home, program, "ended before it was ready")


def halt(home: Home, name: str) -> bool:
    """Stop the process of this name if it runs; whether it did."""
    running = home.running(name)
    if running is not None:
        running.stop()
    home.pid_file(name).unlink(missing_ok=True)
    return running is not None


def tail(home: Home, name: str, lines: int = _TAIL) -> str:
    """The last lines of a program's log."""
    path = home.log(name)
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""


def _start(home: Home, program: Program) -> Running:
    for port in program.ports:
        if not is_free(port):
            message = f"{program.name} needs port {port}, which another program has; FJ_PORT_OFFSET moves the stack"
            raise PortTaken(message)
    remove(program.leftovers)
    with home.open_log(program.name) as log:
        running = start(program.command, program.environment, home.path, log)
    running = replace(
        running,
        digest=program.digest,
        stop_with=program.stop_with,
        grace=program.grace,
        leftovers=list(program.leftovers),
    )
    running.save(home.pid_file(program.name))
    return running


def _becomes_ready(home: Home, running: Running, program: Program, deadline: float) -> bool:
    """False when it ends first. Raises StartFailed at the deadline."""
    while running.alive:
        if program.ready():
            return True
        if time.monotonic() >= deadline:
            raise _failure(home, program, f"was not ready within {program.within:g} s")
        time.sleep(_POLL)
    return False


def _failure(home: Home, program: Program, what: str) -> StartFailed:
    return StartFailed(f"{program.name} {what}; the end of {home.log(program.name)}:\n{tail(home, program.name)}")
