"""Moved and renumbered visits and accounts in PostgreSQL."""

from collections import defaultdict
from collections.abc import Callable
from typing import Final, TypeVar
from uuid import UUID

from asyncpg import Pool, Record
from fj_bus import Tx
from fj_events import Identifier, VisitKind

from patient_service.domain.following import Follower, VisitFollowing
from patient_service.domain.renumbering import Renumbering
from patient_service.domain.visit import Move, Visit
from patient_service.ports import ToldVisit

_VISIT: Final = "visit_id, kind, value, issuer"
_MOVE: Final = "prior_id, holder_id, moved_at, undone, statement_id"
_KEEP: Final = f"INSERT INTO visits ({_VISIT}) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
_ADD: Final = f"INSERT INTO visit_moves (visit_id, {_MOVE}) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING"
_SAVE: Final = "UPDATE visit_moves SET undone = $3 WHERE visit_id = $1 AND statement_id = $2"
_BY_ID: Final = f"SELECT {_VISIT} FROM visits WHERE visit_id = $1"
_MOVES: Final = f"SELECT {_MOVE} FROM visit_moves WHERE visit_id = $1"
_RENUMBERING: Final = "patient_id, patient_ids, value, issuer, renumbered_at, undone, statement_id"
_ADD_RENUMBERING: Final = f"""
INSERT INTO visit_renumberings (visit_id, {_RENUMBERING}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING
"""
_SAVE_RENUMBERING: Final = "UPDATE visit_renumberings SET undone = $3 WHERE visit_id = $1 AND statement_id = $2"
_RENUMBERINGS: Final = f"SELECT {_RENUMBERING} FROM visit_renumberings WHERE visit_id = $1"
_FIND: Final = f"""
SELECT {_VISIT} FROM visits
 WHERE (value = $1 AND ($2::text IS NULL OR issuer = $2)
        AND (EXISTS (SELECT FROM visit_moves m WHERE m.visit_id = visits.visit_id)
             OR EXISTS (SELECT FROM visit_renumberings r WHERE r.visit_id = visits.visit_id)))
    OR visit_id IN (SELECT visit_id FROM visit_renumberings WHERE value = $1 AND ($2::text IS NULL OR issuer = $2))
 ORDER BY visit_id LIMIT $3
"""
_MOVES_OF: Final = f"""
SELECT visit_id, {_MOVE} FROM visit_moves WHERE visit_id = ANY($1)
 ORDER BY moved_at DESC, holder_id DESC, prior_id DESC
"""
_RENUMBERINGS_OF: Final = f"""
SELECT visit_id, {_RENUMBERING} FROM visit_renumberings WHERE visit_id = ANY($1)
 ORDER BY renumbered_at DESC, value DESC, issuer DESC, patient_id DESC
"""
_FOLLOWING: Final = """
SELECT visit_id, kind, fact_id, site, patient_id, ordered, completed
  FROM visit_following JOIN visits USING (visit_id) WHERE visit_id = $1
"""
_FOLLOWERS: Final = "SELECT fact_id, room FROM visit_followers WHERE visit_id = $1"
_SAVE_FOLLOWING: Final = """
INSERT INTO visit_following (visit_id, fact_id, site, patient_id, ordered, completed) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (visit_id) DO UPDATE
   SET fact_id = excluded.fact_id, site = excluded.site, patient_id = excluded.patient_id, ordered = excluded.ordered,
       completed = excluded.completed
"""
_ADD_FOLLOWERS: Final = """
INSERT INTO visit_followers (visit_id, fact_id, room) SELECT $1, * FROM unnest($2::uuid[], $3::text[])
ON CONFLICT DO NOTHING
"""

Said = TypeVar("Said")


