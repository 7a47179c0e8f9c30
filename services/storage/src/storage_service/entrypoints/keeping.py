"""`/api/storage/…/hold`, `/retire`, `/recall`, and what the rules of retention say: for people and programs."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, date, datetime, time
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fj_bus import Tx
from fj_runtime import Actor, Problem
from pydantic import BaseModel, Field

from storage_service import retiring
from storage_service.domain.retention import Forecast
from storage_service.domain.retirement import Hold, KeepingRefused, NotHere, Retirement, Tombstone
from storage_service.expiring import Expiring
from storage_service.ports.keeping import KeepingBook, Keepings
from storage_service.ports.studies import StudyBook
from storage_service.retiring import Word

Reason = Annotated[str, Field(min_length=1, max_length=500)]
Limit = Annotated[int, Query(ge=1, le=500)]


class NewHold(BaseModel):
    """What must not be removed, and why."""

    whole_patient: bool = False
    """All studies of the patient, and those that come."""
    reason: Reason


class Because(BaseModel):
    """Why something is done."""

    reason: Reason


class Said(BaseModel):
    """What was said about a study, and what became of it."""

    holds: list[Hold]
    """That stand, the oldest first."""
    retirement: Retirement | None
    tombstones: list[Tombstone]
    """What was removed under this UID, the newest first."""


Act = Callable[[str], AbstractAsyncContextManager[Keepings]]


def keeping_router(
    studies: StudyBook,
    book: KeepingBook,
    unit: Callable[[str | None], AbstractAsyncContextManager[Tx]],
    keepings: Callable[[Tx], Keepings],
) -> APIRouter:
    """Hold, lift, retire, recall; and what was said of a study."""
    router = APIRouter(prefix="/api/storage/studies/{study_instance_uid}", tags=["keeping"])

    @asynccontextmanager
    async def act(actor: str) -> AsyncIterator[Keepings]:
        try:
            async with unit(actor) as tx:
                yield keepings(tx)
        except KeepingRefused as refused:
            raise Problem(404 if isinstance(refused, NotHere) else 409, str(refused)) from None

    @router.get("/keeping")
    async def keeping(study_instance_uid: str) -> Said:
        """Whether a study is on hold, retired, or was removed."""
        async with unit(None) as tx:
            inside = keepings(tx)
            holds, retirement = await inside.holds(study_instance_uid), await inside.retirement(study_instance_uid)
        gone = await book.tombstones(study_instance_uid, 500)
        return Said(holds=holds, retirement=retirement, tombstones=gone)

    _holding(router, studies, act)
    _retiring(router, studies, act)
    return router


def _holding(router: APIRouter, studies: StudyBook, act: Act) -> None:
    @router.post("/hold")
    async def hold(study_instance_uid: str, new: NewHold, actor: Actor) -> Hold:
        """Nothing removes the study, or any of its patient, until the hold is lifted. What is retired is recalled."""
        await _site_of(study_instance_uid, studies)
        async with act(actor) as inside:
            word = Word(actor, new.reason, datetime.now(UTC))
            return await retiring.hold(study_instance_uid, word, inside, whole_patient=new.whole_patient)

    @router.post("/holds/{hold_id}/lift")
    async def lift(study_instance_uid: str, hold_id: UUID, why: Because, actor: Actor) -> Hold:
        """The hold does not stand any more."""
        async with act(actor) as inside:
            return await retiring.lift(study_instance_uid, hold_id, Word(actor, why.reason, datetime.now(UTC)), inside)


def _retiring(router: APIRouter, studies: StudyBook, act: Act) -> None:
    @router.post("/retire")
    async def retire(study_instance_uid: str, why: Because, actor: Actor) -> Retirement:
        """Hide a study now and remove it in thirty days, unless it is recalled."""
        site = await _site_of(study_instance_uid, studies)
        async with act(actor) as inside:
            return await retiring.retire(study_instance_uid, site, Word(actor, why.reason, datetime.now(UTC)), inside)

    @router.post("/recall", status_code=204)
    async def recall(study_instance_uid: str, why: Because, actor: Actor) -> None:
        """Show a retired study again. A rule that still says so retires it again: hold it, or change the rule."""
        await _site_of(study_instance_uid, studies)
        async with act(actor) as inside:
            await retiring.recall(study_instance_uid, Word(actor, why.reason, datetime.now(UTC)), inside)


async def _site_of(study_instance_uid: str, studies: StudyBook) -> str:
    found = await studies.read(study_instance_uid)
    if found is None:
        raise Problem(404, "There is no such study")
    return found.site


def retention_router(book: KeepingBook, expiring: Expiring) -> APIRouter:
    """What is held, due, retired, gone."""
    router = APIRouter(prefix="/api/storage", tags=["keeping"])

    @router.get("/holds")
    async def holds() -> list[Hold]:
        """The holds that stand, the newest first."""
        return await book.holds()

    @router.get("/retention/due")
    async def due(on: date | None = None, limit: Limit = 100) -> Forecast:
        """What the rules would retire on a day, by default today. Nothing is done."""
        at = datetime.now(UTC) if on is None else datetime.combine(on, time(), UTC)
        return await expiring.forecast(at, limit)

    @router.get("/retention/retired")
    async def retired(limit: Limit = 100) -> list[Retirement]:
        """Studies that are hidden and will be removed, the next one first."""
        return await book.retired(limit)

    @router.get("/retention/removed")
    async def removed(study_instance_uid: str | None = None, limit: Limit = 100) -> list[Tombstone]:
        """What was removed, the newest first."""
        return await book.tombstones(study_instance_uid, limit)

    return router
