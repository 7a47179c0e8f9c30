"""A door on a real database."""

from typing import TYPE_CHECKING

import asyncpg
import pytest

from libs.hl7.tests.ward import LEDGER, Ward

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(scope="module")
async def pool(database: str) -> "AsyncIterator[asyncpg.Pool[asyncpg.Record]]":
    async with asyncpg.create_pool(database, min_size=1, max_size=8) as pool:
        await pool.execute(LEDGER)
        await pool.execute("CREATE TABLE admitted (number text NOT NULL)")
        yield pool


@pytest.fixture
async def ward(pool: "asyncpg.Pool[asyncpg.Record]") -> Ward:
    await pool.execute("TRUNCATE admitted, hl7_received, hl7_refused, hl7_unfinished")
    return Ward(pool)
