"""`/api/patient/duplicates`: pairs of records that may be of one person, and a person's word on them."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, status
from fj_bus import Tx
from fj_events import PatientPhi
from fj_runtime import Actor
from pydantic import BaseModel, Field

from patient_service import duplicates
from patient_service.domain.errors import PatientError
from patient_service.domain.link import ByHand
from patient_service.domain.matching import Grade
from patient_service.duplicates import Work
from patient_service.ports import DuplicateBook, Suspect


class PairView(BaseModel):
    """Two records side by side, and what speaks for and against one person."""

    patient_id: UUID
    other_id: UUID
    score: float
    grade: Grade
    reasons: tuple[str, ...]
    since: datetime
    patient: PatientPhi
    other: PatientPhi

    @classmethod
    def of(cls, suspect: Suspect) -> "PairView":
        known = suspect.suspicion
        return cls(
            patient_id=known.one,
            other_id=known.other,
            score=known.score,
            grade=known.grade,
            reasons=known.reasons,
            since=suspect.since,
            patient=suspect.one.public,
            other=suspect.other.public,
        )


class Answer(BaseModel):
    """Why a person decides so."""

    reason: str = Field(min_length=1, max_length=500)


def duplicates_router(
    book: DuplicateBook, unit: Callable[[str], AbstractAsyncContextManager[Tx]], work: Callable[[Tx], Work]
) -> APIRouter:
    """The review list."""
    router = APIRouter(prefix="/api/patient/duplicates", tags=["duplicates"])

    @router.get("", response_model_exclude_none=True, summary="Pairs that wait for a person, the likeliest first")
    async def waiting(limit: Annotated[int, Query(ge=1, le=500)] = 100) -> list[PairView]:
        return [PairView.of(suspect) for suspect in await book.open(limit)]

    async def answer(act: ByHand, actor: str) -> None:
        try:
            async with unit(actor) as tx:
                await duplicates.decide(act, work(tx))
        except PatientError as error:
            raise HTTPException(status.HTTP_409_CONFLICT, str(error)) from None

    @router.post("/{patient_id}/{other_id}/link", status_code=204, summary="Both are one person; each stays in use")
    async def link(patient_id: UUID, other_id: UUID, said: Answer, actor: Actor) -> None:
        await answer(_by_hand((patient_id, other_id), said, linked=True), actor)

    @router.post("/{patient_id}/{other_id}/dismiss", status_code=204, summary="They are two persons")
    async def dismiss(patient_id: UUID, other_id: UUID, said: Answer, actor: Actor) -> None:
        await answer(_by_hand((patient_id, other_id), said, linked=False), actor)

    return router


def _by_hand(pair: tuple[UUID, UUID], said: Answer, *, linked: bool) -> ByHand:
    return ByHand(pair=pair, linked=linked, reason=said.reason, at=datetime.now(UTC))
