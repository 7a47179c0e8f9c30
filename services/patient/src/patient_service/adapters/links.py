"""Links and persons in PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final
from uuid import UUID

from asyncpg import Pool, Record
from fj_bus import Tx
from fj_events import Identifier, LinkBasis

from patient_service.adapters.postgres import COLUMNS, patient_of
from patient_service.domain.following import LinkFollowing
from patient_service.domain.link import SHARED_MOST, Link
from patient_service.domain.patient import Patient, identifiers
from patient_service.ports import Linked, Person

_LINK: Final = "one_id, other_id, linked, said_at, basis, reason"
_OF: Final = f"SELECT {_LINK} FROM links WHERE one_id = $1 AND other_id = $2"
_AROUND: Final = f"""
WITH RECURSIVE around (number) AS (
    SELECT unnest($1::uuid[])
     UNION
    SELECT CASE WHEN one_id = number THEN other_id ELSE one_id END
      FROM around JOIN links ON (one_id = number OR other_id = number) AND linked
)
SELECT {_LINK} FROM links
 WHERE one_id IN (SELECT number FROM around) AND other_id IN (SELECT number FROM around)
"""
_SAVE: Final = f"""
INSERT INTO links ({_LINK}) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (one_id, other_id) DO UPDATE
   SET linked = excluded.linked, said_at = excluded.said_at, basis = excluded.basis, reason = excluded.reason
"""
_PERSONS: Final = "SELECT patient_id, enterprise_id FROM persons WHERE patient_id = ANY($1)"
_SAVE_PERSON: Final = """
INSERT INTO persons (patient_id, enterprise_id) VALUES ($1, $2)
ON CONFLICT (patient_id) DO UPDATE SET enterprise_id = excluded.enterprise_id
"""
_FOLLOWING: Final = """
SELECT patient_id, fact_id, site, enterprise_id, rooms, completed FROM link_following WHERE patient_id = $1 FOR UPDATE
"""
_SAVE_FOLLOWING: Final = """
INSERT INTO link_following (patient_id, fact_id, site, enterprise_id, rooms, completed) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (patient_id) DO UPDATE
   SET fact_id = excluded.fact_id, site = excluded.site, enterprise_id = excluded.enterprise_id,
       rooms = excluded.rooms, completed = excluded.completed
"""
_SHARERS: Final = f"""
SELECT DISTINCT ON (patient_id) {COLUMNS}
  FROM unnest($1::text[], $2::text[]) AS given (value, issuer)
 CROSS JOIN LATERAL (
       SELECT patient_id, count(*) OVER () AS sharing
         FROM (SELECT patient_id FROM identifiers AS theirs
                WHERE theirs.value = given.value AND theirs.issuer = given.issuer
                LIMIT {SHARED_MOST + 1}) AS few) AS found
  JOIN patients USING (patient_id)
 WHERE sharing <= {SHARED_MOST} AND patient_id <> $3
"""
_BOOK: Final = f"""
SELECT {_LINK}, {COLUMNS}
  FROM links JOIN patients ON patient_id = CASE WHEN one_id = $1 THEN other_id ELSE one_id END
 WHERE $1 IN (one_id, other_id)
 ORDER BY patient_id
"""


class PostgresLinks:
    """See `patient_service.ports.Links`."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    async def lock(self) -> None:
        await self._tx.lock("identity", "links")

    async def lock_numbers(self, numbers: Collection[Identifier]) -> None:
        for number in sorted(map(str, numbers)):
            await self._tx.lock("number", number)

    async def of(self, one: UUID, other: UUID) -> Link | None:
        row = await self._tx.connection.fetchrow(_OF, one, other)
        return _link(row) if row else None

    async def around(self, numbers: Collection[UUID]) -> list[Link]:
        return [_link(row) for row in await self._tx.connection.fetch(_AROUND, list(numbers))]

    async def save(self, link: Link) -> None:
        values = link.one, link.other, link.linked, link.at, link.basis.value, link.reason
        await self._tx.connection.execute(_SAVE, *values)

    async def persons(self, numbers: Collection[UUID]) -> Mapping[UUID, UUID]:
        rows = await self._tx.connection.fetch(_PERSONS, list(numbers))
        return {row["patient_id"]: row["enterprise_id"] for row in rows}

    async def save_person(self, patient_id: UUID, enterprise_id: UUID | None) -> None:
        if enterprise_id is None:
            await self._tx.connection.execute("DELETE FROM persons WHERE patient_id = $1", patient_id)
        else:
            await self._tx.connection.execute(_SAVE_PERSON, patient_id, enterprise_id)

    async def sharers(self, patient: Patient) -> Sequence[Patient]:
        numbers = identifiers(patient)
        values, issuers = [number.value for number in numbers], [number.issuer for number in numbers]
        rows = await self._tx.connection.fetch(_SHARERS, values, issuers, patient.patient_id)
        return [patient_of(row) for row in rows]

    async def following(self, patient_id: UUID) -> LinkFollowing | None:
        row = await self._tx.connection.fetchrow(_FOLLOWING, patient_id)
        return LinkFollowing(**{**row, "rooms": frozenset(row["rooms"])}) if row else None

    async def save_following(self, following: LinkFollowing) -> None:
        known, rooms = following, sorted(following.rooms)
        values = known.patient_id, known.fact_id, known.site, known.enterprise_id, rooms, known.completed
        await self._tx.connection.execute(_SAVE_FOLLOWING, *values)


class PostgresLinkBook:
    """See `patient_service.ports.LinkBook`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def person(self, patient_id: UUID) -> Person:
        async with self._pool.acquire() as connection:
            said = await connection.fetch(_PERSONS, [patient_id])
            enterprise_id = said[0]["enterprise_id"] if said else patient_id
            same = await connection.fetch(
                "SELECT patient_id FROM persons WHERE enterprise_id = $1 ORDER BY patient_id", enterprise_id
            )
            rows = await connection.fetch(_BOOK, patient_id)
        numbers = tuple(row["patient_id"] for row in same) or (patient_id,)
        return Person(enterprise_id, numbers, [Linked(_link(row), patient_of(row)) for row in rows])


def _link(row: Record) -> Link:
    return Link(
        one=row["one_id"],
        other=row["other_id"],
        linked=row["linked"],
        at=row["said_at"],
        basis=LinkBasis(row["basis"]),
        reason=row["reason"],
    )
