"""What the handlers need."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from fj_events import Fact, Identifier

from order_service.domain.order import Order


class Orders(Protocol):
    """The orders, inside one transaction. What is read is locked until its end."""

    async def by_placer_number(self, number: Identifier) -> Order | None:
        """The order that this placer knows by this number."""

    async def by_id(self, order_id: UUID) -> Order | None:
        """The order with our own id."""

    async def add(self, orders: Sequence[Order]) -> set[UUID]:
        """Keep new orders; gives the ids of the kept ones.

        Those are left out whose placer order number is taken, be it at this instant or by one before it in `orders`.
        """

    async def save(self, order: Order) -> None:
        """Keep a changed order."""

    def emit(self, fact: Fact) -> UUID:
        """Say that something happened; it commits with the rest. Returns the id that the fact has on the log."""


class OrderBook(Protocol):
    """Looking orders up, outside of any transaction."""

    async def read(self, order_id: UUID) -> Order | None:
        """One order."""

    async def find(self, *, accession: str | None, placer_order_number: str | None, limit: int) -> list[Order]:
        """The newest orders that have these numbers, whoever gave them out."""
