"""Records that may be of one person, in PostgreSQL."""

from typing import Final
from uuid import UUID

from asyncpg import Pool
from asyncpg import Record as Row
from fj_bus import Tx

from patient_service.adapters.postgres import COLUMNS, MERGED, patient_of
from patient_service.domain import blocking
from patient_service.domain.link import SHARED_MOST
from patient_service.domain.matching import Grade
from patient_service.domain.patient import Patient
from patient_service.domain.suspicion import State, Suspicion
from patient_service.ports import Record, Suspect

_SUSPICION: Final = "one_id, other_id, state, score, grade, reasons, evidence"
_RECORDS: Final = f"""
SELECT {COLUMNS}, {MERGED} AS merged,
       EXISTS (SELECT FROM suspicions WHERE one_id = patient_id AND state = 'open')
       OR EXISTS (SELECT FROM suspicions WHERE other_id = patient_id AND state = 'open') AS suspected
  FROM patients
"""
_RECORD: Final = f"{_RECORDS} WHERE patient_id = $1"
_NEAR: Final = f"""
{_RECORDS}
 WHERE NOT {MERGED} AND patient_id <> $2 AND patient_id = ANY(ARRAY(
       SELECT found.patient_id FROM unnest($1::text[]) AS given (key)
        CROSS JOIN LATERAL (
              SELECT few.patient_id, count(*) OVER () AS sharing
                FROM (SELECT patient_id FROM match_keys WHERE match_keys.key = given.key
                       LIMIT {blocking.MOST + 1}) AS few) AS found
        WHERE sharing <= {blocking.MOST}
        UNION
       SELECT found.patient_id FROM identifiers AS mine
        CROSS JOIN LATERAL (
              SELECT few.patient_id, count(*) OVER () AS sharing
                FROM (SELECT patient_id FROM identifiers AS theirs
                       WHERE theirs.value = mine.value AND theirs.issuer = mine.issuer LIMIT {SHARED_MOST + 1}) AS few
              ) AS found
        WHERE mine.patient_id = $2 AND sharing <= {SHARED_MOST}))
"""
_SUSPECTED_WITH: Final = f"""
{_RECORDS}
 WHERE patient_id = ANY(ARRAY(SELECT other_id FROM suspicions WHERE one_id = $1 AND state = 'open'
                               UNION ALL SELECT one_id FROM suspicions WHERE other_id = $1 AND state = 'open'))
"""
_OF: Final = f"SELECT {_SUSPICION} FROM suspicions WHERE one_id = $1 AND other_id = $2"
_SAVE: Final = f"""
INSERT INTO suspicions ({_SUSPICION}) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (one_id, other_id) DO UPDATE
   SET state = excluded.state, score = excluded.score, grade = excluded.grade, reasons = excluded.reasons,
       evidence = excluded.evidence, since = now()
"""
_OPEN: Final = f"""
SELECT {_SUSPICION}, since FROM suspicions WHERE state = 'open' ORDER BY score DESC, one_id, other_id LIMIT $1
"""
_PATIENTS: Final = f"SELECT {COLUMNS} FROM patients WHERE patient_id = ANY($1)"


class PostgresDuplicates:
    """See `patient_service.ports.Duplicates`."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    async def record(self, patient_id: UUID) -> Record | None:
        row = await self._tx.connection.fetchrow(_RECORD, patient_id)
        return _record(row) if row else None

    async def near(self, patient: Patient) -> list[Record]:
        keys = sorted(blocking.keys(patient.details))
        return [_record(row) for row in await self._tx.connection.fetch(_NEAR, keys, patient.patient_id)]

    async def suspected_with(self, patient_id: UUID) -> list[Record]:
        return [_record(row) for row in await self._tx.connection.fetch(_SUSPECTED_WITH, patient_id)]

    async def of(self, pair: tuple[UUID, UUID]) -> Suspicion | None:
        await self._tx.lock("pair", f"{pair[0]} {pair[1]}")
        row = await self._tx.connection.fetchrow(_OF, *pair)
        return _suspicion(row) if row else None

    async def save(self, suspicion: Suspicion) -> None:
        known = suspicion
        await self._tx.connection.execute(
            _SAVE, *known.pair, known.state, known.score, known.grade, list(known.reasons), known.evidence
        )


class PostgresDuplicateBook:
    """See `patient_service.ports.DuplicateBook`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def open(self, limit: int) -> list[Suspect]:
        rows = await self._pool.fetch(_OPEN, limit)
        ids = {patient_id for row in rows for patient_id in (row["one_id"], row["other_id"])}
        found = {row["patient_id"]: patient_of(row) for row in await self._pool.fetch(_PATIENTS, list(ids))}
        return [Suspect(_suspicion(row), row["since"], found[row["one_id"]], found[row["other_id"]]) for row in rows]


def _record(row: Row) -> Record:
    return Record(patient_of(row), row["merged"], row["suspected"])


def _suspicion(row: Row) -> Suspicion:
    return Suspicion(
        one=row["one_id"],
        other=row["other_id"],
        state=State(row["state"]),
        score=row["score"],
        grade=Grade(row["grade"]),
        reasons=tuple(row["reasons"]),
        evidence=row["evidence"],
    )
