"""The services as data: which processes there are, where they listen, and what they are told."""

import http.client
import os
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Final

from fj_local import kafka, seaweedfs
from fj_local.commands import installed
from fj_local.credentials import Credentials
from fj_local.home import Home
from fj_local.ports import LOOPBACK, SERVER_PORTS, Ports
from fj_local.postgres import Server
from fj_local.program import Program

_SHARED: Final = ("EHR_SYNC_HL7_DESTINATIONS",)
"""Settings of one service that others read too."""
_CACHE_BYTES: Final = 5 * 2**30
"""Of a demo's read cache."""
_OURS_ALONE: Final = ("FJ_HOME", "FJ_CACHE", "FJ_PORT_OFFSET", "FJ_TEST_STACK")
"""Variables of this tool that no service reads."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process of a service. Its ports are named by the variables that carry them."""

    name: str
    service: str
    http: str
    role: str = "all"
    doors: tuple[str, ...] = ()
    """Listening ports besides HTTP that only this process uses."""
    shared_doors: tuple[str, ...] = ()
    """Listening ports that it shares with its siblings (SO_REUSEPORT)."""


SERVICE_PORTS: Final[Ports] = {
    "PATIENT_HTTP_PORT": 8091,
    "PATIENT_MLLP_PORT": 2576,
    "ORDER_HTTP_PORT": 8092,
    "ORDER_MLLP_PORT": 2575,
    "SCHEDULING_HTTP_PORT": 8093,
    "SCHEDULING_DIMSE_PORT": 11114,
    "SCHEDULING_MLLP_PORT": 2578,
    "INGEST_HTTP_PORT": 8094,
    "INGEST_2_HTTP_PORT": 8104,
    "INGEST_DIMSE_PORT": 11112,
    "STORAGE_HTTP_PORT": 8095,
    "STORAGE_DIMSE_PORT": 11113,
    "REPORTING_HTTP_PORT": 8096,
    "REPORTING_MLLP_PORT": 2577,
    "EHR_SYNC_HTTP_PORT": 8097,
    "TRIAGE_HTTP_PORT": 8098,
    "PORTAL_HTTP_PORT": 8099,
}
OTHER_PORTS: Final[Ports] = {"gateway": 8080, "viewer": 8081, "demo-ehr": 2580}
ALL_PORTS: Final[Ports] = {**SERVER_PORTS, **SERVICE_PORTS, **OTHER_PORTS}

PROCESSES: Final = (
    Process("patient", "patient", "PATIENT_HTTP_PORT", doors=("PATIENT_MLLP_PORT",)),
    Process("order", "order", "ORDER_HTTP_PORT", doors=("ORDER_MLLP_PORT",)),
    Process(
        "scheduling", "scheduling", "SCHEDULING_HTTP_PORT", doors=("SCHEDULING_DIMSE_PORT", "SCHEDULING_MLLP_PORT")
    ),
    Process("ingest", "ingest", "INGEST_HTTP_PORT", shared_doors=("INGEST_DIMSE_PORT",)),
    Process("ingest-2", "ingest", "INGEST_2_HTTP_PORT", role="receiver", shared_doors=("INGEST_DIMSE_PORT",)),
    Process("storage", "storage", "STORAGE_HTTP_PORT", doors=("STORAGE_DIMSE_PORT",)),
    Process("reporting", "reporting", "REPORTING_HTTP_PORT", doors=("REPORTING_MLLP_PORT",)),
    Process("ehr_sync", "ehr_sync", "EHR_SYNC_HTTP_PORT"),
    Process("triage", "triage", "TRIAGE_HTTP_PORT"),
    Process("portal", "portal", "PORTAL_HTTP_PORT"),
)
SERVICES: Final = tuple(dict.fromkeys(process.service for process in PROCESSES))


@dataclass(frozen=True, slots=True)
class Deployment:
    """What every service of one stack is told."""

    home: Home
    ports: Ports
    credentials: Credentials
    given: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    """The caller's environment: settings of services in it go before the demo's."""

    def program(self, process: Process) -> Program:
        """How this process is started; ready is what it says of itself."""
        http = self.ports[process.http]
        return Program(
            name=process.name,
            command=[script(process.service), "--role", process.role],
            environment=self.environment(process),
            ports=[http, *(self.ports[door] for door in process.doors)],
            ready=lambda: is_ready(http),
            within=120,
        )

    def migration(self, process: Process) -> list[str]:
        """The command that brings the service's database up to date."""
        return [script(process.service), "--role", "migrate"]

    def environment(self, process: Process) -> dict[str, str]:
        """The settings of a process: the demo's, then the caller's, then what this stack fixes."""
        prefix = f"{process.service.upper()}_"
        config = files("fj_local") / "config"
        demo = {
            "FJ_SITES": str(config / "sites.yaml"),
            "FJ_PEERS": str(config / "peers.yaml"),
            "FJ_HL7_PROFILES": str(config / "profiles"),
            "STORAGE_QUIET_TIME": "5",
            "STORAGE_CACHE_FOLDER": str(self.home.data / "read-cache"),
            "STORAGE_CACHE_BYTES": str(_CACHE_BYTES),
            "EHR_SYNC_HL7_DESTINATIONS": f"demo-ehr={LOOPBACK}:{self.ports['demo-ehr']}",
            "INGEST_JOURNAL": str(self.home.data / "journal"),
        }
        fixed = self._fixed(process)
        settings = demo | dict(self.given) | fixed
        wanted = {name: value for name, value in settings.items() if _concerns(name, prefix)}
        return wanted | {"PATH": os.defpath, "HOME": str(Path.home()), "LC_ALL": "C.UTF-8", "PYTHONUNBUFFERED": "1"}

    def _fixed(self, process: Process) -> dict[str, str]:
        service = process.service
        server = Server(self.ports["postgres"], self.credentials.postgres)
        doors = {door: str(self.ports[door]) for door in (*process.doors, *process.shared_doors)}
        return {
            **doors,
            f"{service.upper()}_HTTP_PORT": str(self.ports[process.http]),
            f"{service.upper()}_POSTGRES": server.dsn(service, service, self.credentials.roles[service]),
            "FJ_KAFKA": kafka.bootstrap(self.ports),
            # Kafka knows a process again that was killed and started anew, and need not wait out its session.
            "FJ_BUS_GROUP_INSTANCE_ID": process.name,
            "FJ_S3_ENDPOINT": seaweedfs.endpoint(self.ports),
            "FJ_S3_BUCKET": seaweedfs.BUCKET,
            "FJ_S3_ACCESS_KEY": seaweedfs.SERVICES_KEY,
            "FJ_S3_SECRET_KEY": self.credentials.s3_services,
            "FJ_PATIENT_NAMESPACE": self.credentials.patient_namespace,
            "FJ_HL7_KEYS": self.credentials.hl7_key,
        }


def script(service: str) -> str:
    """The command of a service in this environment. Raises NotInstalled."""
    name = f"{service.replace('_', '-')}-service"
    return installed(name, name)


def is_ready(port: int) -> bool:
    """Whether the process behind this port says that it is ready."""
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/health/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, http.client.HTTPException):
        return False


def _concerns(name: str, prefix: str) -> bool:
    return name not in _OURS_ALONE and (name.startswith(("FJ_", prefix)) or name in _SHARED)
