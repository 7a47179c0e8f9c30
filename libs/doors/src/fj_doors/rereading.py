"""`/api/<service>/messages/…/reread`: what was taken, but understood wrongly, read again after the profile is mended.

Only for doors whose handlers change nothing that is newer than the message, nor anything twice (`Door.reread`).
"""

from fastapi import APIRouter, HTTPException, status
from fj_hl7 import CannotOpen
from pydantic import BaseModel, ConfigDict, Field

from fj_doors.http import ControlId, Digest, Reader, TriedView, gone, outcome
from fj_doors.keeper import Keeper, NotTaken, Taking


class Why(BaseModel):
    """Why it is read again."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=200)


def rereading_router(keeper: Keeper, door: Taking) -> APIRouter:
    """Read one message again. It needs the role `hl7-messages`."""
    router = APIRouter(prefix=f"/api/{keeper.room}/messages", tags=["messages"])

    @router.post("/{digest}/reread")
    async def read_again(digest: Digest, control_id: ControlId, why: Why, actor: Reader) -> TriedView:
        """Have what was taken read again by today's profiles: what it says otherwise now is done as a change."""
        try:
            tried = await keeper.read_again(control_id, bytes.fromhex(digest), actor, why.reason, door)
        except CannotOpen as error:
            raise HTTPException(status.HTTP_503_SERVICE_UNAVAILABLE, str(error)) from None
        except NotTaken as error:
            raise HTTPException(status.HTTP_409_CONFLICT, str(error)) from None
        if tried is None:
            raise gone()
        return outcome(tried, keeper.room)

    return router
