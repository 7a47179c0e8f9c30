"""Settings, logs without PHI, telemetry, health, graceful stop, the acting user."""

from fj_runtime.actor import Actor, MachineActor, acting_as, is_known
from fj_runtime.cli import Subcommand, command
from fj_runtime.database import connected, database, database_watch
from fj_runtime.destinations import Destination, Destinations
from fj_runtime.errors import (
    MigrationRefused,
    NotReachable,
    OperatorError,
    PartFailed,
    SchemaTooOld,
    SettingsError,
)
from fj_runtime.http import api
from fj_runtime.logs import configure_logs
from fj_runtime.migrations import migrate
from fj_runtime.parts import Health, Part, Verdict
from fj_runtime.periodic import Periodic
from fj_runtime.problems import AWAY, Problem, problem
from fj_runtime.redaction import safe_log_keys
from fj_runtime.serving import serve
from fj_runtime.settings import Port, ServiceSettings, is_loopback, load_settings
from fj_runtime.sites import Issuers, Sender, Site, Sites
from fj_runtime.tracing import traced, traceparent

__all__ = [
    "AWAY",
    "Actor",
    "Destination",
    "Destinations",
    "Health",
    "Issuers",
    "MachineActor",
    "MigrationRefused",
    "NotReachable",
    "OperatorError",
    "Part",
    "PartFailed",
    "Periodic",
    "Port",
    "Problem",
    "SchemaTooOld",
    "Sender",
    "ServiceSettings",
    "SettingsError",
    "Site",
    "Sites",
    "Subcommand",
    "Verdict",
    "acting_as",
    "api",
    "command",
    "configure_logs",
    "connected",
    "database",
    "database_watch",
    "is_known",
    "is_loopback",
    "load_settings",
    "migrate",
    "problem",
    "safe_log_keys",
    "serve",
    "traced",
    "traceparent",
]
