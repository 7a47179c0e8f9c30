"""`/api/<service>/messages`: what came to a door, for those who may see it."""

import base64
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Path, Query, status
from fj_hl7 import BadMessage, CannotOpen, Kept, Opened, Profiles, Search
from fj_runtime import acting_as
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from fj_doors.keeper import Keeper, Taking, Tried
from fj_doors.telling import address

ROLE: Final = "hl7-messages"
"""The role that may look into messages: they are full of PHI."""
Reader = Annotated[str, acting_as(ROLE)]
Digest = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256 of its bytes")]
ControlId = Annotated[str, Query(description="MSH-10; empty for what was unreadable")]


class ErrorView(BaseModel):
    """One ERR of the answer."""

    code: str
    segment: str
    sequence: int
    field: int


class KeptView(BaseModel):
    """A message that is kept, without its content."""

    control_id: str
    application: str
    facility: str
    kind: str
    peer: str
    received_at: datetime
    code: str
    errors: list[ErrorView]
    times: int
    settled_as: str | None
    settled_by: str | None
    address: str

    @classmethod
    def of(cls, kept: Kept, room: str) -> "KeptView":
        application, _, facility = kept.key.sender.partition("\t")
        return cls(
            control_id=kept.key.control_id,
            application=application,
            facility=facility,
            kind=kept.kind,
            peer=kept.peer,
            received_at=kept.received_at,
            code=kept.code,
            errors=[ErrorView(code=e[0], segment=e[1], sequence=e[2], field=e[3]) for e in kept.errors],
            times=kept.times,
            settled_as=kept.settled_as,
            settled_by=kept.settled_by,
            address=address(room, kept.key),
        )


class OpenedView(KeptView):
    """A message with its content."""

    text: str
    """Read as its sender's profile says; lines end with a line feed."""
    raw: str
    """The bytes, in base64."""
    answer: str


class TriedView(BaseModel):
    """What became of a message that was tried again."""

    control_id: str
    address: str
    before: str
    after: str
    errors: list[str]
    """In words; without any content of the message."""


class Range(BaseModel):
    """Whose refused messages, and from when."""

    model_config = ConfigDict(extra="forbid")

    application: str | None = None
    facility: str | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    limit: int = Field(default=100, ge=1, le=1000)


class Because(BaseModel):
    """Why nothing is to be done."""

    model_config = ConfigDict(extra="forbid")

    reason: str | None = Field(default=None, max_length=200)


def messages_router(keeper: Keeper, door: Taking) -> APIRouter:
    """Find, look, try again, dismiss. All of it needs the role `hl7-messages`."""
    router = APIRouter(prefix=f"/api/{keeper.room}/messages", tags=["messages"])
    _looking(router, keeper)
    _trying(router, keeper, door)
    return router


def _looking(router: APIRouter, keeper: Keeper) -> None:
    @router.get("", dependencies=[acting_as(ROLE)])
    async def found(  # noqa: PLR0913, PLR0917 - one parameter of the query each
        control_id: Annotated[str | None, Query(description="MSH-10")] = None,
        application: Annotated[str | None, Query(description="MSH-3")] = None,
        facility: Annotated[str | None, Query(description="MSH-4")] = None,
        since: Annotated[AwareDatetime | None, Query(description="Else, without a control id, the last hour")] = None,
        until: Annotated[AwareDatetime | None, Query()] = None,
        refused: Annotated[bool, Query(description="Only what was refused, however long ago")] = False,  # noqa: FBT002
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[KeptView]:
        """Messages, the newest first, without their content."""
        search = Search(
            control_id=control_id, application=application, facility=facility, since=since, until=until, limit=limit
        )
        return [KeptView.of(kept, keeper.room) for kept in await keeper.find(search, refused_only=refused)]

    @router.get("/{digest}")
    async def look(digest: Digest, control_id: ControlId, actor: Reader) -> OpenedView:
        """One message as it came, and its answer. Who looked is written down."""
        try:
            opened = await keeper.look(control_id, bytes.fromhex(digest), actor)
        except CannotOpen as error:
            raise HTTPException(status.HTTP_503_SERVICE_UNAVAILABLE, str(error)) from None
        if opened is None:
            raise gone()
        return _shown(opened, keeper.room, keeper.profiles)


def _trying(router: APIRouter, keeper: Keeper, door: Taking) -> None:
    @router.post("/replay")
    async def try_all(chosen: Range, actor: Reader) -> list[TriedView]:
        """Have all refused messages of a sender, or of a time, tried again, in the order in which they came."""
        tried = await keeper.try_all(Search(**chosen.model_dump()), actor, door)
        return [outcome(each, keeper.room) for each in tried]

    @router.post("/{digest}/replay")
    async def try_again(digest: Digest, control_id: ControlId, actor: Reader) -> TriedView:
        """Have one message tried again by today's profiles; what was accepted before has no second effect."""
        try:
            tried = await keeper.try_again(control_id, bytes.fromhex(digest), actor, door)
        except CannotOpen as error:
            raise HTTPException(status.HTTP_503_SERVICE_UNAVAILABLE, str(error)) from None
        if tried is None:
            raise gone()
        return outcome(tried, keeper.room)

    @router.post("/{digest}/dismiss", status_code=status.HTTP_204_NO_CONTENT)
    async def dismiss(digest: Digest, control_id: ControlId, because: Because, actor: Reader) -> None:
        """Nothing is to be done about a refused message: it leaves the exceptions list."""
        if not await keeper.dismiss(control_id, bytes.fromhex(digest), actor, because.reason):
            raise gone()


def outcome(tried: Tried, room: str) -> TriedView:
    """What became of it, as it is shown."""
    return TriedView(
        control_id=tried.kept.key.control_id,
        address=address(room, tried.kept.key),
        before=tried.kept.code,
        after=tried.outcome.code,
        errors=[error.text for error in tried.outcome.errors],
    )


def _shown(opened: Opened, room: str, profiles: Profiles) -> OpenedView:
    try:
        read = profiles.read(opened.raw, opened.kept.peer)
        text = opened.raw.decode(read.codec, "replace")
        answer = opened.answer.decode(read.codec, "replace")
    except BadMessage:
        text, answer = opened.raw.decode("latin-1"), opened.answer.decode("latin-1")
    view = KeptView.of(opened.kept, room).model_dump()
    raw = base64.b64encode(opened.raw).decode()
    return OpenedView(**view, text=text.replace("\r", "\n"), raw=raw, answer=answer.replace("\r", "\n"))


def gone() -> HTTPException:
    """The answer about a message that is not kept."""
    return HTTPException(status.HTTP_404_NOT_FOUND, "no such message is kept here (any more)")
