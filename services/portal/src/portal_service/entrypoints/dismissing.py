"""`/api/portal/exceptions`: what a person says about an entry whose owner is this list itself."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from uuid import UUID

from fastapi import APIRouter, status
from fj_bus import Tx
from fj_runtime import Actor, Problem
from pydantic import BaseModel, ConfigDict, Field

from portal_service import dismissing
from portal_service.domain.exceptions import Raised
from portal_service.entrypoints.exceptions import sharing
from portal_service.ports import ExamBook


class Because(BaseModel):
    """Why."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=1000)


def dismissing_router(book: ExamBook, unit: Callable[[str], AbstractAsyncContextManager[Tx]]) -> APIRouter:
    """Dismiss an entry, put it back. The list says so as soon as the fact has come back."""
    router = APIRouter(prefix="/api/portal/exceptions", tags=["exceptions"])

    @router.post("/{event_id}/dismiss", status_code=status.HTTP_202_ACCEPTED)
    async def dismiss(event_id: UUID, because: Because, actor: Actor) -> None:
        """A named person has looked at it: nothing is to be done."""
        raised = await _entry(event_id, book)
        others = await sharing(raised, await book.read(raised.key), book)
        about = tuple(other.exam.exam_id for other in others) or (raised.key,)
        await _act(lambda tx: dismissing.dismiss(raised, about, because.reason, tx.emit), actor)

    @router.post("/{event_id}/restore", status_code=status.HTTP_202_ACCEPTED)
    async def restore(event_id: UUID, because: Because, actor: Actor) -> None:
        """Put a dismissed entry back on the list."""
        raised = await _entry(event_id, book)
        await _act(lambda tx: dismissing.restore(raised, because.reason, tx.emit), actor)

    async def _act(say: Callable[[Tx], None], actor: str) -> None:
        try:
            async with unit(actor) as tx:
                say(tx)
        except dismissing.NotDismissable as error:
            raise Problem(status.HTTP_409_CONFLICT, str(error)) from None

    return router


async def _entry(event_id: UUID, book: ExamBook) -> Raised:
    raised = await book.exception(event_id)
    if raised is None:
        raise Problem(status.HTTP_404_NOT_FOUND, "Nobody has to look at this (any more)")
    return raised
