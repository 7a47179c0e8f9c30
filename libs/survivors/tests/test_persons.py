"""Which numbers are one person's, by merges and links, as PostgreSQL answers it."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import TypeAlias
from uuid import UUID

import asyncpg
import pytest
from fj_runtime import migrate

pytestmark = pytest.mark.servers
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
A, B, C, D = (UUID(int=number) for number in range(1, 5))


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
    await connection.execute("TRUNCATE survivor, person")
    yield connection
    await connection.close()


async def merged(connection: Connection, number: UUID, survivor: UUID, until: datetime | None = None) -> None:
    await connection.execute("INSERT INTO survivor VALUES ($1, $2, $3, '{}', '{}')", number, survivor, until)


async def linked(connection: Connection, *numbers: UUID) -> None:
    for number in numbers:
        await connection.execute("INSERT INTO person VALUES ($1, $2)", number, min(numbers))


async def same(connection: Connection, number: UUID) -> set[UUID]:
    return {row[0] for row in await connection.fetch("SELECT same_person($1)", number)}


async def test_a_number_of_which_nothing_was_said_is_its_own_person(connection: Connection) -> None:
    assert await same(connection, A) == {A}


async def test_merges_and_links_lead_to_all_numbers_of_a_person_from_each_of_them(connection: Connection) -> None:
    await linked(connection, A, B)
    await merged(connection, B, C)
    await merged(connection, D, A)
    for number in (A, B, C, D):
        assert await same(connection, number) == {A, B, C, D}


async def test_a_number_that_was_given_to_somebody_else_leads_no_further(connection: Connection) -> None:
    await linked(connection, A, B)
    await merged(connection, B, C, until=datetime(2026, 3, 2, tzinfo=UTC))
    assert await same(connection, A) == {A, B}
    assert await same(connection, C) == {C}
