"""One detached process, known by its pid and the instant it started, so that a reused pid is never taken for it."""

import contextlib
import json
import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Final, Self

from fj_local.errors import NotOurs

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_STATE, _START_TIME = 0, 19  # fields 3 and 22 of proc_pid_stat(5), counted after the command's closing parenthesis

_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True, slots=True)
class Running:
    """A process as its pid file remembers it. `started` is in clock ticks since the boot that `boot` names."""

    pid: int
    started: int
    boot: str
    digest: str = ""
    stop_with: int = signal.SIGTERM
    grace: float = 20.0
    """Seconds that it may take to end before it is killed."""
    leftovers: Sequence[str] = ()
    """Files outside of its home that it leaves behind, and that would stand in the way of another user's."""

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """What the pid file says, None when there is none or it was cut off while written."""
        try:
            return cls(**json.loads(path.read_text()))
        except (FileNotFoundError, json.JSONDecodeError, TypeError):
            return None

    def save(self, path: Path) -> None:
        """Write the pid file in one step."""
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self)))
        fresh.replace(path)

    @property
    def alive(self) -> bool:
        """Whether this very process still runs: same boot, same pid, same start, and not a zombie."""
        _reap_ended()
        return _boot_id() == self.boot and _started(self.pid) == self.started

    def kill(self) -> None:
        """End it as kill -9 does; returns when the process is gone. Raises NotOurs."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end, then kill it; returns when the process is gone. Raises NotOurs."""
        self._end(signal.Signals(self.stop_with))

    def _end(self, with_signal: signal.Signals) -> None:
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            # Asked after the handle is open: from here on the handle can mean no other process.
            if self.alive:
                _signal(handle, self.pid, with_signal, self.grace)
                remove(self.leftovers)
        finally:
            os.close(handle)
            _reap(self.pid)


def remove(files: Sequence[str]) -> None:
    """Remove files that may not be there. Raises NotOurs."""
    for file in files:
        try:
            Path(file).unlink(missing_ok=True)
        except PermissionError as error:
            message = f"{file} belongs to another user"
            raise NotOurs(message) from error


def start(command: Sequence[str], environment: Mapping[str, str], folder: Path, log: IO[bytes]) -> Running:
    """Start a process that outlives this one: own session, no terminal, output to `log`."""
    child = subprocess.Popen(
        list(command),
        env=dict(environment),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    _children[child.pid] = child
    # A child that has died at once is a zombie until it is reaped, so its start time can still be read.
    return Running(child.pid, _start_time(child.pid), _boot_id())


def _signal(handle: int, pid: int, with_signal: signal.Signals, grace: float) -> None:
    try:
        signal.pidfd_send_signal(handle, with_signal)
        if not _gone(handle, grace):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            _gone(handle, 10)
    except ProcessLookupError:
        return
    except PermissionError as error:
        message = f"process {pid} belongs to another user"
        raise NotOurs(message) from error


def _gone(handle: int, within: float) -> bool:
    """A pidfd becomes readable when its process ends."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(within * 1000))


def _reap(pid: int) -> None:
    child = _children.pop(pid, None)
    if child is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=1)


def _reap_ended() -> None:
    """Of all that were started here: of one that another process has ended nobody here would ask again."""
    for pid, child in list(_children.items()):
        if child.poll() is not None:
            _children.pop(pid, None)


def _boot_id() -> str:
    return _BOOT_ID.read_text().strip()


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _start_time(pid: int) -> int:
    return int(_stat(pid)[_START_TIME])


def _started(pid: int) -> int | None:
    try:
        fields = _stat(pid)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[_STATE] in "ZX" else int(fields[_START_TIME])
