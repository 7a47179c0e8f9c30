"""`/api/patient/visits`: visits and accounts that went from one patient to another, and a person who undoes that."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, status
from fj_bus import Tx
from fj_events import Identifier, VisitKind
from fj_runtime import Actor
from pydantic import BaseModel, Field

from patient_service import visits
from patient_service.domain.errors import NoSuchVisit, PatientError
from patient_service.domain.visit import Move, last
from patient_service.ports import MovedVisit, Patients, VisitBook, Visits


class MoveView(BaseModel):
    """One statement."""

    prior_id: UUID
    holder_id: UUID
    moved_at: datetime
    undone: bool

    @classmethod
    def of(cls, move: Move) -> "MoveView":
        return cls(prior_id=move.prior_id, holder_id=move.holder_id, moved_at=move.at, undone=move.undone)


class VisitView(BaseModel):
    """A visit or account, and all that was said of it, the newest first."""

    visit_id: UUID
    kind: VisitKind
    number: Identifier
    patient_id: UUID | None
    """Whose it is; absent where all moves of it were undone."""
    moves: tuple[MoveView, ...]

    @classmethod
    def of(cls, found: MovedVisit) -> "VisitView":
        visit, moves = found
        counts = last(moves)
        return cls(
            visit_id=visit.visit_id,
            kind=visit.kind,
            number=visit.number,
            patient_id=counts and counts.holder_id,
            moves=tuple(MoveView.of(move) for move in moves),
        )


class UndoMove(BaseModel):
    """Why a move is undone."""

    reason: str = Field(min_length=1, max_length=500)


def visits_router(
    book: VisitBook,
    unit: Callable[[str], AbstractAsyncContextManager[Tx]],
    patients: Callable[[Tx], Patients],
    store: Callable[[Tx], Visits],
) -> APIRouter:
    """Search, and undo."""
    router = APIRouter(prefix="/api/patient/visits", tags=["visits"])

    @router.get("", response_model_exclude_none=True, summary="Visits and accounts with this number that were moved")
    async def find(
        number: Annotated[str, Query(min_length=1)],
        issuer: Annotated[str | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> list[VisitView]:
        return [VisitView.of(found) for found in await book.find(number=number, issuer=issuer, limit=limit)]

    @router.post("/{visit_id}/undo", status_code=204, summary="Undo the last move: the one before it counts")
    async def undo(visit_id: UUID, said: UndoMove, actor: Actor) -> None:
        try:
            async with unit(actor) as tx:
                await visits.undo(visit_id, said.reason, patients(tx), store(tx))
        except NoSuchVisit as error:
            raise HTTPException(status.HTTP_404_NOT_FOUND, str(error)) from None
        except PatientError as error:
            raise HTTPException(status.HTTP_409_CONFLICT, str(error)) from None

    return router
