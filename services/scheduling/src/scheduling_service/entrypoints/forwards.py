"""`/api/scheduling/forwards`: MPPS on their way to other receivers, for people and programs."""

from typing import Annotated, Protocol

from fastapi import APIRouter, Query
from fj_runtime import Actor, Problem
from pydantic import BaseModel, ConfigDict, Field

from scheduling_service.domain.forward import ForwardOverview, ForwardState

Limit = Annotated[int, Query(ge=1, le=500)]


class Forwarded(Protocol):
    """What was passed on, waits or was given up."""

    async def newest(
        self, state: ForwardState | None, destination: str | None, limit: int
    ) -> list[ForwardOverview]: ...
    async def read(self, forward_id: int) -> ForwardOverview | None: ...
    async def repeat(self, forward_id: int, actor: str, reason: str | None) -> ForwardOverview | None: ...
    async def cancel(self, forward_id: int, actor: str, reason: str | None) -> ForwardOverview | None: ...


class Because(BaseModel):
    """Why a person wants it."""

    model_config = ConfigDict(extra="forbid")

    reason: str | None = Field(default=None, max_length=1000)


def forwards_router(forwarded: Forwarded) -> APIRouter:
    """See them, repeat one, stop one."""
    router = APIRouter(prefix="/api/scheduling/forwards", tags=["forwards"])

    @router.get("")
    async def forwards(
        state: Annotated[ForwardState | None, Query()] = None,
        destination: Annotated[str | None, Query()] = None,
        limit: Limit = 100,
    ) -> list[ForwardOverview]:
        """The newest ones; `state=FAILED` are those that were given up."""
        return await forwarded.newest(state, destination, limit)

    @router.get("/{forward_id}")
    async def forward(forward_id: int) -> ForwardOverview:
        """One of them."""
        found = await forwarded.read(forward_id)
        if found is None:
            raise Problem(404, "There is no such forward")
        return found

    @router.post("/{forward_id}/repeat", status_code=202)
    async def repeat(forward_id: int, actor: Actor, because: Because | None = None) -> ForwardOverview:
        """Try again, now."""
        found = await forwarded.repeat(forward_id, actor, because.reason if because else None)
        if found is None:
            raise Problem(409, "There is nothing that could be sent again")
        return found

    @router.post("/{forward_id}/cancel")
    async def cancel(forward_id: int, actor: Actor, because: Because | None = None) -> ForwardOverview:
        """Do not try any longer; what was given up needs nobody any more."""
        found = await forwarded.cancel(forward_id, actor, because.reason if because else None)
        if found is None:
            raise Problem(409, "Nothing is waiting there, nor was it given up")
        return found

    return router
