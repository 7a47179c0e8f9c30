"""The service's own PostgreSQL database."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar
from urllib.parse import urlsplit

import asyncpg
import structlog

from fj_runtime.errors import NotReachable
from fj_runtime.migrations import check_schema
from fj_runtime.periodic import Periodic
from fj_runtime.settings import ServiceSettings, service_name

if TYPE_CHECKING:
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Single: TypeAlias = asyncpg.Connection[asyncpg.Record]

T = TypeVar("T")
WAIT_SECONDS: Final = 60.0
_SESSION: Final = {
    # Nothing waits for ever; a statement that needs longer raises its limit for itself by SET LOCAL.
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
    # Statements are few, prepared, and look up by key: planned anew with every value, as arrays make PostgreSQL do,
    # planning cost half of its processor time.
    "plan_cache_mode": "force_generic_plan",
}
_TIMEOUT_SECONDS: Final = 90.0  # the client's own limit, for servers that vanish without a word
_TRANSIENT: Final = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.PostgresConnectionError,
    asyncpg.TooManyConnectionsError,
)
_log = structlog.get_logger("fj_runtime.database")


@asynccontextmanager
async def database(
    settings: ServiceSettings, migrations: Sequence[str], wait_seconds: float = WAIT_SECONDS
) -> AsyncIterator["Pool"]:
    """A pool on the service's database, one connection at first, which reconnects by itself when the server restarts.

    Waits for the server up to `wait_seconds`, then raises NotReachable. Raises SchemaTooOld when a migration of the
    packages in `migrations` is missing.
    """
    dsn = settings.postgres.get_secret_value()
    pool = await _patiently(dsn, wait_seconds, lambda: _pool(settings))
    try:
        async with pool.acquire() as connection:
            await check_schema(connection, migrations)
        yield pool
    finally:
        await _close(pool)


@asynccontextmanager
async def connected(dsn: str, wait_seconds: float = WAIT_SECONDS) -> AsyncIterator["Single"]:
    """One connection without limits, for migrations and tools."""
    connection = await _patiently(dsn, wait_seconds, lambda: asyncpg.connect(dsn, timeout=10))
    try:
        yield connection
    finally:
        await connection.close()


def database_watch(pool: "Pool", seconds: float = 5) -> Periodic:
    """A part whose health says whether the database answers."""
    return Periodic("database", seconds, lambda: pool.fetchval("SELECT 1"), seconds_max=10)


async def _pool(settings: ServiceSettings) -> "Pool":
    return await asyncpg.create_pool(
        settings.postgres.get_secret_value(),
        min_size=1,
        max_size=settings.postgres_pool_max,
        timeout=10,
        command_timeout=_TIMEOUT_SECONDS,
        server_settings=_SESSION | {"application_name": f"filmjacket-{service_name(settings)}"},
        reset=_as_it_is,
    )


async def _as_it_is(_: "Single") -> None:
    """Give a connection back without a statement: asyncpg's own cleaning is a round trip after every unit of work.

    What is open is still rolled back. Whoever listens, or takes a lock of the session, gives that back itself.
    """


async def _close(pool: "Pool") -> None:
    try:
        async with asyncio.timeout(5):
            await pool.close()
    except TimeoutError:
        pool.terminate()


async def _patiently(dsn: str, seconds: float, attempt: Callable[[], Awaitable[T]]) -> T:
    until = time.monotonic() + seconds
    pause = 0.1
    while True:
        try:
            return await attempt()
        except _TRANSIENT as error:
            if time.monotonic() + pause > until:
                reason = f"PostgreSQL at {_address(dsn)} did not answer for {seconds:.0f} s: {type(error).__name__}"
                raise NotReachable(reason) from error
            _log.warning("waiting for PostgreSQL", host=_address(dsn), error=type(error).__name__)
        except asyncpg.PostgresError as error:
            raise NotReachable(f"PostgreSQL at {_address(dsn)} refuses: {type(error).__name__}") from error
        await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, guards nothing
        pause = min(pause * 2, 3.0)


def _address(dsn: str) -> str:
    parts = urlsplit(dsn)
    return f"{parts.hostname}:{parts.port or 5432}{parts.path}"
