"""`/api/patient/visits`: visits and accounts that went to another patient or got another number; who undoes that."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, status
from fj_bus import Tx
from fj_events import Identifier, VisitKind
from fj_runtime import Actor, Problem
from pydantic import BaseModel, Field

from patient_service import renumbering, stays, visits
from patient_service.domain import renumbering as numbers
from patient_service.domain.errors import NoSuchStatement, NoSuchVisit, NotTheLast
from patient_service.domain.renumbering import Renumbering
from patient_service.domain.visit import Move, last
from patient_service.ports import Patients, Stays, ToldVisit, VisitBook, Visits

_Undo = Callable[[UUID, UUID, str, Patients, Visits], Awaitable[None]]


class MoveView(BaseModel):
    """One statement."""

    statement_id: UUID
    prior_id: UUID
    holder_id: UUID
    moved_at: datetime
    undone: bool

    @classmethod
    def of(cls, move: Move) -> "MoveView":
        return cls(
            statement_id=move.statement_id,
            prior_id=move.prior_id,
            holder_id=move.holder_id,
            moved_at=move.at,
            undone=move.undone,
        )


class RenumberingView(BaseModel):
    """One statement."""

    statement_id: UUID
    patient_id: UUID
    number: Identifier
    renumbered_at: datetime
    undone: bool

    @classmethod
    def of(cls, said: Renumbering) -> "RenumberingView":
        return cls(
            statement_id=said.statement_id,
            patient_id=said.patient_id,
            number=said.number,
            renumbered_at=said.at,
            undone=said.undone,
        )


class VisitView(BaseModel):
    """A visit or account, and all that was said of it, the newest first."""

    visit_id: UUID
    kind: VisitKind
    number: Identifier
    patient_id: UUID | None
    """Whose it is; absent where all moves of it were undone."""
    present_number: Identifier | None
    """The number that it got in place of `number`; absent where none, or all others were undone."""
    moves: tuple[MoveView, ...]
    renumberings: tuple[RenumberingView, ...]

    @classmethod
    def of(cls, found: ToldVisit) -> "VisitView":
        visit, moves, renumberings = found
        counts, renumbered = last(moves), numbers.last(renumberings)
        return cls(
            visit_id=visit.visit_id,
            kind=visit.kind,
            number=visit.number,
            patient_id=counts and counts.holder_id,
            present_number=renumbered and renumbered.number,
            moves=tuple(MoveView.of(move) for move in moves),
            renumberings=tuple(RenumberingView.of(said) for said in renumberings),
        )


class Undo(BaseModel):
    """Which move, or other number, is undone, and why."""

    statement_id: UUID
    """The last one that is not undone; asked for again, it is undone once."""
    reason: str = Field(min_length=1, max_length=500)


def visits_router(
    book: VisitBook,
    unit: Callable[[str], AbstractAsyncContextManager[Tx]],
    patients: Callable[[Tx], Patients],
    store: Callable[[Tx], Visits],
    stays_of: Callable[[Tx], Stays],
) -> APIRouter:
    """Search, and undo."""
    router = APIRouter(prefix="/api/patient/visits", tags=["visits"])

    @router.get("", response_model_exclude_none=True, summary="Visits and accounts with this number, or that got it")
    async def find(
        number: Annotated[str, Query(min_length=1)],
        issuer: Annotated[str | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> list[VisitView]:
        return [VisitView.of(found) for found in await book.find(number=number, issuer=issuer, limit=limit)]

    async def undone(undo: _Undo, visit_id: UUID, said: Undo, actor: str) -> None:
        try:
            async with unit(actor) as tx:
                await undo(visit_id, said.statement_id, said.reason, patients(tx), store(tx))
                await stays.tell(visit_id, patients(tx), store(tx), stays_of(tx))
        except (NoSuchVisit, NoSuchStatement) as error:
            raise Problem(status.HTTP_404_NOT_FOUND, str(error)) from None
        except NotTheLast as error:
            raise Problem(status.HTTP_409_CONFLICT, str(error), last=str(error.last_id)) from None

    @router.post("/{visit_id}/undo", status_code=204, summary="Undo the last move: the one before it counts")
    async def undo_move(visit_id: UUID, said: Undo, actor: Actor) -> None:
        await undone(visits.undo, visit_id, said, actor)

    @router.post("/{visit_id}/number/undo", status_code=204, summary="Undo the last other number")
    async def undo_renumbering(visit_id: UUID, said: Undo, actor: Actor) -> None:
        await undone(renumbering.undo, visit_id, said, actor)

    return router
