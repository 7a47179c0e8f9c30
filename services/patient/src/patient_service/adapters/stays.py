"""What ADT said of visits, in PostgreSQL."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from asyncpg import Record
from fj_bus import Tx
from fj_events import Identifier, PatientLocation, VisitKind, VisitState

from patient_service.domain.stay import Event, Node, Stay
from patient_service.domain.visit import Visit

_KEEP: Final = """
INSERT INTO visits (visit_id, kind, value, issuer) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""
_EVENT: Final = "visit_id, patient_id, trigger, happened_at, site, patient_class, location, prior_location"
_ADD: Final = f"""
INSERT INTO visit_events ({_EVENT}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (visit_id, patient_id, trigger, happened_at) DO UPDATE
   SET site = excluded.site, patient_class = excluded.patient_class, location = excluded.location,
       prior_location = excluded.prior_location
"""
_EVENTS: Final = f"SELECT {_EVENT} FROM visit_events WHERE visit_id = ANY($1) ORDER BY number"
_AROUND: Final = """
WITH RECURSIVE around AS (
    SELECT visit_id, kind, value, issuer FROM visits WHERE visit_id = $1
     UNION
    SELECT v.visit_id, v.kind, v.value, v.issuer
      FROM around a
      JOIN visit_renumberings r ON r.visit_id = a.visit_id OR (r.value = a.value AND r.issuer = a.issuer)
      JOIN visits v ON v.visit_id = r.visit_id OR (v.value = r.value AND v.issuer = r.issuer)
     WHERE v.kind = a.kind
)
SELECT * FROM around
"""
_TOLD: Final = "visit_id, patient_id, patient_ids, site, happened_at, state, patient_class, location"
_READ_TOLD: Final = f"SELECT {_TOLD} FROM visit_stays WHERE visit_id = ANY($1)"
_KEEP_TOLD: Final = f"""
INSERT INTO visit_stays ({_TOLD}) SELECT $1, patient_id, $2, $3, $4, $5, $6, $7 FROM unnest($2::uuid[]) AS patient_id
ON CONFLICT (visit_id, patient_id) DO UPDATE
   SET patient_ids = excluded.patient_ids, site = excluded.site, happened_at = excluded.happened_at,
       state = excluded.state, patient_class = excluded.patient_class, location = excluded.location
"""


class PostgresStays:
    """See `patient_service.ports.Stays`."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    async def keep(self, visit: Visit) -> None:
        number = visit.number
        await self._tx.connection.execute(_KEEP, visit.visit_id, visit.kind, number.value, number.issuer)

    async def add(self, visit: Visit, event: Event) -> None:
        await self.keep(visit)
        places = _json(event.location), _json(event.prior_location)
        said = event.trigger, event.at, event.site, event.patient_class
        await self._tx.connection.execute(_ADD, event.visit_id, event.patient_id, *said, *places)

    async def events(self, visit_ids: Sequence[UUID]) -> list[Event]:
        return [_event(row) for row in await self._tx.connection.fetch(_EVENTS, visit_ids)]

    async def around(self, visit_id: UUID) -> Mapping[UUID, Visit]:
        rows = await self._tx.connection.fetch(_AROUND, visit_id)
        return {row["visit_id"]: _visit(row) for row in rows}

    async def told(self, visit_ids: Sequence[UUID]) -> Mapping[Node, Stay]:
        rows = await self._tx.connection.fetch(_READ_TOLD, visit_ids)
        return {Node(row["visit_id"], row["patient_id"]): _stay(row) for row in rows}

    async def keep_told(self, visit_id: UUID, stay: Stay) -> None:
        said = stay.site, stay.at, stay.state, stay.patient_class, _json(stay.location)
        await self._tx.connection.execute(_KEEP_TOLD, visit_id, [*stay.patient_ids], *said)


def _json(location: PatientLocation | None) -> str | None:
    return None if location is None else location.model_dump_json(exclude_none=True)


def _location(text: str | None) -> PatientLocation | None:
    return None if text is None else PatientLocation.model_validate_json(text, extra="ignore")


def _visit(row: Record) -> Visit:
    number = Identifier(value=row["value"], issuer=row["issuer"])
    return Visit(visit_id=row["visit_id"], kind=VisitKind(row["kind"]), number=number)


def _event(row: Record) -> Event:
    return Event(
        visit_id=row["visit_id"],
        patient_id=row["patient_id"],
        site=row["site"],
        trigger=row["trigger"],
        at=row["happened_at"],
        patient_class=row["patient_class"],
        location=_location(row["location"]),
        prior_location=_location(row["prior_location"]),
    )


def _stay(row: Record) -> Stay:
    return Stay(
        patient_ids=tuple(row["patient_ids"]),
        site=row["site"],
        at=row["happened_at"],
        state=None if row["state"] is None else VisitState(row["state"]),
        patient_class=row["patient_class"],
        location=_location(row["location"]),
    )
