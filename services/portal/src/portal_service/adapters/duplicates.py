"""Pairs of patients that may be one person, in PostgreSQL."""

from typing import Final
from uuid import UUID

from asyncpg import Pool
from fj_bus import Tx
from fj_events import PatientDuplicateSuspected

from portal_service.ports import Pair

TABLE: Final = "duplicates"
"""What a rebuild makes anew."""
_PUT: Final = f"""
INSERT INTO {TABLE} (patient_id, other_id, site, since, fact, score) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (patient_id, other_id) DO UPDATE
   SET site = excluded.site, since = excluded.since, fact = excluded.fact, score = excluded.score
"""
_END: Final = f"DELETE FROM {TABLE} WHERE patient_id = $1 AND other_id = $2"
_WAITING: Final = f"SELECT fact, since FROM {TABLE} ORDER BY score DESC, patient_id, other_id LIMIT $1"


class PostgresPairs:
    """See `portal_service.ports.Pairs`."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    async def suspect(self, pair: Pair) -> None:
        fact, body = pair.fact, pair.fact.model_dump_json(exclude_none=True)
        values = fact.patient_id, fact.other_id, fact.site, pair.since, body, fact.score
        await self._tx.connection.execute(_PUT, *values)

    async def end(self, patient_id: UUID, other_id: UUID) -> None:
        await self._tx.connection.execute(_END, patient_id, other_id)


class PostgresPairBook:
    """See `portal_service.ports.PairBook`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def waiting(self, limit: int) -> list[Pair]:
        rows = await self._pool.fetch(_WAITING, limit)
        return [Pair(PatientDuplicateSuspected.model_validate_json(row["fact"]), row["since"]) for row in rows]

    async def count(self) -> int:
        number: int = await self._pool.fetchval(f"SELECT count(*) FROM {TABLE}")
        return number
