"""Merges in PostgreSQL."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from asyncpg import Record
from fj_bus import Tx

from patient_service.domain.merge import Merge, Whose

_COLUMNS: Final = "patient_id, into_id, merged_at, undone, until, stated_id, stated_until"
_OF: Final = f"SELECT {_COLUMNS} FROM merges WHERE patient_id = $1"
_AROUND: Final = f"""
WITH RECURSIVE around (number) AS (
    SELECT unnest($1::uuid[])
     UNION
    SELECT CASE WHEN merges.patient_id = around.number THEN merges.into_id ELSE merges.patient_id END
      FROM around JOIN merges ON merges.patient_id = around.number OR merges.into_id = around.number
)
SELECT {_COLUMNS} FROM merges JOIN around ON number = patient_id ORDER BY merged_at, patient_id
"""
_SAVE: Final = f"""
INSERT INTO merges ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (patient_id) DO UPDATE
   SET into_id = excluded.into_id, merged_at = excluded.merged_at, undone = excluded.undone, until = excluded.until,
       stated_id = excluded.stated_id, stated_until = excluded.stated_until
"""


class PostgresMerges:
    """See `patient_service.ports.Merges`."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    async def lock(self) -> None:
        await self._tx.lock("identity", "merges")

    async def of(self, patient_id: UUID) -> Merge | None:
        row = await self._tx.connection.fetchrow(_OF, patient_id)
        return _merge(row) if row else None

    async def around(self, numbers: Collection[UUID]) -> list[Merge]:
        return [_merge(row) for row in await self._tx.connection.fetch(_AROUND, list(numbers))]

    async def save(self, merge: Merge) -> None:
        survivor, until = merge.stated or (None, None)
        await self._tx.connection.execute(
            _SAVE, merge.patient_id, merge.into, merge.at, merge.undone, merge.until, survivor, until
        )


def _merge(row: Record) -> Merge:
    survivor = row["stated_id"]
    return Merge(
        patient_id=row["patient_id"],
        into=row["into_id"],
        at=row["merged_at"],
        undone=row["undone"],
        until=row["until"],
        stated=None if survivor is None else Whose(survivor, row["stated_until"]),
    )
