"""What the handlers need."""

from collections.abc import Iterable, Sequence
from typing import Protocol
from uuid import UUID

from fj_events import Fact, Identifier

from order_service.domain.early import EarlyEntry
from order_service.domain.order import Heard, Order
from order_service.domain.visit import Told, Visit
from order_service.domain.wish import Wish


class Orders(Protocol):
    """The orders, inside one transaction. What is read is locked until its end."""

    async def by_placer_number(self, number: Identifier) -> Order | None:
        """The order that this placer knows by this number."""

    async def by_filler_number(self, number: Identifier) -> Order | None:
        """The order that we know by this accession or filler number; of several the first that has no placer number."""

    async def by_id(self, order_id: UUID) -> Order | None:
        """The order with our own id."""

    async def add(self, orders: Sequence[Order]) -> set[UUID]:
        """Keep new orders; gives the ids of the kept ones.

        Left out are those whose id or placer order number is taken, be it at this instant or by one before in `orders`.
        """

    async def save(self, order: Order) -> None:
        """Keep a changed order; when it was heard of last, only `add` and `heard` keep."""

    async def heard(self, order_id: UUID, heard: Heard, *, worded: bool) -> None:
        """Keep when the newest message about an order was made; `worded`: it said what is asked for."""

    async def lock_numbers(self, numbers: Sequence[Identifier | None]) -> None:
        """Let nobody else place orders with these numbers, nor wait for them, until the end of the transaction."""

    async def keep_early(self, wish: Wish) -> bool:
        """Keep what came before its order. False where too many wait for the order already."""

    async def early(self, numbers: Sequence[Identifier | None]) -> list[tuple[int, Wish]]:
        """What waits for orders with these numbers, with an id, in the order of its time."""

    async def forget_early(self, wish_id: int) -> None:
        """What waited is done."""

    async def refuse_early(self, wish_id: int, reason: str) -> EarlyEntry:
        """What waited cannot be done: it stays for a person to see."""

    async def early_entry(self, wish_id: int) -> EarlyEntry | None:
        """What waits, or could not be done, under this id."""

    async def wait_again(self, wish_id: int) -> Wish | None:
        """What could not be done waits once more, and is returned; None where nothing was refused under this id."""

    async def lock_patients(self, patient_ids: Iterable[UUID]) -> None:
        """Take turns with who hears of visits of these patients and who follows merges of them, until the end."""

    async def lock_told(self) -> None:
        """Take turns with all who hear of visits, until the end: of several numbers one may become the other."""

    async def lock_visits(self, visits: Sequence[Visit]) -> None:
        """Let nobody else place orders on these visits, nor hear of them, until the end of the transaction."""

    async def keep_told(self, told: Told) -> None:
        """Keep what was said last of a visit or account: whose it is, or its number."""

    async def told_of(self, visits: Sequence[Visit]) -> list[Told]:
        """What was said last of these, and of the numbers that they got."""

    async def that_became(self, visit: Visit) -> list[Visit]:
        """This one, and all numbers that became this one."""

    async def visits_told_of(self, patient_ids: Sequence[UUID]) -> list[Visit]:
        """What was moved from or to one of these patients, or got another number as theirs."""

    async def on_visit(self, visit: Visit) -> list[Order]:
        """The orders that were placed on a visit or account, or on a number that became this one, whosever they are."""

    async def are_one(self, order: Order, patient_id: UUID) -> bool:
        """Whether after merges the order is of whom this patient id stands for now."""

    def emit(self, fact: Fact) -> UUID:
        """Say that something happened; it commits with the rest. Returns the id that the fact has on the log."""


class OrderBook(Protocol):
    """Looking orders up, outside of any transaction."""

    async def read(self, order_id: UUID) -> Order | None:
        """One order."""

    async def find(self, *, accession: str | None, placer_order_number: str | None, limit: int) -> list[Order]:
        """The newest orders that have these numbers, whoever gave them out."""

    async def early(self, limit: int) -> list[EarlyEntry]:
        """What waits for its order or was refused when that came, the newest first."""

    async def early_entry(self, wish_id: int) -> EarlyEntry | None:
        """One of them."""
