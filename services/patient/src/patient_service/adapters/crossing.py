"""Who is one person, in PostgreSQL."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from asyncpg import Pool
from fj_events import Identifier, patient_key

from patient_service.adapters.postgres import COLUMNS, MERGED, patient_of
from patient_service.domain.crossing import SamePerson
from patient_service.domain.patient import Patient

# Whoever has the number as their own, else those who have it as a further one.
_CARRIERS: Final = """
SELECT patient_id FROM patients WHERE patient_id = $3
 UNION ALL
SELECT patient_id FROM identifiers
 WHERE value = $1 AND issuer = $2 AND NOT EXISTS (SELECT FROM patients WHERE patient_id = $3)
"""
# Merges lead from a number to its survivor and back, links to the others of a person, in turns until nothing is added.
_SAME: Final = f"""
WITH RECURSIVE same (id) AS (
    SELECT $1::uuid
     UNION
    SELECT next.id FROM same CROSS JOIN LATERAL (
           SELECT survivor_id FROM holders WHERE patient_id = same.id AND until IS NULL
            UNION ALL
           SELECT patient_id FROM holders WHERE survivor_id = same.id AND until IS NULL
            UNION ALL
           SELECT other.patient_id FROM persons AS one JOIN persons AS other USING (enterprise_id)
            WHERE one.patient_id = same.id) AS next (id))
SELECT {COLUMNS}, {MERGED} AS merged FROM patients
 WHERE patient_id = ANY(ARRAY(SELECT id FROM same))
 ORDER BY patient_id
"""
_DOMAINS: Final = (
    "SELECT asked FROM unnest($1::text[]) AS asked WHERE EXISTS (SELECT FROM identifiers WHERE issuer = asked)"
)


class PostgresCrossReferences:
    """See `patient_service.ports.CrossReferences`. Issuers that the sites name are known before their first number."""

    def __init__(self, pool: Pool, namespace: UUID, issuers: Collection[str]) -> None:
        self._pool = pool
        self._namespace = namespace
        self._issuers = frozenset(issuers)

    async def domains(self, issuers: Collection[str]) -> frozenset[str]:
        rows = await self._pool.fetch(_DOMAINS, list(issuers))
        return frozenset(row["asked"] for row in rows) | (self._issuers & set(issuers))

    async def person(self, number: Identifier) -> SamePerson | None:
        own = patient_key(self._namespace, number.issuer, number.value)
        carriers = [row["patient_id"] for row in await self._pool.fetch(_CARRIERS, number.value, number.issuer, own)]
        if not carriers:
            return None
        rows = await self._pool.fetch(_SAME, carriers[0])
        if not set(carriers) <= {row["patient_id"] for row in rows}:
            return None
        used = tuple(patient_of(row) for row in rows if not row["merged"])
        return SamePerson(used, frozenset(_own(patient_of(row)) for row in rows if row["merged"]))


def _own(patient: Patient) -> Identifier:
    if patient.details.id is None:
        raise LookupError(f"patient {patient.patient_id} is kept without a number")
    return patient.details.id
