"""Service processes, started as an operator starts them, to be asked over their real doors and to be killed."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fj_local.home import Home
from fj_local.ports import LOOPBACK
from fj_local.process import Running
from fj_local.program import Program, halt, launch, tail
from fj_local.services import is_ready, script

from fj_testing.eventually import PATIENCE
from fj_testing.stack import Stack

PATIENT_NAMESPACE: Final = "5b8f3f1e-0c1b-4d7e-9a53-6f1f4c0f7a11"
"""The same in every test, so that patient ids can be computed in tests."""
HL7_KEY: Final = "c3ludGhldGljIGtleSBvZiB0ZXN0cywgMzIgYnl0ZXM="
"""What messages are sealed under in tests."""

_RUN_WITHIN: Final = 30 * PATIENCE
_READY_WITHIN: Final = 30 * PATIENCE


@dataclass(slots=True)
class ServiceProcess:
    """One running process of a service."""

    home: Home
    program: Program
    http: str
    """Address of its HTTP server, such as `http://127.0.0.1:20001`."""

    def start(self) -> None:
        """Start it (again), with the same settings. Raises StartFailed with the end of its log."""
        launch(self.home, self.program)

    @property
    def running(self) -> Running:
        running = self.home.running(self.program.name)
        assert running is not None, f"{self.program.name} does not run: {self.log()}"
        return running

    def stop(self) -> None:
        """SIGTERM, and SIGKILL after 20 s."""
        self.running.stop()

    def kill(self) -> None:
        """Kill -9."""
        self.running.kill()

    def log(self, lines: int = 50) -> str:
        """The last lines that it has written."""
        return tail(self.home, self.program.name, lines)


class Services:
    """Starts processes of services that share one topic prefix; each service has one database."""

    def __init__(
        self,
        stack: Stack,
        topic_prefix: str,
        new_database: Callable[[], str],
        free_port: Callable[[], int],
        folder: Path,
    ) -> None:
        self._stack = stack
        self.topic_prefix = topic_prefix
        self._new_database = new_database
        self._free_port = free_port
        self._home = Home(folder)
        self._home.create()
        self._databases: dict[str, str] = {}
        self._topics_are_there = False
        self._processes: list[ServiceProcess] = []

    def start(self, service: str, role: str = "all", **environment: str | int) -> ServiceProcess:
        """Start `<service>-service --role <role>` and wait until it is ready; `environment` adds settings.

        The service's database is made and migrated at its first start.
        """
        self.create_topics()
        name = f"{service}-{role}-{len(self._processes)}"
        http_port = self._free_port()
        settings = self.environment(service) | {f"{service.upper()}_HTTP_PORT": str(http_port)}
        settings |= {key: str(value) for key, value in environment.items()}
        program = Program(
            name=name,
            command=[script(service), "--role", role],
            environment=settings,
            ports=[http_port],
            ready=lambda: is_ready(http_port),
            within=_READY_WITHIN,
        )
        process = ServiceProcess(self._home, program, f"http://{LOOPBACK}:{http_port}")
        self._processes.append(process)  # before it starts: one that does not become ready has to be stopped too
        process.start()
        return process

    def run(self, service: str, *arguments: str) -> None:
        """Run `<service>-service <arguments>` to its end. Raises RuntimeError with its output when it fails."""
        _run([script(service), *arguments], self.environment(service) | {f"{service.upper()}_HTTP_PORT": "1"})

    def create_topics(self) -> None:
        """Create this module's topics, once."""
        if not self._topics_are_there:
            settings = {"FJ_KAFKA": self._stack.kafka(), "FJ_TOPIC_PREFIX": self.topic_prefix}
            _run([sys.executable, "-m", "fj_bus"], settings)
            self._topics_are_there = True

    def environment(self, service: str) -> dict[str, str]:
        """The settings of a service on this stack, without ports."""
        s3 = self._stack.s3()
        return {
            "PATH": os.environ["PATH"],
            "FJ_KAFKA": self._stack.kafka(),
            "FJ_TOPIC_PREFIX": self.topic_prefix,
            "FJ_S3_ENDPOINT": s3.endpoint,
            "FJ_S3_BUCKET": s3.bucket,
            "FJ_S3_ACCESS_KEY": s3.access_key,
            "FJ_S3_SECRET_KEY": s3.secret_key,
            "FJ_PATIENT_NAMESPACE": PATIENT_NAMESPACE,
            "FJ_HL7_KEYS": HL7_KEY,
            f"{service.upper()}_POSTGRES": self.database(service),
        }

    def database(self, service: str) -> str:
        """The DSN of this service's database, migrated."""
        if service not in self._databases:
            self._databases[service] = self._new_database()
            self._migrate(service)
        return self._databases[service]

    def stop_all(self) -> None:
        """Stop what still runs."""
        for process in self._processes:
            halt(self._home, process.program.name)

    def _migrate(self, service: str) -> None:
        self.run(service, "--role", "migrate")


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=_RUN_WITHIN)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stdout}{done.stderr}")
