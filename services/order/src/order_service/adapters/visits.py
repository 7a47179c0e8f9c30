"""Visits and accounts that went to another patient, in PostgreSQL."""

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from asyncpg import Record
from fj_bus import Tx
from fj_events import Identifier, PatientPhi, VisitKind

from order_service.domain.visit import MovedVisit, Named, Visit

# Sorted: two transactions that lock the same visits wait, and never for each other.
_LOCK: Final = """
SELECT pg_advisory_xact_lock(hashtextextended('visit', key))
  FROM (SELECT DISTINCT hashtextextended(kind, hashtextextended(value, hashtextextended(issuer, 0))) AS key
          FROM unnest($1::text[], $2::text[], $3::text[]) AS n (kind, value, issuer) ORDER BY key) AS keys
"""
_KEEP: Final = """
INSERT INTO moved_visits (visit_id, kind, value, issuer, patient_ids, holder_id, holder, moved_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (visit_id) DO UPDATE
   SET patient_ids = excluded.patient_ids, holder_id = excluded.holder_id, holder = excluded.holder,
       moved_at = excluded.moved_at
"""
# With every number by which an order may name those whose it has been.
_MOVES: Final = """
SELECT visit_id, kind, value, issuer, holder_id, holder, moved_at,
       ARRAY(SELECT DISTINCT ids_of(p) FROM unnest(patient_ids) AS p UNION SELECT unnest(patient_ids)) AS patient_ids
  FROM moved_visits JOIN unnest($1::text[], $2::text[], $3::text[]) AS n (kind, value, issuer)
 USING (kind, value, issuer)
"""
_OF: Final = "SELECT kind, value, issuer FROM moved_visits WHERE patient_ids && $1::uuid[] ORDER BY visit_id"


class PostgresVisits:
    """The part of `order_service.ports.Orders` that is about visits and accounts."""

    _tx: Tx

    async def lock_patients(self, patient_ids: Iterable[UUID]) -> None:
        for patient_id in sorted(patient_ids):
            await self._tx.lock("patient", str(patient_id))

    async def lock_visits(self, visits: Sequence[Visit]) -> None:
        if visits:
            await self._tx.connection.execute(_LOCK, *_columns(visits))

    async def keep_move(self, move: MovedVisit) -> None:
        (kind, number), holder = move.visit, move.holder
        await self._tx.connection.execute(
            _KEEP,
            move.visit_id,
            kind,
            number.value,
            number.issuer,
            sorted(move.patient_ids),
            holder and holder.patient_id,
            holder and holder.patient.model_dump_json(exclude_none=True),
            move.at,
        )

    async def moves(self, visits: Sequence[Visit]) -> list[MovedVisit]:
        rows = await self._tx.connection.fetch(_MOVES, *_columns(visits)) if visits else []
        return [_moved(row) for row in rows]

    async def moved_visits_of(self, patient_ids: Sequence[UUID]) -> list[Visit]:
        return [_visit(row) for row in await self._tx.connection.fetch(_OF, patient_ids)]


def named(patient_id: UUID | None, details: str | None) -> Named | None:
    """A patient as two columns."""
    if patient_id is None or details is None:
        return None
    return Named(patient_id, PatientPhi.model_validate_json(details, extra="ignore"))


def _columns(visits: Sequence[Visit]) -> tuple[list[str], list[str], list[str]]:
    kinds = [str(visit.kind) for visit in visits]
    return kinds, [visit.number.value for visit in visits], [visit.number.issuer for visit in visits]


def _visit(row: Record) -> Visit:
    return Visit(VisitKind(row["kind"]), Identifier(value=row["value"], issuer=row["issuer"]))


def _moved(row: Record) -> MovedVisit:
    return MovedVisit(
        visit_id=row["visit_id"],
        visit=_visit(row),
        patient_ids=frozenset(row["patient_ids"]),
        holder=named(row["holder_id"], row["holder"]),
        at=row["moved_at"],
    )
