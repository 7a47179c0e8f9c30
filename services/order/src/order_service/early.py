"""What a person does about what came before its order and could not be done when that came."""

from fj_events import WorkSettledAs

from order_service import commands, visits
from order_service.domain.early import EarlyEntry, settled
from order_service.domain.errors import NotWaiting
from order_service.ports import Orders


async def repeat(wish_id: int, reason: str | None, orders: Orders) -> EarlyEntry | None:
    """Try once more what was given up; without its order it waits again. None: it is done.

    What is older than what was heard of the order since changes nothing, and is done too. Raises NotWaiting.
    """
    wish = await orders.wait_again(wish_id)
    entry = await orders.early_entry(wish_id)
    if wish is None or entry is None:
        raise NotWaiting
    orders.emit(settled(entry, WorkSettledAs.REPEATED, reason))
    await visits.take_turns(wish.requests, orders)
    await orders.lock_numbers([wish.number])
    order = await orders.by_placer_number(wish.number)
    if order is not None:
        await commands.do_early(wish_id, wish, order.order_id, orders)
    return await orders.early_entry(wish_id)


async def cancel(wish_id: int, reason: str, orders: Orders) -> None:
    """Nothing is to be done about it, or it shall not wait any longer. Raises NotWaiting."""
    entry = await orders.early_entry(wish_id)
    if entry is None:
        raise NotWaiting
    await orders.forget_early(wish_id)
    orders.emit(settled(entry, WorkSettledAs.CANCELLED, reason))
