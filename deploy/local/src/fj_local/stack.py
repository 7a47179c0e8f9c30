"""Everything together: `up` starts what does not run, in order of need; `down` stops it in the opposite order."""

import functools
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Final, Self

from fj_local import gateway, kafka, viewer
from fj_local.errors import BadOffset, StartFailed
from fj_local.home import Home
from fj_local.ports import Ports, shifted
from fj_local.program import halt, launch
from fj_local.servers import NAMES, Say, Servers, quiet, together
from fj_local.services import ALL_PORTS, PROCESSES, SERVICES, Deployment, Process

_SAID: Final = 15
"""Lines of a failed command that are shown."""


class Stack:
    """One `FJ_HOME` with its servers, services and gateway."""

    def __init__(self, home: Home, ports: Ports, say: Say = quiet) -> None:
        self.home = home
        self.ports = ports
        self._say = say

    @classmethod
    def from_environment(cls, say: Say = quiet) -> Self:
        """The stack that `FJ_HOME` and `FJ_PORT_OFFSET` mean. Raises BadOffset."""
        offset = os.environ.get("FJ_PORT_OFFSET") or "0"
        if not offset.isdecimal():
            raise BadOffset(f"FJ_PORT_OFFSET is {offset!r}, not a number")
        return cls(Home.from_environment(), shifted(ALL_PORTS, int(offset)), say)

    @classmethod
    def as_started(cls) -> Self:
        """The stack of `FJ_HOME` with the ports that it was started with, whatever `FJ_PORT_OFFSET` is now."""
        home = Home.from_environment()
        return cls(home, json.loads(home.ports.read_text())) if home.ports.exists() else cls.from_environment()

    def up(self) -> None:
        """Start what does not run and wait until all is ready. Data stays. Raises StartFailed, MissingPackages."""
        with self.home.locked():
            self.home.ports.write_text(json.dumps(dict(self.ports)))
            servers = self.servers()
            servers.start()
            deployment = Deployment(self.home, self.ports, servers.credentials)
            together([functools.partial(self._prepare_databases, servers), self._prepare_topics])
            asleep = [process for process in PROCESSES if self.home.running(process.name) is None]
            migrations = [functools.partial(self._migrate, deployment, process) for process in _one_of_each(asleep)]
            together(migrations, at_once=os.cpu_count())
            together([functools.partial(self._launch, deployment, process) for process in PROCESSES])
            if launch(self.home, gateway.program(self.home, self.ports, viewer.installation(self._say))):
                self._say("gateway is ready")

    def servers(self) -> Servers:
        """What runs underneath."""
        return Servers(self.home, self.ports, self._say, SERVICES)

    def down(self) -> None:
        """Stop everything; data stays."""
        with self.home.locked():
            self._halt(["gateway"])
            self._halt([name for name in self.home.known() if name not in NAMES])
            self._halt([name for name in self.home.known() if name in NAMES])

    def clean_data(self) -> None:
        """Stop everything and delete its data, logs and secrets."""
        self.down()
        self.home.remove()

    def _halt(self, names: list[str]) -> None:
        together([functools.partial(self._halt_one, name) for name in names])

    def _halt_one(self, name: str) -> None:
        if halt(self.home, name):
            self._say(f"{name} has stopped")

    def _prepare_databases(self, servers: Servers) -> None:
        for service in SERVICES:
            servers.database_server.create_database(service, servers.credentials.roles[service])

    def _prepare_topics(self) -> None:
        # A process of its own: the bus and all that it needs would slow down every command of the operator.
        environment = {"PATH": os.defpath, "FJ_KAFKA": kafka.bootstrap(self.ports)}
        _run([sys.executable, "-m", "fj_bus"], environment, "the topics could not be created")

    def _migrate(self, deployment: Deployment, process: Process) -> None:
        problem = f"{process.service} could not bring its database up to date"
        _run(deployment.migration(process), deployment.environment(process), problem)

    def _launch(self, deployment: Deployment, process: Process) -> None:
        if launch(self.home, deployment.program(process)):
            self._say(f"{process.name} is ready")


def _run(command: list[str], environment: Mapping[str, str], problem: str) -> None:
    """Run a command to its end. Raises StartFailed with the end of what it said."""
    done = subprocess.run(
        command, env=dict(environment), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-_SAID:])
        raise StartFailed(f"{problem}:\n{said}")


def _one_of_each(processes: list[Process]) -> list[Process]:
    """Of several processes of a service, the first."""
    return list({process.service: process for process in reversed(processes)}.values())
