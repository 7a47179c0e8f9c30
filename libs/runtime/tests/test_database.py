"""The pool, on a PostgreSQL that comes late and goes away in the middle."""

import asyncio
import time
from collections.abc import Callable

import asyncpg
import pytest
from fj_runtime import NotReachable, SchemaTooOld, ServiceSettings, database, database_watch
from fj_testing import Stack, eventually
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="DEMO_")

    http_port: int = 1


def settings(dsn: str) -> Settings:
    namespace = SecretStr("7c0e1f0e-0c56-4b36-9f0d-8f5b9ad3d3aa")
    return Settings(postgres=SecretStr(dsn), patient_namespace=namespace)


@pytest.fixture(scope="module")
def own_database(fragile_stack: Stack) -> str:
    return fragile_stack.postgres().create_database("runtime", "pw")


async def test_a_pool_starts_with_one_connection_and_its_limits(new_database: Callable[[], str]) -> None:
    async with database(settings(new_database()), ()) as pool:
        assert pool.get_size() == 1
        shown = [await pool.fetchval(f"SHOW {name}") for name in ("statement_timeout", "timezone", "application_name")]
        assert shown == ["1min", "UTC", "filmjacket-demo"]


async def test_what_is_left_open_is_rolled_back_when_a_connection_is_given_back(
    new_database: Callable[[], str],
) -> None:
    async with database(settings(new_database()), ()) as pool:
        await pool.execute("CREATE TABLE kept (id int)")
        async with pool.acquire() as connection:
            await connection.execute("BEGIN; INSERT INTO kept VALUES (1)")
        assert await pool.fetchval("SELECT count(*) FROM kept") == 0


async def test_it_refuses_an_older_schema(
    new_database: Callable[[], str], package: Callable[[str, dict[str, str]], str]
) -> None:
    needed = package("mig_needed", {"0001_a.sql": "SELECT 1"})
    with pytest.raises(SchemaTooOld, match="mig_needed is at 0"):
        async with database(settings(new_database()), (needed,)):
            pass


async def test_a_server_that_does_not_come_is_named_after_the_wait(free_port: Callable[[], int]) -> None:
    port = free_port()
    began = time.monotonic()
    with pytest.raises(NotReachable, match=rf"PostgreSQL at 127.0.0.1:{port}/x did not answer for 1 s") as caught:
        async with database(settings(f"postgresql://me:hidden@127.0.0.1:{port}/x"), (), wait_seconds=1):
            pass
    assert time.monotonic() - began < 20
    assert "hidden" not in str(caught.value)


@pytest.mark.timeout(180)
async def test_it_waits_for_a_server_that_comes_late(fragile_stack: Stack, own_database: str) -> None:
    fragile_stack.servers.stop("postgres")
    opened = asyncio.Event()

    async def use() -> int:
        async with database(settings(own_database), (), wait_seconds=30) as pool:
            opened.set()
            return int(await pool.fetchval("SELECT 7"))

    waiting = asyncio.create_task(use())
    await asyncio.sleep(0.5)
    assert not opened.is_set()
    await asyncio.to_thread(fragile_stack.servers.start, "postgres")
    async with asyncio.timeout(40):
        assert await waiting == 7


@pytest.mark.timeout(180)
async def test_a_restart_in_the_middle_is_survived(fragile_stack: Stack, own_database: str) -> None:
    stop = asyncio.Event()
    async with database(settings(own_database), ()) as pool:
        watch = database_watch(pool, seconds=0.1)
        watching = asyncio.create_task(watch.run(stop))
        await eventually(lambda: watch.health().detail.startswith("last run"), within=40)
        await asyncio.to_thread(fragile_stack.servers.stop, "postgres")
        await eventually(lambda: not watch.health().ok, within=40)
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await pool.fetchval("SELECT 1")
        await asyncio.to_thread(fragile_stack.servers.start, "postgres")
        await eventually(lambda: watch.health().ok, within=40)
        assert await pool.fetchval("SELECT 1") == 1
        stop.set()
        await watching
