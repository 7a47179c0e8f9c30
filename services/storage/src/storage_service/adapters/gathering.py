"""What came piece by piece, put together in PostgreSQL."""

from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Final

from fj_bus import Tx

from storage_service.adapters import manifests
from storage_service.adapters.keepings import lock_known
from storage_service.adapters.sql import Database, Pool
from storage_service.domain.manifest import Entry, entries_of

AT_ONCE: Final = 1000
"""Manifests that are looked at for studies."""
_DUE: Final = f"""
SELECT DISTINCT study_instance_uid FROM (
    SELECT e.study_instance_uid
      FROM manifest m JOIN series e USING (series_key) JOIN study_route r USING (study_instance_uid)
     WHERE NOT m.gathered AND r.available_at <= $1 AND coalesce(r.heard_at, r.available_at) <= $1
       AND r.retired_at IS NULL
     ORDER BY m.manifest_key LIMIT {AT_ONCE}) AS told
 LIMIT $2
"""
_TAKE: Final = """
DELETE FROM manifest m USING series e
 WHERE m.series_key = e.series_key AND e.study_instance_uid = $1 AND NOT m.gathered
RETURNING m.series_key, m.pack_key, m.entries, m.listed
"""


class PostgresPieces:
    """See `storage_service.ports.gathering.Pieces`."""

    def __init__(self, pool: Pool, unit: Callable[[], AbstractAsyncContextManager[Tx]]) -> None:
        self._pool = pool
        self._unit = unit

    async def due(self, before: datetime, most: int) -> list[str]:
        return [row["study_instance_uid"] for row in await self._pool.fetch(_DUE, before, most)]

    async def gather(self, study_instance_uid: str) -> None:
        async with self._unit() as tx:
            await lock_known(tx.connection, [study_instance_uid])
            await gather(tx.connection, study_instance_uid)


async def gather(db: Database, study_instance_uid: str) -> None:
    """The study is locked. What comes later is told beside what was gathered, and gathered then."""
    given: dict[tuple[int, int], list[Entry]] = defaultdict(list)
    unlisted: set[tuple[int, int]] = set()
    for row in await db.fetch(_TAKE, study_instance_uid):
        key = row["series_key"], row["pack_key"]
        given[key] += entries_of(row["entries"])
        if not row["listed"]:
            unlisted.add(key)
    await manifests.put(db, given, given.keys() - unlisted, gathered=True)
