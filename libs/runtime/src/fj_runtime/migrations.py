"""Forward-only migrations: plain SQL files packaged in `<package>/migrations/NNNN_name.sql`."""

import asyncio
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final, TypeAlias

import asyncpg
import structlog

from fj_runtime.errors import MigrationRefused, SchemaTooOld

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]

_FILE: Final = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_LOCK_KEY: Final = 0x666A6D69  # "fjmi"
_ONE_JOB_WAITS: Final = "10min"
_LOCK_TIMEOUT: Final = "5s"
_TRIES: Final = 12
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS schema_version (
    package    text        NOT NULL,
    number     integer     NOT NULL,
    name       text        NOT NULL,
    sha256     text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (package, number)
)"""
_log = structlog.get_logger("fj_runtime.migrations")


@dataclass(frozen=True, slots=True)
class Migration:
    """One packaged file."""

    package: str
    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.package} {self.number:04} {self.name}"


def packaged(package: str) -> list[Migration]:
    """The migrations of a package by number. Raises MigrationRefused where numbers do not run 1, 2, 3 and on."""
    found = []
    folder = files(package).joinpath("migrations")
    if not folder.is_dir():
        raise MigrationRefused(f"{package} has no folder migrations")
    for file in folder.iterdir():
        match = _FILE.fullmatch(file.name)
        if match:
            found.append(Migration(package, int(match[1]), match[2], file.read_text(encoding="utf-8")))
        elif file.name.endswith(".sql"):
            raise MigrationRefused(f"{package}: {file.name} is not named NNNN_name.sql")
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise MigrationRefused(f"{package}: the numbers of its migrations do not run 1 to {len(found)}")
    return found


async def migrate(connection: "Connection", packages: Sequence[str]) -> list[Migration]:
    """Apply what is missing, packages in the given order, one transaction per file. Returns what was applied.

    Two jobs at once are safe: the second one waits for the first one's advisory lock. Raises MigrationRefused when a
    file that was applied has changed, or a file cannot be applied.
    """
    await connection.execute(f"SET lock_timeout = '{_ONE_JOB_WAITS}'")
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK_KEY)
    try:
        await connection.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
        await connection.execute(_TABLE)
        applied = []
        for package in packages:
            for migration in await _missing(connection, package):
                await _apply(connection, migration)
                _log.info("migration applied", migration=str(migration))
                applied.append(migration)
        return applied
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK_KEY)


async def check_schema(connection: "Connection", packages: Sequence[str]) -> None:
    """Raises SchemaTooOld when a packaged migration was not applied. A newer schema is accepted: upgrades go first."""
    known = await connection.fetchval("SELECT to_regclass('schema_version')")
    rows = await connection.fetch("SELECT package, max(number) AS last FROM schema_version GROUP BY 1") if known else []
    at = {row["package"]: row["last"] for row in rows}
    behind = [
        f"{package} is at {at.get(package, 0)}, needs {len(needed)}"
        for package, needed in ((package, packaged(package)) for package in packages)
        if at.get(package, 0) < len(needed)
    ]
    if behind:
        raise SchemaTooOld(f"the schema is too old: {'; '.join(behind)}: run the role migrate")


async def _missing(connection: "Connection", package: str) -> list[Migration]:
    rows = await connection.fetch("SELECT number, sha256 FROM schema_version WHERE package = $1", package)
    recorded = {row["number"]: row["sha256"] for row in rows}
    if sorted(recorded) != list(range(1, len(recorded) + 1)):
        raise MigrationRefused(f"{package}: the database has a gap in what was applied: {sorted(recorded)}")
    known = packaged(package)
    for migration in known:
        if recorded.get(migration.number, migration.sha256) != migration.sha256:
            raise MigrationRefused(f"{migration} was changed after it was applied: write a new one")
    return [migration for migration in known if migration.number not in recorded]


async def _apply(connection: "Connection", migration: Migration) -> None:
    for attempt in range(1, _TRIES + 1):
        try:
            await _once(connection, migration)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            if attempt == _TRIES:
                raise MigrationRefused(f"{migration}: a lock could not be had in {_TRIES} tries") from None
            await asyncio.sleep(0.2 * attempt)  # let the statements that hold it, and those queued behind us, pass
        except asyncpg.PostgresError as error:
            # class 42 speaks of the statement; other texts may speak of rows
            reason = str(error) if error.sqlstate.startswith("42") else type(error).__name__
            raise MigrationRefused(f"{migration}: {reason}") from error
        else:
            return


async def _once(connection: "Connection", migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(migration.sql)
        if not connection.is_in_transaction():
            raise MigrationRefused(f"{migration} ends its transaction itself: it must not hold COMMIT or ROLLBACK")
        await connection.execute(
            "INSERT INTO schema_version (package, number, name, sha256) VALUES ($1, $2, $3, $4)",
            migration.package,
            migration.number,
            migration.name,
            migration.sha256,
        )
