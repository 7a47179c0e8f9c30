"""Kafka, PostgreSQL and SeaweedFS: started side by side, each only when it is wanted."""

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from fj_local import kafka, postgres, seaweedfs
from fj_local.credentials import Credentials, load_credentials
from fj_local.home import Home
from fj_local.ports import Ports
from fj_local.program import Program, halt, launch

NAMES: Final = ("kafka", "postgres", "seaweedfs")

Say = Callable[[str], None]


def quiet(_: str) -> None:
    """Say nothing."""


@dataclass(slots=True)
class Servers:
    """What runs underneath the services, in one `FJ_HOME`, on given ports."""

    home: Home
    ports: Ports
    say: Say = quiet
    roles: tuple[str, ...] = ()
    """Services that get a database role."""
    credentials: Credentials = field(init=False)

    def __post_init__(self) -> None:
        self.home.create()
        self.credentials = load_credentials(self.home.secrets, self.roles)

    def program(self, name: str) -> Program:
        """Prepare a server and say how it is started."""
        match name:
            case "kafka":
                return kafka.program(self.home, self.ports, self.say)
            case "postgres":
                return postgres.program(self.home, self.ports, self.credentials)
            case "seaweedfs":
                return seaweedfs.program(self.home, self.ports, self.credentials)
        raise KeyError(f"{name} is none of {', '.join(NAMES)}")

    def start(self, *names: str) -> None:
        """Start these servers side by side and wait until all are ready. Raises StartFailed."""
        together([functools.partial(self._start, name) for name in names or NAMES])

    def stop(self, *names: str) -> None:
        """Stop these servers side by side."""
        together([functools.partial(halt, self.home, name) for name in names or NAMES])

    @property
    def database_server(self) -> postgres.Server:
        return postgres.Server(self.ports["postgres"], self.credentials.postgres)

    def _start(self, name: str) -> None:
        if launch(self.home, self.program(name)):
            self.say(f"{name} is ready")
        if name == "seaweedfs":
            seaweedfs.create_bucket(self.ports)


def together(works: Sequence[Callable[[], object]], at_once: int | None = None) -> None:
    """Do all of it at the same time, or so many at once; the first error is raised once all have ended."""
    with ThreadPoolExecutor(max_workers=at_once or max(1, len(works))) as pool:
        for done in [pool.submit(work) for work in works]:
            done.result()
