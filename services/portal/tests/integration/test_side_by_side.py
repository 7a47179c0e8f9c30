"""Two facts about one exam in two transactions: one picture."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import asyncpg
import pytest
from fj_bus import Bus, BusSettings
from fj_runtime import migrate
from fj_testing import beside
from portal_service.adapters.postgres import PostgresExams
from portal_service.domain.refs import Refs
from portal_service.main import MIGRATIONS

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

pytestmark = pytest.mark.servers


@pytest.fixture
async def pool(database: str) -> AsyncIterator["Pool"]:
    async with asyncpg.create_pool(database, min_size=1) as pool:
        async with pool.acquire() as connection:
            await migrate(connection, MIGRATIONS)
        yield pool


def refs(*names: str, order_id: UUID | None = None) -> Refs:
    return Refs(order_id, (*([str(order_id)] if order_id else []), *names))


async def test_who_waits_for_an_exam_that_is_joined_to_another_finds_that_other(pool: "Pool") -> None:
    bus, order_id, first, second = Bus(pool, BusSettings(kafka="127.0.0.1:9"), "portal"), uuid4(), "1.2.1", "1.2.2"

    async def opened(named: Refs) -> str:
        async with bus.unit() as tx:
            exams = PostgresExams(tx)
            exam = await exams.open(named, "MAIN")
            await exams.keep(exam)
            return exam.exam_id

    assert await opened(refs(first, second)) == first
    async with bus.unit() as tx:
        exams = PostgresExams(tx)
        await exams.keep(await exams.open(refs(first, order_id=order_id), "MAIN"))
        other = await beside(pool, opened(refs(second)))
    assert await other == str(order_id)
    assert await pool.fetchval("SELECT array_agg(exam_id) FROM exams") == [str(order_id)]
