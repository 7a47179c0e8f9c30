"""`FJ_HOME`: the folder of one stack's data, logs, pid files and generated secrets."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from fj_local.process import Running

MAX_LOG: Final = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Home:
    """Layout of `FJ_HOME`."""

    path: Path

    @classmethod
    def from_environment(cls) -> "Home":
        """`FJ_HOME`, by default `.filmjacket/` in the project, or in the current folder when we are installed apart."""
        chosen = os.environ.get("FJ_HOME")
        if chosen:
            return cls(Path(chosen).resolve())
        project = Path(__file__).resolve().parents[4]
        return cls((project if (project / "uv.lock").exists() else Path.cwd()) / ".filmjacket")

    def create(self) -> None:
        """Make the folders. The top is traversable, as PostgreSQL runs as another user when we are root."""
        self.path.mkdir(parents=True, exist_ok=True)
        for folder in (self.data, self.conf):
            folder.mkdir(mode=0o755, exist_ok=True)
        for folder in (self.logs, self.run):
            folder.mkdir(mode=0o700, exist_ok=True)

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def conf(self) -> Path:
        return self.path / "conf"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def secrets(self) -> Path:
        return self.path / "secrets.json"

    @property
    def ports(self) -> Path:
        return self.conf / "ports.json"

    def pid_file(self, name: str) -> Path:
        return self.run / f"{name}.json"

    def running(self, name: str) -> Running | None:
        """The process of this name, None when it does not run."""
        record = Running.load(self.pid_file(name))
        return record if record is not None and record.alive else None

    def known(self) -> list[str]:
        """The names of all processes that were started and not stopped since."""
        return sorted(path.stem for path in self.run.glob("*.json"))

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def open_log(self, name: str) -> IO[bytes]:
        """The log of a process about to start: appended to, and set aside as `.log.1` once it is over 10 MiB."""
        path = self.log(name)
        if path.exists() and path.stat().st_size > MAX_LOG:
            path.replace(path.with_suffix(".log.1"))
        return path.open("ab")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One `up` or `down` at a time; a second one waits."""
        self.create()
        with (self.path / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def remove(self) -> None:
        """Delete what this stack has put here, and nothing else that may lie in `FJ_HOME`. The stack must be down."""
        for folder in (self.data, self.conf, self.logs, self.run):
            if folder.exists():
                shutil.rmtree(folder)
        for file in (self.secrets, self.path / "lock"):
            file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path.rmdir()
