"""Forward-only migrations on a real PostgreSQL."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import asyncpg
import pytest
from fj_runtime import MigrationRefused, NotReachable, SchemaTooOld, connected, migrate
from fj_runtime.migrations import check_schema, packaged

Package = Callable[..., str]


@pytest.fixture
def dsn(new_database: Callable[[], str]) -> str:
    return new_database()


def connection(dsn: str) -> AbstractAsyncContextManager[Any]:
    return connected(dsn, wait_seconds=5)


async def test_files_of_several_packages_are_applied_in_order_and_once(dsn: str, package: Package) -> None:
    bus = package("mig_bus", {"0001_outbox.sql": "CREATE TABLE outbox (id int); CREATE TABLE inbox (id int)"})
    files = {
        "0002_more.sql": "ALTER TABLE orders ADD name text",
        "0001_orders.sql": "CREATE TABLE orders AS TABLE outbox",
    }
    order = package("mig_order", files)
    async with connection(dsn) as db:
        applied = await migrate(db, [bus, order])
        assert [str(migration) for migration in applied] == [
            "mig_bus 0001 outbox",
            "mig_order 0001 orders",
            "mig_order 0002 more",
        ]
        assert await migrate(db, [bus, order]) == []
        recorded = await db.fetch("SELECT package, number, name, length(sha256) FROM schema_version ORDER BY 1, 2")
        assert len(recorded) == 3
        assert tuple(recorded[0]) == ("mig_bus", 1, "outbox", 64)


async def test_a_file_that_fails_leaves_nothing_and_the_earlier_ones_stay(dsn: str, package: Package) -> None:
    bad = "CREATE TABLE half (id int); SELECT nonsense FROM half"
    name = package("mig_bad", {"0001_good.sql": "CREATE TABLE good (id int)", "0002_bad.sql": bad})
    async with connection(dsn) as db:
        with pytest.raises(MigrationRefused, match=r'mig_bad 0002 bad: column "nonsense" does not exist'):
            await migrate(db, [name])
        assert await db.fetchval("SELECT to_regclass('good') IS NOT NULL AND to_regclass('half') IS NULL")
        assert await db.fetchval("SELECT max(number) FROM schema_version") == 1


async def test_the_text_of_an_error_about_rows_is_not_told(dsn: str, package: Package) -> None:
    name = package("mig_rows", {"0001_rows.sql": "SELECT 'DOE^JOHN'::int"})
    async with connection(dsn) as db:
        with pytest.raises(MigrationRefused, match=r"mig_rows 0001 rows: InvalidTextRepresentationError$"):
            await migrate(db, [name])


async def test_changed_history_is_refused(dsn: str, package: Package) -> None:
    name = package("mig_changed", {"0001_a.sql": "CREATE TABLE a (id int)"})
    async with connection(dsn) as db:
        await migrate(db, [name])
        package("mig_changed", {"0001_a.sql": "CREATE TABLE a (id bigint)", "0002_b.sql": "CREATE TABLE b (id int)"})
        with pytest.raises(MigrationRefused, match="mig_changed 0001 a was changed after it was applied"):
            await migrate(db, [name])
        assert await db.fetchval("SELECT to_regclass('b') IS NULL")


async def test_a_file_that_commits_by_itself_is_refused(dsn: str, package: Package) -> None:
    name = package("mig_commit", {"0001_a.sql": "CREATE TABLE a (id int); COMMIT"})
    async with connection(dsn) as db:
        with pytest.raises(MigrationRefused, match="must not hold COMMIT"):
            await migrate(db, [name])
        assert await db.fetchval("SELECT count(*) FROM schema_version") == 0


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"0001_a.sql": "", "0003_c.sql": ""}, "do not run 1 to 2"),
        ({"0001_a.sql": "", "0001_b.sql": ""}, "do not run 1 to 2"),
        ({"1_a.sql": ""}, "not named NNNN_name.sql"),
    ],
)
def test_numbers_must_run_without_a_gap(package: Package, files: dict[str, str], reason: str) -> None:
    with pytest.raises(MigrationRefused, match=reason):
        packaged(package(f"mig_numbers_{abs(hash(reason + str(files)))}", files))


def test_a_package_without_migrations_is_named() -> None:
    with pytest.raises(MigrationRefused, match="fj_runtime has no folder migrations"):
        packaged("fj_runtime")


async def test_two_jobs_at_once_apply_everything_once(dsn: str, package: Package) -> None:
    files = {f"{number:04}_t.sql": f"CREATE TABLE t{number} (id int); SELECT pg_sleep(0.02)" for number in range(1, 6)}
    name = package("mig_twice", files)

    async def job() -> int:
        async with connection(dsn) as db:
            return len(await migrate(db, [name]))

    assert sorted(await asyncio.gather(job(), job(), job())) == [0, 0, 5]


async def test_a_held_lock_is_waited_for_in_short_tries(
    dsn: str, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fj_runtime.migrations._LOCK_TIMEOUT", "50ms")
    name = package("mig_lock", {"0001_a.sql": "CREATE TABLE a (id int)", "0002_b.sql": "ALTER TABLE a ADD b int"})
    async with connection(dsn) as db, connection(dsn) as other:
        await other.execute("CREATE TABLE a0 (id int)")
        package("mig_lock", {"0001_a.sql": "ALTER TABLE a0 ADD b int", "0002_b.sql": "SELECT 1"})
        holding = other.transaction()
        await holding.start()
        await other.execute("SELECT * FROM a0")
        job = asyncio.create_task(migrate(db, [name]))
        await asyncio.sleep(0.3)
        assert not job.done()
        await holding.rollback()
        assert len(await job) == 2


async def test_an_older_schema_is_refused_and_a_newer_one_accepted(dsn: str, package: Package) -> None:
    bus = package("mig_old_bus", {"0001_a.sql": "SELECT 1"})
    order = package("mig_old_order", {"0001_a.sql": "SELECT 1"})
    async with connection(dsn) as db:
        with pytest.raises(
            SchemaTooOld, match="mig_old_bus is at 0, needs 1; mig_old_order is at 0, needs 1: run the role"
        ):
            await check_schema(db, [bus, order])
        await migrate(db, [bus])
        with pytest.raises(SchemaTooOld, match="too old: mig_old_order is at 0, needs 1: run the role migrate"):
            await check_schema(db, [bus, order])
        await migrate(db, [order])
        await check_schema(db, [bus, order])
        await db.execute("INSERT INTO schema_version VALUES ('mig_old_order', 2, 'later', 'x', now())")
        await check_schema(db, [bus, order])
        assert await migrate(db, [bus, order]) == []


async def test_a_gap_in_what_was_applied_is_refused(dsn: str, package: Package) -> None:
    name = package("mig_gap", {"0001_a.sql": "SELECT 1", "0002_b.sql": "SELECT 1"})
    async with connection(dsn) as db:
        await migrate(db, [name])
        await db.execute("DELETE FROM schema_version WHERE number = 1")
        with pytest.raises(MigrationRefused, match="gap in what was applied"):
            await migrate(db, [name])


async def test_the_lock_is_free_after_a_failure(dsn: str, package: Package) -> None:
    name = package("mig_free", {"0001_a.sql": "SELECT nonsense"})
    async with connection(dsn) as db, connection(dsn) as other:
        with pytest.raises(MigrationRefused):
            await migrate(db, [name])
        package("mig_free", {"0001_a.sql": "SELECT 1"})
        async with asyncio.timeout(20):
            assert len(await migrate(other, [name])) == 1


async def test_a_wrong_database_is_named_without_the_password(dsn: str) -> None:
    server = dsn.rpartition("/")[0]
    with pytest.raises(NotReachable, match=r"refuses: InvalidCatalogNameError") as caught:
        async with connection(f"{server}/nowhere"):
            pass
    assert "@" not in str(caught.value)
    assert isinstance(caught.value.__cause__, asyncpg.InvalidCatalogNameError)
