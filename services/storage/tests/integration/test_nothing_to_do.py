"""What `storage` looks for all the time costs next to nothing in a large archive where there is nothing to do."""

import json
from typing import Any, Final

import pytest
from storage_service.adapters.book import ANY_DUE
from storage_service.adapters.index import UNDESCRIBED
from storage_service.adapters.sql import Pool

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]
STUDIES: Final = 20_000
ROUTES: Final = """
INSERT INTO study_route (study_instance_uid, site, received_at, available_at)
SELECT '1.2.3.' || n, 'MAIN', now(), now() FROM generate_series(1, $1::int) AS n
"""
SERIES: Final = """
INSERT INTO series (study_instance_uid, series_instance_uid, number_of_instances, metadata_instances)
SELECT '1.2.3.' || n, '1.2.3.' || n || '.1', 1, 1 FROM generate_series(1, $1::int) AS n
"""
PAGES_MAX: Final = 50


@pytest.mark.parametrize(("statement", "values"), [(ANY_DUE, "(now())"), (UNDESCRIBED, "")])
async def test_it_reads_few_pages(pool: Pool, statement: str, values: str) -> None:
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            for fill in (ROUTES, SERIES):
                await connection.execute(fill, STUDIES)
            await connection.execute("ANALYZE study_route, series")
            await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            await connection.execute(f"PREPARE looking AS {statement}")
            (told,) = json.loads(
                await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE looking{values}")
            )
        finally:
            await transaction.rollback()
            await connection.execute("DEALLOCATE ALL")
    assert pages(told["Plan"]) < PAGES_MAX


def pages(plan: dict[str, Any]) -> int:
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])
