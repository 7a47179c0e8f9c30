"""`/api/ehr_sync`: what was delivered, what waits, and sending again."""

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import UTC, datetime
from typing import Annotated, Protocol
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, status
from fj_bus import Asked, Tx
from fj_events import DeliveryKind
from fj_runtime import Actor
from pydantic import BaseModel, ConfigDict, Field

from ehr_sync_service import handlers
from ehr_sync_service.domain.delivery import Delivery, Fault, State
from ehr_sync_service.domain.errors import DeliveryError, NoSuchDelivery
from ehr_sync_service.ports import Ledger


class DeliveryView(BaseModel):
    """A delivery as an operator sees it."""

    delivery_id: UUID
    destination: str
    kind: DeliveryKind
    message_type: str
    status: str
    control_id: str
    exam_key: str
    order_id: UUID | None
    report_id: UUID | None
    report_version: int | None
    state: State
    happened_at: datetime
    next_attempt_at: datetime | None
    """Only while it is pending."""
    attempts: int
    last_fault: Fault | None
    last_error: str
    """May hold the destination's own words."""
    actor: str | None

    @classmethod
    def of(cls, delivery: Delivery) -> "DeliveryView":
        report_id, version = delivery.report or (None, None)
        telling = delivery.telling
        pending = delivery.state is State.PENDING
        return cls(
            delivery_id=delivery.delivery_id,
            destination=delivery.destination,
            kind=telling.kind,
            message_type=delivery.message_type,
            status=telling.status,
            control_id=delivery.control_id,
            exam_key=delivery.exam_key,
            order_id=delivery.order_id,
            report_id=report_id,
            report_version=version,
            state=delivery.state,
            happened_at=delivery.happened_at,
            next_attempt_at=delivery.next_attempt_at if pending else None,
            attempts=delivery.attempts,
            last_fault=delivery.last_fault,
            last_error=delivery.last_error,
            actor=delivery.actor,
        )


class Because(BaseModel):
    """Why a person wants it."""

    model_config = ConfigDict(extra="forbid")

    reason: str | None = Field(default=None, max_length=1000)


class DeliveryBook(Protocol):
    """Looking deliveries up, outside of any transaction."""

    async def find(self, *, exam: str | None, destination: str | None, state: str | None, limit: int) -> list[Delivery]:
        """The newest deliveries of an exam, to a destination, in a state."""

    async def read(self, delivery_id: UUID) -> Delivery | None:
        """One of them."""


def deliveries_router(
    unit: Callable[[str], AbstractAsyncContextManager[Tx]],
    ledger: Callable[[Tx], Ledger],
    book: DeliveryBook,
    hint: Callable[[], None],
) -> APIRouter:
    """Look up, send again, dismiss."""
    router = APIRouter(prefix="/api/ehr_sync", tags=["deliveries"])
    _looking(router, book)
    _acting(router, unit, ledger, hint)
    return router


def _looking(router: APIRouter, book: DeliveryBook) -> None:

    @router.get("/deliveries")
    async def find(
        exam: Annotated[str | None, Query(description="exam key")] = None,
        destination: Annotated[str | None, Query()] = None,
        state: Annotated[State | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> list[DeliveryView]:
        found = await book.find(exam=exam, destination=destination, state=state, limit=limit)
        return [DeliveryView.of(delivery) for delivery in found]

    @router.get("/deliveries/{delivery_id}")
    async def read(delivery_id: UUID) -> DeliveryView:
        found = await book.read(delivery_id)
        if found is None:
            raise HTTPException(status.HTTP_404_NOT_FOUND, str(NoSuchDelivery(delivery_id)))
        return DeliveryView.of(found)


def _acting(
    router: APIRouter,
    unit: Callable[[str], AbstractAsyncContextManager[Tx]],
    ledger: Callable[[Tx], Ledger],
    hint: Callable[[], None],
) -> None:
    @router.post("/deliveries/{delivery_id}/repeat")
    async def repeat(delivery_id: UUID, actor: Actor, asked: Asked, because: Because | None = None) -> DeliveryView:
        """Send it again, now."""
        reason = because.reason if because else None
        with _refusals():
            async with unit(actor) as tx:
                if await asked.is_new(tx, actor):
                    delivery = await handlers.repeat(delivery_id, actor, reason, datetime.now(UTC), ledger(tx))
                else:
                    delivery = await handlers.known_delivery(delivery_id, ledger(tx))
        hint()
        return DeliveryView.of(delivery)

    @router.post("/deliveries/{delivery_id}/cancel")
    async def cancel(delivery_id: UUID, actor: Actor, because: Because | None = None) -> DeliveryView:
        """Nothing is to be done about what was given up."""
        with _refusals():
            async with unit(actor) as tx:
                delivery = await handlers.cancel(delivery_id, actor, because.reason if because else None, ledger(tx))
        return DeliveryView.of(delivery)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except NoSuchDelivery as error:
        raise HTTPException(status.HTTP_404_NOT_FOUND, str(error)) from None
    except DeliveryError as error:
        raise HTTPException(status.HTTP_409_CONFLICT, str(error)) from None
