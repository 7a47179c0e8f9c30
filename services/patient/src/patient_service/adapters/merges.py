"""Merges in PostgreSQL."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from asyncpg import Record
from fj_bus import Tx
from fj_events import PatientPhi

from patient_service.domain.following import Following
from patient_service.domain.merge import Merge, Whose
from patient_service.domain.reuse import Announcement

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
_INTO: Final = f"SELECT {_COLUMNS} FROM merges WHERE into_id = $1 AND NOT undone AND until IS NULL ORDER BY patient_id"
_KEEP: Final = """
INSERT INTO announcements (patient_id, said_at, registers, details) VALUES ($1, $2, $3, $4)
ON CONFLICT (patient_id, said_at, registers) DO UPDATE SET details = excluded.details
"""
_ANNOUNCEMENTS: Final = "SELECT said_at, registers, details FROM announcements WHERE patient_id = $1"
_FOLLOWING: Final = """
SELECT patient_id, fact_id, site, survivor_id, rooms, completed FROM following WHERE patient_id = $1 FOR UPDATE
"""
_SAVE_FOLLOWING: Final = """
INSERT INTO following (patient_id, fact_id, site, survivor_id, rooms, completed) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (patient_id) DO UPDATE
   SET fact_id = excluded.fact_id, site = excluded.site, survivor_id = excluded.survivor_id, rooms = excluded.rooms,
       completed = excluded.completed
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

    async def into(self, survivor_id: UUID) -> list[Merge]:
        return [_merge(row) for row in await self._tx.connection.fetch(_INTO, survivor_id)]

    async def keep_announcement(self, patient_id: UUID, announcement: Announcement) -> None:
        details = announcement.details.model_dump_json(exclude_none=True)
        await self._tx.connection.execute(_KEEP, patient_id, announcement.at, announcement.registers, details)

    async def announcements(self, patient_id: UUID) -> list[Announcement]:
        return [
            Announcement(
                at=row["said_at"],
                registers=row["registers"],
                details=PatientPhi.model_validate_json(row["details"], extra="ignore"),
            )
            for row in await self._tx.connection.fetch(_ANNOUNCEMENTS, patient_id)
        ]

    async def following(self, patient_id: UUID) -> Following | None:
        row = await self._tx.connection.fetchrow(_FOLLOWING, patient_id)
        return Following(**{**row, "rooms": frozenset(row["rooms"])}) if row else None

    async def save_following(self, following: Following) -> None:
        known = following
        rooms = sorted(known.rooms)
        values = known.patient_id, known.fact_id, known.site, known.survivor_id, rooms, known.completed
        await self._tx.connection.execute(_SAVE_FOLLOWING, *values)


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
