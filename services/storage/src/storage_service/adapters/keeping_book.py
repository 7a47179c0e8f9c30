"""Holds, retirements and removals, looked up."""

from collections.abc import AsyncIterator
from datetime import date, datetime
from typing import Final

from storage_service.adapters.keepings import RETAINED, RETIREMENTS, retained
from storage_service.adapters.sql import Pool
from storage_service.domain.retention import Retained
from storage_service.domain.retirement import Hold, Retirement, Tombstone

PAGE: Final = 500
_PAGE: Final = f"""
{RETAINED} AND r.retired_at IS NULL AND s.study_date <= $1 AND (s.study_date, s.study_instance_uid) > ($2, $3)
 ORDER BY s.study_date, s.study_instance_uid LIMIT {PAGE}
"""
_REJECTED: Final = f"""
SELECT DISTINCT x.study_instance_uid FROM rejected x JOIN study_route r USING (study_instance_uid)
 WHERE r.retired_at IS NULL AND r.available_at IS NOT NULL AND x.settled_at IS NULL
   AND x.study_instance_uid > $1 ORDER BY 1 LIMIT {PAGE}
"""
_OPEN: Final = """
SELECT study_instance_uid FROM retirement WHERE removal_at <= $1 AND recalled_at IS NULL AND removed_at IS NULL
"""
_DUE: Final = f"""
{_OPEN} AND forgotten_at IS NOT NULL AND partial = $3
 ORDER BY removal_at LIMIT $2
"""
_WAITING: Final = f"""
{_OPEN} AND forgotten_at IS NULL AND delay_told_at IS NULL
 ORDER BY removal_at LIMIT $2
"""
_TOMBSTONES: Final = """
SELECT retirement_id, r.study_instance_uid, r.site, r.rule, r.reason, r.retired_at, r.actor AS retired_by, r.removed_at,
       t.number_of_series, t.number_of_instances, t.number_of_packs, t.bytes, t.content_sha256, t.number_left
  FROM tombstone t JOIN retirement r USING (retirement_id)
 WHERE $1::text IS NULL OR r.study_instance_uid = $1 ORDER BY r.removed_at DESC LIMIT $2
"""


class PostgresKeepingBook:
    """See `storage_service.ports.keeping.KeepingBook`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def retained(self, before: date) -> AsyncIterator[Retained]:
        day, uid = date.min, ""
        while rows := await self._pool.fetch(_PAGE, before, day, uid):
            for row in rows:
                yield retained(dict(row))
            day, uid = rows[-1]["study_date"], rows[-1]["study_instance_uid"]

    async def rejected(self) -> AsyncIterator[str]:
        uid = ""
        while rows := await self._pool.fetch(_REJECTED, uid):
            for row in rows:
                yield row["study_instance_uid"]
            uid = rows[-1]["study_instance_uid"]

    async def due(self, now: datetime, most: int, *, partial: bool) -> list[str]:
        return [row["study_instance_uid"] for row in await self._pool.fetch(_DUE, now, most, partial)]

    async def waiting(self, since: datetime, most: int) -> list[str]:
        return [row["study_instance_uid"] for row in await self._pool.fetch(_WAITING, since, most)]

    async def retired(self, most: int) -> list[Retirement]:
        rows = await self._pool.fetch(f"{RETIREMENTS} ORDER BY removal_at LIMIT $1", most)
        return [Retirement(**row) for row in rows]

    async def holds(self) -> list[Hold]:
        rows = await self._pool.fetch("SELECT * FROM legal_hold WHERE lifted_at IS NULL ORDER BY held_at DESC")
        return [Hold(**row) for row in rows]

    async def tombstones(self, study_instance_uid: str | None, most: int) -> list[Tombstone]:
        return [Tombstone(**row) for row in await self._pool.fetch(_TOMBSTONES, study_instance_uid, most)]
