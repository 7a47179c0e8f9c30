"""What the ledger forgets, and what it never forgets."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import asyncpg
import pytest
from ehr_sync_service.adapters.retention import PostgresRetention, Unit
from ehr_sync_service.main import MIGRATIONS
from fj_bus import Bus, BusSettings
from fj_runtime import migrate

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

pytestmark = pytest.mark.servers
KEEP = timedelta(days=90)
OLD, YOUNG = timedelta(days=91), timedelta(days=89)
_ADD = """
INSERT INTO deliveries (delivery_id, destination, kind, queue, exam_key, report_id, report_version, fact_type, fact,
    happened_at, control_id, state, written_at, next_attempt_at, closed_at, attempts, refusals, last_error,
    control, status, version)
VALUES ($1, 'ehr', 'results', 'q', 'e', $2, $3, 't', '{"site": "MAIN"}', $4, 'C', $5, $4, $4, $6, 1, 0, '',
    'RE', 'F', '2.5.1')
"""


@pytest.fixture(scope="module")
async def pool(database: str) -> AsyncIterator["Pool"]:
    async with asyncpg.create_pool(database, min_size=1) as pool:
        async with pool.acquire() as connection:
            await migrate(connection, MIGRATIONS)
        yield pool


async def add(
    pool: "Pool", state: str, age: timedelta, report_id: UUID | None = None, version: int | None = None
) -> UUID:
    """A delivery that was written, and closed unless it is pending, so long ago."""
    delivery_id, at = uuid4(), datetime.now(UTC) - age
    await pool.execute(_ADD, delivery_id, report_id, version, at, state, None if state == "pending" else at)
    return delivery_id


def unit_of(pool: "Pool") -> Unit:
    return Bus(pool, BusSettings(kafka="127.0.0.1:1"), "ehr_sync").unit


async def left(pool: "Pool") -> set[UUID]:
    return {row["delivery_id"] for row in await pool.fetch("SELECT delivery_id FROM deliveries")}


async def test_what_is_closed_goes_with_its_age_and_what_is_pending_never(pool: "Pool") -> None:
    kept = {await add(pool, "pending", timedelta(days=4000)), await add(pool, "delivered", YOUNG)}
    kept.add(await add(pool, "abandoned", YOUNG))
    for _ in range(7):
        await add(pool, "delivered", OLD)
        await add(pool, "abandoned", OLD)
    retention = PostgresRetention(unit_of(pool), KEEP, batch=3)
    assert await retention.run() == 14
    settled = "SELECT count(*) FROM bus.outbox WHERE convert_from(body, 'UTF8')::json ->> 'settled_as' = 'cancelled'"
    assert await pool.fetchval(settled) == 7, "nobody is asked any more about those that were given up"
    assert await left(pool) >= kept
    assert await retention.run() == 0


async def test_the_newest_version_of_a_report_is_kept_as_long_as_an_older_one_could_be_sent_again(pool: "Pool") -> None:
    report, other = uuid4(), uuid4()
    tried_again = await add(pool, "abandoned", YOUNG, report, 1)
    newest = await add(pool, "delivered", OLD, report, 2)
    gone = await add(pool, "delivered", OLD, other, 2)
    await PostgresRetention(unit_of(pool), KEEP).run()
    assert {tried_again, newest} <= await left(pool)
    assert gone not in await left(pool)
