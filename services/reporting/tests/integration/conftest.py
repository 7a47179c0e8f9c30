"""A database of the service that a module starts with empty."""

from typing import TYPE_CHECKING

import asyncpg
import pytest
from fj_runtime import migrate
from reporting_service.main import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from services.reporting.tests.room import Pool


@pytest.fixture(scope="module")
async def pool(database: str) -> "AsyncIterator[Pool]":
    async with asyncpg.create_pool(database, min_size=1) as pool:
        async with pool.acquire() as connection:
            await migrate(connection, MIGRATIONS)
        yield pool
