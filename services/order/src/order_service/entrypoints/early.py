"""`/api/order/early`: what came before its order, and what persons do about what could not be done."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, TypeVar

from fastapi import APIRouter, HTTPException, Path, Query, status
from fj_bus import Asked, Tx
from fj_runtime import Actor
from pydantic import BaseModel, ConfigDict, Field

from order_service import early
from order_service.domain.early import EarlyEntry
from order_service.domain.errors import NotWaiting
from order_service.ports import OrderBook, Orders

WishId = Annotated[int, Path(ge=1, lt=1 << 63)]
T = TypeVar("T")


class Because(BaseModel):
    """Why it is tried again."""

    model_config = ConfigDict(extra="forbid")

    reason: str | None = Field(default=None, max_length=1000)


class Dismissal(BaseModel):
    """Why nothing is to be done."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=1000)


class TriedView(BaseModel):
    """What became of it."""

    done: bool
    entry: EarlyEntry | None
    """As it waits again, or could again not be done."""


def early_router(
    unit: Callable[[str], AbstractAsyncContextManager[Tx]], orders: Callable[[Tx], Orders], book: OrderBook
) -> APIRouter:
    """See them, try one again, dismiss one; asked for again under its key an act is done once."""
    router = APIRouter(prefix="/api/order/early", tags=["early"])

    @router.get("")
    async def newest(limit: Annotated[int, Query(ge=1, le=500)] = 100) -> list[EarlyEntry]:
        """What waits for its order, or could not be done when that came, the newest first."""
        return await book.early(limit)

    @router.get("/{wish_id}")
    async def read(wish_id: WishId) -> EarlyEntry:
        """One of them."""
        entry = await book.early_entry(wish_id)
        if entry is None:
            raise HTTPException(status.HTTP_404_NOT_FOUND, str(NotWaiting()))
        return entry

    @router.post("/{wish_id}/repeat")
    async def repeat(wish_id: WishId, actor: Actor, asked: Asked, because: Because | None = None) -> TriedView:
        """Do it now to its order as that is today, or let it wait for it again."""
        reason = because.reason if because else None
        async with unit(actor) as tx:
            if await asked.is_new(tx, actor):
                entry = await _granted(early.repeat(wish_id, reason, orders(tx)))
            else:
                entry = await orders(tx).early_entry(wish_id)
        return TriedView(done=entry is None, entry=entry)

    @router.post("/{wish_id}/cancel", status_code=status.HTTP_204_NO_CONTENT)
    async def cancel(wish_id: WishId, because: Dismissal, actor: Actor, asked: Asked) -> None:
        """Nothing is to be done about it; what waits does not wait any longer."""
        async with unit(actor) as tx:
            if await asked.is_new(tx, actor):
                await _granted(early.cancel(wish_id, because.reason, orders(tx)))

    return router


async def _granted(act: Awaitable[T]) -> T:
    try:
        return await act
    except NotWaiting as error:
        raise HTTPException(status.HTTP_409_CONFLICT, str(error)) from None