class PostgresVisits:
    """See `patient_service.ports.Visits`."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    async def lock(self, visit_id: UUID) -> None:
        await self._tx.lock("visit", str(visit_id))

    async def by_id(self, visit_id: UUID) -> Visit | None:
        row = await self._tx.connection.fetchrow(_BY_ID, visit_id)
        return _visit(row) if row else None

    async def moves(self, visit_id: UUID) -> list[Move]:
        return [_move(row) for row in await self._tx.connection.fetch(_MOVES, visit_id)]

    async def add(self, visit: Visit, move: Move) -> bool:
        number = visit.number
        await self._tx.connection.execute(_KEEP, visit.visit_id, visit.kind, number.value, number.issuer)
        status = await self._tx.connection.execute(_ADD, visit.visit_id, *_values(move))
        return status == "INSERT 0 1"

    async def save(self, visit_id: UUID, move: Move) -> None:
        await self._tx.connection.execute(_SAVE, visit_id, move.statement_id, move.undone)

    async def renumberings(self, visit_id: UUID) -> list[Renumbering]:
        return [_renumbering(row) for row in await self._tx.connection.fetch(_RENUMBERINGS, visit_id)]

    async def add_renumbering(self, visit: Visit, renumbering: Renumbering) -> bool:
        number = visit.number
        await self._tx.connection.execute(_KEEP, visit.visit_id, visit.kind, number.value, number.issuer)
        status = await self._tx.connection.execute(_ADD_RENUMBERING, visit.visit_id, *_row(renumbering))
        return status == "INSERT 0 1"

    async def save_renumbering(self, visit_id: UUID, renumbering: Renumbering) -> None:
        said = renumbering.statement_id, renumbering.undone
        await self._tx.connection.execute(_SAVE_RENUMBERING, visit_id, *said)

    async def following(self, visit_id: UUID) -> VisitFollowing | None:
        row = await self._tx.connection.fetchrow(_FOLLOWING, visit_id)
        if row is None:
            return None
        followers = frozenset(Follower(*each) for each in await self._tx.connection.fetch(_FOLLOWERS, visit_id))
        return VisitFollowing(**{**row, "kind": VisitKind(row["kind"])}, followers=followers)

    async def save_following(self, following: VisitFollowing) -> None:
        known, execute = following, self._tx.connection.execute
        values = known.fact_id, known.site, known.patient_id, known.ordered, known.completed
        await execute(_SAVE_FOLLOWING, known.visit_id, *values)
        told, rooms = [each.fact_id for each in known.followers], [each.room for each in known.followers]
        await execute(_ADD_FOLLOWERS, known.visit_id, told, rooms)


class PostgresVisitBook:
    """See `patient_service.ports.VisitBook`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, *, number: str, issuer: str | None, limit: int) -> list[ToldVisit]:
        visits = [_visit(row) for row in await self._pool.fetch(_FIND, number, issuer, limit)]
        moves = await self._of(_MOVES_OF, visits, _move)
        renumberings = await self._of(_RENUMBERINGS_OF, visits, _renumbering)
        return [ToldVisit(visit, moves[visit.visit_id], renumberings[visit.visit_id]) for visit in visits]

    async def _of(
        self, query: str, visits: list[Visit], read: Callable[[Record], Said]
    ) -> defaultdict[UUID, list[Said]]:
        found: defaultdict[UUID, list[Said]] = defaultdict(list)
        for row in await self._pool.fetch(query, [visit.visit_id for visit in visits]):
            found[row["visit_id"]].append(read(row))
        return found


def _values(move: Move) -> tuple[object, ...]:
    return move.prior_id, move.holder_id, move.at, move.undone, move.statement_id


def _row(said: Renumbering) -> tuple[object, ...]:
    number, ids = said.number, sorted(said.patient_ids)
    return said.patient_id, ids, number.value, number.issuer, said.at, said.undone, said.statement_id


def _visit(row: Record) -> Visit:
    number = Identifier(value=row["value"], issuer=row["issuer"])
    return Visit(visit_id=row["visit_id"], kind=VisitKind(row["kind"]), number=number)


def _move(row: Record) -> Move:
    return Move(
        prior_id=row["prior_id"],
        holder_id=row["holder_id"],
        at=row["moved_at"],
        undone=row["undone"],
        statement_id=row["statement_id"],
    )


def _renumbering(row: Record) -> Renumbering:
    return Renumbering(
        patient_id=row["patient_id"],
        patient_ids=frozenset(row["patient_ids"]),
        number=Identifier(value=row["value"], issuer=row["issuer"]),
        at=row["renumbered_at"],
        undone=row["undone"],
        statement_id=row["statement_id"],
    )
