"""The servers that tests use: own ones in a temporary `FJ_HOME` on free ports, or those that `FJ_TEST_STACK` names."""

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from fj_local import kafka, seaweedfs
from fj_local.home import Home
from fj_local.ports import SERVER_PORTS, Claim, Ports
from fj_local.postgres import Server
from fj_local.servers import NAMES, Servers
from fj_local.services import ALL_PORTS
from fj_local.stack import Stack as WholeStack

_FOLDER: Final = "fj-test-"
_OWNER: Final = "owner"
_UNOWNED: Final = "owner.new"


@dataclass(frozen=True, slots=True)
class S3:
    """An S3 store, and an identity that may read and write in one bucket."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str = field(repr=False)


class Stack:
    """Kafka, PostgreSQL and SeaweedFS; each starts when it is first asked for."""

    def __init__(self, home: Home, ports: Ports, *, started: bool = False) -> None:
        self.servers: Final = Servers(home, ports)
        self._started: Final = set(NAMES) if started else set[str]()

    @classmethod
    def load(cls, file: Path) -> Self:
        """The running stack that this file describes."""
        known = json.loads(file.read_text())
        return cls(Home(Path(known["home"])), known["ports"], started=True)

    def save(self, file: Path) -> None:
        """Write the file that `FJ_TEST_STACK` names."""
        file.write_text(json.dumps({"home": str(self.servers.home.path), "ports": dict(self.servers.ports)}))

    def kafka(self) -> str:
        """Kafka's bootstrap address."""
        self._need("kafka")
        return kafka.bootstrap(self.servers.ports)

    def postgres(self) -> Server:
        """The PostgreSQL server, with its administrator's password."""
        self._need("postgres")
        return self.servers.database_server

    def s3(self) -> S3:
        """The S3 store and the services' identity."""
        self._need("seaweedfs")
        secret = self.servers.credentials.s3_services
        return S3(seaweedfs.endpoint(self.servers.ports), seaweedfs.BUCKET, seaweedfs.SERVICES_KEY, secret)

    def stop(self) -> None:
        """Stop what runs and remove the data."""
        _end(self.servers.home)

    def _need(self, name: str) -> None:
        if name not in self._started:
            self.servers.start(name)
            self._started.add(name)


def new_folder() -> Path:
    """A temporary folder that PostgreSQL's user can enter."""
    folder = Path(tempfile.mkdtemp(prefix=_FOLDER))
    folder.chmod(0o755)
    return folder


@contextlib.contextmanager
def own_stack() -> Iterator[Stack]:
    """Servers that end with the caller. What a killed caller left behind is swept by the next one."""
    with _owned(SERVER_PORTS) as (home, ports):
        yield Stack(home, ports)


@contextlib.contextmanager
def own_whole_stack() -> Iterator[WholeStack]:
    """All that `make up` starts, on free ports; it ends with the caller."""
    with _owned(ALL_PORTS) as (home, ports):
        stack = WholeStack(home, ports)
        stack.up()
        yield stack


@contextlib.contextmanager
def _owned(names: Ports) -> Iterator[tuple[Home, Ports]]:
    sweep()
    claim = Claim()
    home = Home(new_folder())
    owner = os.open(home.path / _UNOWNED, os.O_RDONLY | os.O_CREAT, 0o600)
    fcntl.flock(owner, fcntl.LOCK_EX)
    # Under its name only once it is locked: a free lock of this name is what a sweeper looks for.
    (home.path / _UNOWNED).rename(home.path / _OWNER)
    try:
        yield home, claim.take_all(names)
    finally:
        _end(home)
        os.close(owner)
        claim.close()


def sweep() -> None:
    """Stop and remove the stacks of processes that were killed: their owner's lock is free."""
    for owner in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*/{_OWNER}"):
        with contextlib.suppress(OSError), owner.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _end(Home(owner.parent))


def _end(home: Home) -> None:
    WholeStack(home, {}).down()
    (home.path / _OWNER).unlink(missing_ok=True)
    home.remove()
