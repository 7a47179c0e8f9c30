"""`/api/storage/sends`: what is sent on to other systems, for people and programs."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query
from fj_runtime import Actor, Problem
from pydantic import BaseModel, Field

from storage_service.domain.routing import SendOverview, SendState
from storage_service.entrypoints.given_up import Because
from storage_service.ports.sends import SendBook

Limit = Annotated[int, Query(ge=1, le=500)]


class NewSend(BaseModel):
    """A study that is to be sent."""

    study_instance_uid: str = Field(pattern=r"^[0-9]+(\.[0-9]+)*$", max_length=64)
    destination: str = Field(min_length=1, max_length=16)
    """AE title."""


class Again(BaseModel):
    """How a send is repeated."""

    everything: bool = False
    """The instances that were taken are sent again too."""
    reason: str | None = Field(default=None, max_length=1000)


def sends_router(book: SendBook, is_known: Callable[[str], bool]) -> APIRouter:
    """See them, ask for one, repeat one, stop one. `is_known`: whether an AE title has an address."""
    router = APIRouter(prefix="/api/storage/sends", tags=["sends"])

    @router.get("")
    async def sends(
        state: Annotated[SendState | None, Query()] = None,
        study_instance_uid: Annotated[str | None, Query()] = None,
        limit: Limit = 100,
    ) -> list[SendOverview]:
        """The newest sends."""
        return await book.newest(state, study_instance_uid, limit)

    @router.post("", status_code=202)
    async def send(new: NewSend, actor: Actor) -> list[SendOverview]:
        """Send a study to a destination that is known; all sends of it. What the destination has is not sent again."""
        if not is_known(new.destination):
            raise Problem(422, "The destination is not in FJ_PEERS")
        return await book.put(new.study_instance_uid, new.destination, actor)

    @router.get("/{send_id}")
    async def one(send_id: int) -> SendOverview:
        """One of them."""
        found = await book.read(send_id)
        if found is None:
            raise Problem(404, "There is no such send")
        return found

    @router.post("/{send_id}/repeat", status_code=202)
    async def repeat(send_id: int, actor: Actor, again: Again | None = None) -> SendOverview:
        """Try again, now."""
        again = again or Again()
        found = await book.repeat(send_id, actor, again.reason, everything=again.everything)
        if found is None:
            raise Problem(404, "There is no such send")
        return found

    @router.post("/{send_id}/cancel")
    async def cancel(send_id: int, actor: Actor, because: Because | None = None) -> SendOverview:
        """Do not try any longer; what was given up needs nobody any more."""
        found = await book.cancel(send_id, actor, because.reason if because else None)
        if found is None:
            raise Problem(409, "Nothing is waiting there, nor was it given up")
        return found

    return router
