"""`/api/order`: orders for those who speak JSON."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, status
from fj_bus import Asked, Tx
from fj_events import ClinicalPhi, CodedConcept, Identifier, PatientPhi, Priority, Source, Staff, Uid, patient_key
from fj_runtime import Actor, Sites
from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints

from order_service import commands
from order_service.domain.errors import NoSuchOrder, OrderError
from order_service.domain.order import Order, Request
from order_service.ports import OrderBook, Orders

ShortString = Annotated[str, StringConstraints(min_length=1, max_length=16)]


class NewOrder(BaseModel):
    """What an order needs; numbers that are left out are made."""

    model_config = ConfigDict(extra="forbid")

    site: str = "MAIN"
    patient: PatientPhi
    procedure: CodedConcept
    placer_order_number: Identifier | None = None
    accession_number: ShortString | None = None
    study_instance_uid: Uid | None = None
    modality: ShortString | None = None
    priority: Priority = Priority.ROUTINE
    asked_for: AwareDatetime | None = None
    ordering_provider: Staff | None = None
    clinical: ClinicalPhi = ClinicalPhi()


class Because(BaseModel):
    """Why an order is taken back, held or released."""

    model_config = ConfigDict(extra="forbid")

    reason: str | None = None


class OrderView(BaseModel):
    """An order as others see it."""

    order_id: UUID
    site: str
    state: str
    accession_number: Identifier
    placer_order_number: Identifier | None
    study_instance_uid: Uid
    procedure: CodedConcept
    modality: str | None
    priority: Priority
    asked_for: AwareDatetime | None
    patient: PatientPhi

    @classmethod
    def of(cls, order: Order) -> "OrderView":
        names = cls.model_fields.keys() - {"order_id", "site", "state"}
        asked = {name: getattr(order.details, name) for name in names}
        return cls(order_id=order.order_id, site=order.site, state=order.life, **asked)


def orders_router(
    unit: Callable[[str], AbstractAsyncContextManager[Tx]],
    orders: Callable[[Tx], Orders],
    book: OrderBook,
    sites: Sites,
    namespace: UUID,
) -> APIRouter:
    """Place, look up, cancel, hold, release."""
    router = APIRouter(prefix="/api/order", tags=["orders"])

    @router.post("/orders", status_code=status.HTTP_201_CREATED)
    async def place(new: NewOrder, actor: Actor, asked: Asked) -> OrderView:
        request = replace(_request(new, sites, namespace), order_id=asked.id(actor))
        async with unit(actor) as tx:
            is_new = await asked.is_new(tx, actor)
            order = await _granted(commands.place_once(request, orders(tx), actor, is_new=is_new))
        return OrderView.of(order)

    @router.get("/orders")
    async def find(
        accession: Annotated[str | None, Query()] = None,
        placer_order_number: Annotated[str | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> list[OrderView]:
        found = await book.find(accession=accession, placer_order_number=placer_order_number, limit=limit)
        return [OrderView.of(order) for order in found]

    @router.get("/orders/{order_id}")
    async def read(order_id: UUID) -> OrderView:
        order = await book.read(order_id)
        if order is None:
            raise HTTPException(status.HTTP_404_NOT_FOUND, f"no order has the id {order_id}")
        return OrderView.of(order)

    _acts(router, unit, orders)
    return router


def _acts(
    router: APIRouter, unit: Callable[[str], AbstractAsyncContextManager[Tx]], orders: Callable[[Tx], Orders]
) -> None:
    """What is done with an order that is there."""

    @router.post("/orders/{order_id}/cancel")
    async def cancel(order_id: UUID, because: Because, actor: Actor) -> OrderView:
        async with unit(actor) as tx:
            order = await _granted(commands.cancel_order(order_id, because.reason, orders(tx), actor))
        return OrderView.of(order)

    @router.post("/orders/{order_id}/hold")
    async def hold(order_id: UUID, because: Because, actor: Actor) -> OrderView:
        async with unit(actor) as tx:
            order = await _granted(commands.hold_order(order_id, because.reason, orders(tx), actor))
        return OrderView.of(order)

    @router.post("/orders/{order_id}/release")
    async def release(order_id: UUID, because: Because, actor: Actor) -> OrderView:
        async with unit(actor) as tx:
            order = await _granted(commands.release_order(order_id, because.reason, orders(tx), actor))
        return OrderView.of(order)


async def _granted(wish: Awaitable[Order]) -> Order:
    """The order, or what it refuses as an HTTP error."""
    try:
        return await wish
    except NoSuchOrder as error:
        raise HTTPException(status.HTTP_404_NOT_FOUND, str(error)) from None
    except OrderError as error:
        raise HTTPException(status.HTTP_409_CONFLICT, str(error)) from None


def _request(new: NewOrder, sites: Sites, namespace: UUID) -> Request:
    try:
        site = sites[new.site]
    except KeyError:
        raise HTTPException(status.HTTP_422_UNPROCESSABLE_CONTENT, f"there is no site {new.site}") from None
    if new.patient.id is None:
        raise HTTPException(status.HTTP_422_UNPROCESSABLE_CONTENT, "patient.id is missing")
    number = new.accession_number
    return Request(
        site=site.name,
        patient_id=patient_key(namespace, new.patient.id.issuer, new.patient.id.value),
        patient=new.patient,
        procedure=new.procedure,
        source=Source.HTTP,
        accession_issuer=site.issuers.accession,
        priority=new.priority,
        placer_order_number=new.placer_order_number,
        accession_number=Identifier(value=number, issuer=site.issuers.accession) if number else None,
        study_instance_uid=new.study_instance_uid,
        modality=new.modality,
        asked_for=new.asked_for,
        ordering_provider=new.ordering_provider,
        clinical=new.clinical,
    )
