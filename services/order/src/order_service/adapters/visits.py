"""Visits and accounts that went to another patient or got another number, in PostgreSQL."""

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from asyncpg import Record
from fj_bus import Tx
from fj_events import Identifier, PatientPhi, VisitKind

from order_service.domain.visit import MovedVisit, Named, RenumberedVisit, Told, Visit

# Sorted: two transactions that lock the same visits wait, and never for each other.
_LOCK: Final = """
SELECT pg_advisory_xact_lock(hashtextextended('visit', key))
  FROM (SELECT DISTINCT hashtextextended(kind, hashtextextended(value, hashtextextended(issuer, 0))) AS key
          FROM unnest($1::text[], $2::text[], $3::text[]) AS n (kind, value, issuer) ORDER BY key) AS keys
"""
_KEEP_MOVED: Final = """
INSERT INTO moved_visits (visit_id, kind, value, issuer, patient_ids, holder_id, holder, moved_at)
VALUES ($1, $2, $3, $4, $5, $7, $8, $6)
ON CONFLICT (visit_id) DO UPDATE
   SET patient_ids = excluded.patient_ids, holder_id = excluded.holder_id, holder = excluded.holder,
       moved_at = excluded.moved_at
"""
_KEEP_RENUMBERED: Final = """
INSERT INTO renumbered_visits (
    visit_id, kind, value, issuer, patient_ids, present_value, present_issuer, renumbered_at
)
VALUES ($1, $2, $3, $4, $5, $7, $8, $6)
ON CONFLICT (visit_id) DO UPDATE
   SET patient_ids = excluded.patient_ids, present_value = excluded.present_value,
       present_issuer = excluded.present_issuer, renumbered_at = excluded.renumbered_at
"""
# With every number by which an order may name those of whom it was said.
_EVERY_NUMBER: Final = """
ARRAY(SELECT DISTINCT ids_of(p) FROM unnest(patient_ids) AS p UNION SELECT unnest(patient_ids)) AS patient_ids
"""
_TOLD: Final = f"""
WITH RECURSIVE carried (kind, value, issuer) AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
     UNION
    SELECT kind, present_value, present_issuer FROM carried JOIN renumbered_visits USING (kind, value, issuer)
     WHERE present_value IS NOT NULL
)
SELECT visit_id, kind, value, issuer, {_EVERY_NUMBER}, moved_at AS at, true AS is_moved,
       holder_id, holder, NULL AS present_value, NULL AS present_issuer
  FROM moved_visits JOIN carried USING (kind, value, issuer)
 UNION ALL
SELECT visit_id, kind, value, issuer, {_EVERY_NUMBER}, renumbered_at, false, NULL, NULL, present_value, present_issuer
  FROM renumbered_visits JOIN carried USING (kind, value, issuer)
"""
BECAME: Final = """
WITH RECURSIVE became (kind, value, issuer) AS (
    SELECT $1::text, $2::text, $3::text
     UNION
    SELECT r.kind, r.value, r.issuer
      FROM became AS b
      JOIN renumbered_visits AS r ON (r.kind, r.present_value, r.present_issuer) = (b.kind, b.value, b.issuer)
)
"""
"""One number, and all numbers that became it."""
_BECAME: Final = f"{BECAME} SELECT kind, value, issuer FROM became"
_OF: Final = """
SELECT kind, value, issuer FROM moved_visits WHERE patient_ids && $1::uuid[]
 UNION
SELECT kind, value, issuer FROM renumbered_visits WHERE patient_ids && $1::uuid[]
 ORDER BY kind, value, issuer
"""


class PostgresVisits:
    """The part of `order_service.ports.Orders` that is about visits and accounts."""

    _tx: Tx

    async def lock_patients(self, patient_ids: Iterable[UUID]) -> None:
        for patient_id in sorted(patient_ids):
            await self._tx.lock("patient", str(patient_id))

    async def lock_visits(self, visits: Sequence[Visit]) -> None:
        if visits:
            await self._tx.connection.execute(_LOCK, *_columns(visits))

    async def lock_told(self) -> None:
        await self._tx.lock("visits", "told")

    async def keep_told(self, told: Told) -> None:
        kind, number = told.visit
        about = (told.visit_id, kind, number.value, number.issuer, sorted(told.patient_ids), told.at)
        if isinstance(told, MovedVisit):
            patient_id, patient = (told.holder.patient_id, _json(told.holder)) if told.holder else (None, None)
            await self._tx.connection.execute(_KEEP_MOVED, *about, patient_id, patient)
        else:
            value, issuer = (told.number.value, told.number.issuer) if told.number else (None, None)
            await self._tx.connection.execute(_KEEP_RENUMBERED, *about, value, issuer)

    async def told_of(self, visits: Sequence[Visit]) -> list[Told]:
        rows = await self._tx.connection.fetch(_TOLD, *_columns(visits)) if visits else []
        return [_told(row) for row in rows]

    async def that_became(self, visit: Visit) -> list[Visit]:
        kind, number = visit
        return [_visit(row) for row in await self._tx.connection.fetch(_BECAME, kind, number.value, number.issuer)]

    async def visits_told_of(self, patient_ids: Sequence[UUID]) -> list[Visit]:
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


def _told(row: Record) -> Told:
    about = {"visit_id": row["visit_id"], "visit": _visit(row), "patient_ids": frozenset(row["patient_ids"])}
    if row["is_moved"]:
        return MovedVisit(**about, at=row["at"], holder=named(row["holder_id"], row["holder"]))
    present = row["present_value"]
    number = None if present is None else Identifier(value=present, issuer=row["present_issuer"])
    return RenumberedVisit(**about, at=row["at"], number=number)


def _json(named: Named) -> str:
    return named.patient.model_dump_json(exclude_none=True)
