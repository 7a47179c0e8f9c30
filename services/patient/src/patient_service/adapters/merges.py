"""Merges in PostgreSQL."""

from collections.abc import Collection, Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final
from uuid import UUID

from asyncpg import Record
from fj_bus import Tx
from fj_events import PatientPhi

from patient_service.domain.following import Following
from patient_service.domain.merge import Merge, Number, Whose
from patient_service.domain.reuse import Announcement

# All that is known of numbers, one row for each thing of one of three kinds.
_KNOWN: Final = """
SELECT patient_id, 'merge' AS kind, into_id AS other_id, merged_at AS at, undone, renames
  FROM merges JOIN asked USING (patient_id)
 UNION ALL SELECT patient_id, 'reuse', NULL, at, NULL, NULL FROM reuses JOIN asked USING (patient_id)
 UNION ALL SELECT patient_id, 'holder', survivor_id, until, NULL, NULL FROM holders JOIN asked USING (patient_id)
 ORDER BY patient_id, at NULLS LAST
"""
_OF: Final = f"WITH asked AS (SELECT unnest($1::uuid[]) AS patient_id) {_KNOWN}"
_AROUND: Final = f"""
WITH RECURSIVE around (number) AS (
    SELECT unnest($1::uuid[])
     UNION
    SELECT CASE WHEN merges.patient_id = around.number THEN merges.into_id ELSE merges.patient_id END
      FROM around JOIN merges ON merges.patient_id = around.number OR merges.into_id = around.number
), asked AS (
    SELECT number AS patient_id FROM around WHERE EXISTS (SELECT FROM merges WHERE patient_id = number)
)
{_KNOWN}
"""
_INTO: Final = f"WITH asked AS (SELECT DISTINCT patient_id FROM merges WHERE into_id = $1) {_KNOWN}"
_SAVE_MERGES: Final = """
INSERT INTO merges (patient_id, into_id, merged_at, undone, renames)
SELECT $1, * FROM unnest($2::uuid[], $3::timestamptz[], $4::boolean[], $5::boolean[])
ON CONFLICT (patient_id, merged_at, into_id) DO UPDATE SET undone = excluded.undone, renames = excluded.renames
 WHERE (merges.undone, merges.renames) <> (excluded.undone, excluded.renames)
"""
_SAVE_REUSES: Final = """
INSERT INTO reuses (patient_id, at) SELECT $1, unnest($2::timestamptz[]) ON CONFLICT DO NOTHING
"""
_DROP_HOLDERS: Final = "DELETE FROM holders WHERE patient_id = $1"
_SAVE_HOLDERS: Final = """
INSERT INTO holders (patient_id, survivor_id, until) SELECT $1, * FROM unnest($2::uuid[], $3::timestamptz[])
"""
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

    async def of(self, patient_id: UUID) -> Number:
        known = _numbers(await self._tx.connection.fetch(_OF, [patient_id]))
        return known[0] if known else Number(patient_id=patient_id)

    async def around(self, numbers: Collection[UUID]) -> list[Number]:
        return _numbers(await self._tx.connection.fetch(_AROUND, list(numbers)))

    async def into(self, survivor_id: UUID) -> list[Number]:
        return _numbers(await self._tx.connection.fetch(_INTO, survivor_id))

    async def save(self, number: Number) -> None:
        execute, key = self._tx.connection.execute, number.patient_id
        merges, holders = number.merges, number.stated
        said = [each.into for each in merges], [each.at for each in merges], [each.undone for each in merges]
        await execute(_SAVE_MERGES, key, *said, [each.renames for each in merges])
        await execute(_SAVE_REUSES, key, list(number.reused))
        await execute(_DROP_HOLDERS, key)
        await execute(_SAVE_HOLDERS, key, [each.survivor for each in holders], [each.until for each in holders])

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


def _numbers(rows: Iterable[Record]) -> list[Number]:
    return [_number(patient_id, list(each)) for patient_id, each in groupby(rows, key=itemgetter("patient_id"))]


def _number(patient_id: UUID, rows: Sequence[Record]) -> Number:
    return Number(
        patient_id=patient_id,
        merges=tuple(
            Merge(
                patient_id=patient_id, into=row["other_id"], at=row["at"], undone=row["undone"], renames=row["renames"]
            )
            for row in rows
            if row["kind"] == "merge"
        ),
        reused=tuple(row["at"] for row in rows if row["kind"] == "reuse"),
        stated=tuple(Whose(row["other_id"], row["at"]) for row in rows if row["kind"] == "holder"),
    )
