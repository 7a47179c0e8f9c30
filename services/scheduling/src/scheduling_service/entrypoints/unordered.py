"""`/api/scheduling/unordered`: appointments of which no order is named, and what persons say of them."""

from datetime import datetime
from typing import Annotated, Protocol

from fastapi import APIRouter, Path, Query
from fj_bus import Asked
from fj_events import Identifier
from fj_runtime import Actor, Problem, Sites
from pydantic import BaseModel, ConfigDict, Field

from scheduling_service import unordered
from scheduling_service.domain.news import Told
from scheduling_service.domain.unordered import Noted
from scheduling_service.entrypoints.office import Office, told

AppointmentId = Annotated[int, Path(ge=1, lt=1 << 63)]


class NotedBook(Protocol):
    """Looking them up, outside of any transaction."""

    async def waiting(self, limit: int) -> list[Noted]: ...
    async def read(self, appointment_id: int) -> Noted | None: ...


class UnorderedView(BaseModel):
    """One appointment."""

    appointment_id: int
    site: str
    told: Told
    numbers: list[str]
    patient: Identifier | None
    starts_at: datetime | None
    stations: list[str]
    received_at: datetime
    waits: bool

    @classmethod
    def of(cls, noted: Noted) -> "UnorderedView":
        news = noted.news
        return cls(
            appointment_id=noted.appointment_id,
            site=news.site,
            told=news.told,
            numbers=[number.value for number in news.appointment],
            patient=news.patient,
            starts_at=news.starts_at,
            stations=list(news.stations),
            received_at=noted.received_at,
            waits=noted.is_open,
        )


class ForOrder(BaseModel):
    """Which order it is for."""

    model_config = ConfigDict(extra="forbid")

    accession_number: str = Field(min_length=1, max_length=64)
    reason: str | None = Field(default=None, max_length=1000)


class Dismissal(BaseModel):
    """Why nothing is to be done."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=1000)


def unordered_router(office: Office, noted: NotedBook, sites: Sites) -> APIRouter:
    """See them, say which order one is for, dismiss one; asked for again under its key an act is done once."""
    router = APIRouter(prefix="/api/scheduling/unordered", tags=["appointments"])

    @router.get("")
    async def waiting(limit: Annotated[int, Query(ge=1, le=500)] = 100) -> list[UnorderedView]:
        """Those that wait for a person, the newest first."""
        return [UnorderedView.of(each) for each in await noted.waiting(limit)]

    @router.get("/{appointment_id}")
    async def read(appointment_id: AppointmentId) -> UnorderedView:
        """One of them."""
        return UnorderedView.of(await found(appointment_id))

    @router.post("/{appointment_id}/repeat", status_code=204)
    async def repeat(appointment_id: AppointmentId, order: ForOrder, actor: Actor, asked: Asked) -> None:
        """Do what was said of it last to the exam of this order."""
        site = sites[(await found(appointment_id)).news.site]
        accession = Identifier(value=order.accession_number.strip(), issuer=site.issuers.accession)
        async with told(), office.unit(actor) as tx:
            if await asked.is_new(tx, actor):
                await unordered.repeat(appointment_id, accession, order.reason, office.schedule(tx), office.desk)

    @router.post("/{appointment_id}/cancel", status_code=204)
    async def cancel(appointment_id: AppointmentId, because: Dismissal, actor: Actor, asked: Asked) -> None:
        """Nothing is to be done about it."""
        async with told(), office.unit(actor) as tx:
            if await asked.is_new(tx, actor):
                await unordered.cancel(appointment_id, because.reason, office.schedule(tx))

    async def found(appointment_id: int) -> Noted:
        one = await noted.read(appointment_id)
        if one is None:
            raise Problem(404, "There is no such appointment")
        return one

    return router
