"""`/api/storage`: storage commitment results, rejection notes and second looks that need a person."""

from typing import Protocol

from fastapi import APIRouter
from fj_runtime import Actor, Problem
from pydantic import BaseModel, ConfigDict, Field

from storage_service.domain.commitment import Overview
from storage_service.domain.rejection import Named, NoteOverview
from storage_service.domain.second_look import Overview as LookOverview
from storage_service.ports.second_looks import SecondLookBook


class Because(BaseModel):
    """Why a person wants it."""

    model_config = ConfigDict(extra="forbid")

    reason: str | None = Field(default=None, max_length=1000)


class Untold(Protocol):
    """Requests whose sender could not be told."""

    async def read(self, transaction_uid: str) -> Overview | None: ...
    async def repeat(self, transaction_uid: str, actor: str, reason: str | None) -> bool: ...
    async def cancel(self, transaction_uid: str, actor: str, reason: str | None) -> bool: ...


class Unread(Protocol):
    """Documents that could not be read, though they may reject images."""

    async def look(self, place: Named) -> NoteOverview | None: ...
    async def repeat(self, place: Named, actor: str, reason: str | None) -> bool: ...
    async def cancel(self, place: Named, actor: str, reason: str | None) -> bool: ...


def given_up_router(untold: Untold, unread: Unread, uncompared: SecondLookBook) -> APIRouter:
    """See one, have it tried again, or say that nothing is to be done."""
    router = APIRouter(prefix="/api/storage", tags=["given up"])
    _commitments(router, untold)
    _notes(router, unread)
    _second_looks(router, uncompared)
    return router


def _commitments(router: APIRouter, untold: Untold) -> None:
    @router.get("/commitments/{transaction_uid}")
    async def commitment(transaction_uid: str) -> Overview:
        """One request."""
        found = await untold.read(transaction_uid)
        if found is None:
            raise Problem(404, "There is no such request")
        return found

    @router.post("/commitments/{transaction_uid}/repeat", status_code=202)
    async def repeat(transaction_uid: str, actor: Actor, because: Because | None = None) -> None:
        """Tell who asked once more, now."""
        if not await untold.repeat(transaction_uid, actor, because.reason if because else None):
            raise Problem(409, "Nobody was given up there")

    @router.post("/commitments/{transaction_uid}/cancel")
    async def cancel(transaction_uid: str, actor: Actor, because: Because | None = None) -> None:
        """Who asked need not be told (any more)."""
        if not await untold.cancel(transaction_uid, actor, because.reason if because else None):
            raise Problem(409, "Nobody waits to be told there, nor was given up")


def _notes(router: APIRouter, unread: Unread) -> None:
    address = "/notes/{study}/{series}/{instance}"

    @router.get(address)
    async def note(study: str, series: str, instance: str) -> NoteOverview:
        """A Key Object Selection, and what was made of it."""
        found = await unread.look(Named(study, series, instance))
        if found is None:
            raise Problem(404, "There is no such document")
        return found

    @router.post(f"{address}/repeat", status_code=202)
    async def repeat(study: str, series: str, instance: str, actor: Actor, because: Because | None = None) -> None:
        """Read it once more."""
        if not await unread.repeat(Named(study, series, instance), actor, because.reason if because else None):
            raise Problem(409, "It was read")

    @router.post(f"{address}/cancel")
    async def cancel(study: str, series: str, instance: str, actor: Actor, because: Because | None = None) -> None:
        """What it says is not wanted, or was done by hand."""
        if not await unread.cancel(Named(study, series, instance), actor, because.reason if because else None):
            raise Problem(409, "It was read")


def _second_looks(router: APIRouter, uncompared: SecondLookBook) -> None:
    address = "/studies/{study}/second-look"

    @router.get(address)
    async def second_look(study: str) -> LookOverview:
        """A study that is to be compared once more with what is known of patient and order, and why that fails."""
        found = await uncompared.read(study)
        if found is None:
            raise Problem(404, "There is no such study, or nothing is to be compared")
        return found

    @router.post(f"{address}/repeat", status_code=202)
    async def repeat(study: str, actor: Actor, because: Because | None = None) -> None:
        """Compare it now."""
        if not await uncompared.repeat(study, actor, because.reason if because else None):
            raise Problem(409, "It was not given up")

    @router.post(f"{address}/cancel")
    async def cancel(study: str, actor: Actor, because: Because | None = None) -> None:
        """What its objects say is right, or is of no matter."""
        if not await uncompared.cancel(study, actor, because.reason if because else None):
            raise Problem(409, "It was not given up")
