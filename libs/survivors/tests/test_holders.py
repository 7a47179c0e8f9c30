"""Whose a record is, of a number that had several holders, as PostgreSQL answers it."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from uuid import UUID

import asyncpg
import pytest
from fj_runtime import migrate

pytestmark = pytest.mark.servers
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
X, ANN, BOB, CLEO = (UUID(int=number) for number in range(1, 5))


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


@pytest.fixture(scope="module")
async def dsn(new_database: Callable[[], str]) -> str:
    dsn = new_database()
    connection = await asyncpg.connect(dsn)
    await migrate(connection, ("fj_survivors",))
    await connection.close()
    return dsn


@pytest.fixture
async def connection(dsn: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(dsn)
    await connection.execute("TRUNCATE survivor")
    yield connection
    await connection.close()


async def holds(connection: Connection, *holders: tuple[UUID, datetime | None]) -> None:
    for survivor, until in holders:
        await connection.execute(
            "INSERT INTO survivor (patient_id, survivor_id, until, patient, survivor) VALUES ($1, $2, $3, '{}', '{}')",
            X,
            survivor,
            until,
        )


async def test_a_record_is_of_who_had_the_number_when_it_was_made(connection: Connection) -> None:
    await holds(connection, (BOB, at(20)), (ANN, at(10)))
    owners = [await connection.fetchval("SELECT survivor_of($1, $2)", X, at(minute)) for minute in (0, 9, 10, 19, 20)]
    assert owners == [ANN, ANN, BOB, BOB, X]


async def test_the_last_holder_may_be_merged_too_and_is_whom_the_number_leads_to(connection: Connection) -> None:
    await holds(connection, (CLEO, None), (ANN, at(10)), (BOB, at(20)))
    assert await connection.fetchval("SELECT survivor_of($1, $2)", X, at(20)) == CLEO
    for asked in (X, CLEO):
        assert {row[0] for row in await connection.fetch("SELECT ids_of($1)", asked)} == {X, CLEO}
    assert {row[0] for row in await connection.fetch("SELECT ids_of($1)", ANN)} == {X, ANN}, "theirs are found by it"


async def test_nobody_holds_a_number_twice_at_one_time(connection: Connection) -> None:
    await holds(connection, (ANN, None))
    with pytest.raises(asyncpg.UniqueViolationError):
        await holds(connection, (BOB, None))
