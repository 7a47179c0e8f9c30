"""What the measurements stand on: real servers, and service processes with topics and databases of their own."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fj_local.ports import Claim
from fj_testing import Services, Stack
from fj_testing.stack import own_stack


class Ground:
    """Kafka, PostgreSQL and SeaweedFS; each starts when it is first asked for."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack = stack
        self._folder = folder
        self._claim = Claim()

    def free_port(self) -> int:
        return self._claim.take()

    def file(self, name: str, text: str) -> Path:
        """Something that a service reads at its start."""
        path = self._folder / name
        path.write_text(text, "utf-8")
        return path

    def database(self) -> str:
        """The DSN of an empty database with a role of its own."""
        return self.stack.postgres().create_database(f"b{secrets.token_hex(6)}", secrets.token_hex(8))

    @contextmanager
    def services(self) -> Iterator[Services]:
        """Starts processes on new topics and databases; they end with the block."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        services = Services(self.stack, f"b{secrets.token_hex(4)}-", self.database, self.free_port, folder)
        try:
            yield services
        finally:
            services.stop_all()

    def pids(self, *names: str) -> dict[str, int]:
        """Process ids of servers, to see what they spend."""
        running = {name: self.stack.servers.home.running(name) for name in names}
        return {name: process.pid for name, process in running.items() if process is not None}


@contextmanager
def ground() -> Iterator[Ground]:
    """Own servers, or those that `FJ_TEST_STACK` names."""
    given = os.environ.get("FJ_TEST_STACK")
    with tempfile.TemporaryDirectory(prefix="fj-bench-") as folder:
        if given:
            yield Ground(Stack.load(Path(given)), Path(folder))
        else:
            with own_stack() as stack:
                yield Ground(stack, Path(folder))
