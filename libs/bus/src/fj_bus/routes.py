"""The operators' HTTP routes of a service."""

from collections.abc import Callable
from typing import Annotated, Any, Final, get_args

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field

from fj_bus.bus import Bus
from fj_bus.consumer import Consumer
from fj_bus.errors import NoSuchDeadLetter
from fj_bus.lag import Lag, lag_of
from fj_bus.letters import STATES, Letter, Letters

_GONE: Final[dict[int | str, dict[str, Any]]] = {404: {"description": "It is not there (any more)"}}
_PAGE_MAX: Final = 1000
_RETRY_AFTER_S: Final = 2


class DeadLetters(BaseModel):
    """A page of held facts."""

    dead_letters: list[Letter]
    total: int
    """Of all pages."""


class Because(BaseModel):
    """Why a person does it."""

    model_config = ConfigDict(extra="forbid")

    reason: str | None = Field(default=None, max_length=1000)


class GroupLag(BaseModel):
    """Of one consumer group."""

    group: str
    lag: int
    partitions: list[Lag]


def operator_router(bus: Bus, consumer: Consumer, actor: Any) -> APIRouter:
    """Under `/api/<service>`: `GET /dead-letters`, `POST /dead-letters/{id}/replay` and `/drop`, `GET /lag`.

    All of them are about the consumer's group, whichever process of it answers. `actor` is the annotated dependency
    that names the acting user: `fj_runtime.Actor`.
    """
    return awaiting_operator_router(bus.service, lambda: consumer, actor)


def awaiting_operator_router(service: str, consumer: Callable[[], Consumer | None], actor: Any) -> APIRouter:
    """The same for a service whose doors open before its database is there: 503 while `consumer` gives None."""
    router = APIRouter(prefix=f"/api/{service}", tags=["operators"])
    user_of = get_args(actor)[-1]

    def present() -> Consumer:
        found = consumer()
        if found is None:
            raise HTTPException(503, "The database is awaited", {"Retry-After": str(_RETRY_AFTER_S)})
        return found

    def letters() -> Letters:
        found = present()
        return Letters(found.bus, found.group)

    @router.get("/dead-letters")
    async def listed(
        state: Annotated[list[str] | None, Query(description="dead, gap, parked, behind")] = None,
        after: Annotated[int, Query(description="The id of the last one of the page before")] = 0,
        limit: Annotated[int, Query(ge=1, le=_PAGE_MAX)] = 100,
    ) -> DeadLetters:
        """Facts that wait for an operator, by default dead ones and those behind a gap."""
        page = await letters().list(state or STATES, after, limit)
        return DeadLetters(dead_letters=page, total=await letters().count(state or STATES))

    @router.post("/dead-letters/{letter_id}/replay", status_code=202, responses=_GONE)
    async def replay(letter_id: int, why: Because | None = None, user: str = user_of) -> None:
        """Have it handled again by this service alone."""
        try:
            await letters().replay(letter_id, user, why.reason if why else None)
        except NoSuchDeadLetter as gone:
            raise HTTPException(404, str(gone)) from gone

    @router.post("/dead-letters/{letter_id}/drop", status_code=204, responses=_GONE)
    async def drop(letter_id: int, why: Because | None = None, user: str = user_of) -> None:
        """Give it up; later facts of its key go on."""
        try:
            await letters().drop(letter_id, user, why.reason if why else None)
        except NoSuchDeadLetter as gone:
            raise HTTPException(404, str(gone)) from gone

    @router.get("/lag")
    async def lag() -> GroupLag:
        """How far behind the log this service is."""
        asked = present()
        partitions = await lag_of(asked.bus, asked.group, asked.handlers.topics)
        return GroupLag(group=asked.group, lag=sum(each.lag for each in partitions), partitions=partitions)

    return router
