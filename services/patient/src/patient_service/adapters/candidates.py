"""Records that may be of a person whom somebody describes, in PostgreSQL."""

from typing import Final

from asyncpg import Pool
from fj_events import PatientPhi

from patient_service.adapters.postgres import COLUMNS, MERGED, patient_of
from patient_service.domain import blocking
from patient_service.domain.link import SHARED_MOST
from patient_service.domain.patient import Patient

# A number that was merged away leads to its survivor.
_NEAR: Final = f"""
SELECT {COLUMNS} FROM patients
 WHERE NOT {MERGED} AND patient_id = ANY(ARRAY(
       SELECT found.patient_id FROM unnest($1::text[]) AS given (key)
        CROSS JOIN LATERAL (
              SELECT few.patient_id, count(*) OVER () AS sharing
                FROM (SELECT patient_id FROM match_keys WHERE match_keys.key = given.key
                       LIMIT {blocking.MOST + 1}) AS few) AS found
        WHERE sharing <= {blocking.MOST}
        UNION
       SELECT found.patient_id FROM unnest($2::text[], $3::text[]) AS given (value, issuer)
        CROSS JOIN LATERAL (
              SELECT few.patient_id, count(*) OVER () AS sharing
                FROM (SELECT coalesce(h.survivor_id, i.patient_id) AS patient_id
                        FROM identifiers AS i
                        LEFT JOIN holders AS h ON h.patient_id = i.patient_id AND h.until IS NULL
                       WHERE i.value = given.value AND i.issuer = given.issuer
                       LIMIT {SHARED_MOST + 1}) AS few) AS found
        WHERE sharing <= {SHARED_MOST}))
"""


class PostgresCandidates:
    """See `patient_service.ports.Candidates`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def near(self, asked: PatientPhi) -> list[Patient]:
        numbers = [number for number in (asked.id, *asked.other_ids) if number]
        values, issuers = [number.value for number in numbers], [number.issuer for number in numbers]
        rows = await self._pool.fetch(_NEAR, sorted(blocking.keys(asked)), values, issuers)
        return [patient_of(row) for row in rows]
