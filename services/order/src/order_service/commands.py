"""What somebody asks for: one function per command."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from fj_events import DeliveryDelivered, Identifier, OrderHeld, OrderReleased, Source

from order_service import visits
from order_service.domain import facts
from order_service.domain import order as domain
from order_service.domain.control import CONTROLS
from order_service.domain.early import given_up
from order_service.domain.errors import NoSuchOrder, NumberTaken, OrderError, OtherNumber, OtherPatient
from order_service.domain.life import Act
from order_service.domain.order import Order, Request
from order_service.domain.wish import Wish, is_older
from order_service.ports import Orders


class Outcome(StrEnum):
    """What became of a wish that was not refused."""

    DONE = "done"
    OLDER = "older"
    """A newer message about the order was heard before: nothing changed."""
    WAITS = "waits"
    """The order is not known yet."""


async def grant(wish: Wish, orders: Orders) -> Outcome:
    """Do to an order what its placer wants, unless something newer was heard of it; before its order it waits.

    Of a replacement the new order is placed, and the end of the old one waits. Raises what the act raises, and
    NoSuchOrder for what cannot wait.
    """
    control = CONTROLS[wish.control]
    await visits.take_turns(wish.requests, orders)
    known = await (_by_filler(wish, orders) if control.by_filler else orders.by_placer_number(wish.number))
    if known is None and control.waits:
        await orders.lock_numbers([wish.number, *(request.placer_order_number for request in wish.requests)])
        known = await orders.by_placer_number(wish.number)
    if known is None:
        if not (control.waits and await orders.keep_early(wish.as_it_comes)):
            raise NoSuchOrder(str(wish.number))
        await _place_instead(wish, orders)
        return Outcome.WAITS
    if is_older(wish.heard, domain.heard_before(known, wish.heard, control.act)):
        return Outcome.OLDER
    await _ACTS[control.act](wish, orders)
    if not is_older(wish.heard, known.heard):
        await orders.heard(known.order_id, wish.heard, worded=control.act in domain.WORDING)
    return Outcome.DONE


async def place_once(request: Request, orders: Orders, actor: str, *, is_new: bool) -> Order:
    """Take a new order (NW). The same placer number again is the same order, changed where the message differs.

    A request that is not new is the order that it was granted, as that is now: its sender had no answer.
    """
    if not is_new:
        return await orders.by_id(request.order_id) or await _known(request.placer_order_number, orders)
    [order] = await place_orders([request], orders, actor)
    return order or await change_order(request.placer_order_number, request, orders, actor)


async def place_orders(
    requests: Sequence[Request], orders: Orders, actor: str | None = None, replaces: UUID | None = None
) -> list[Order | None]:
    """Take new orders, many at once. None stands for one whose placer number is known: at most a change of it.

    What was heard of them before, and waited, is done now.
    """
    await visits.take_turns(requests, orders)
    placed = [domain.place(request, request.order_id) for request in await visits.new_as_told(requests, orders)]
    await orders.lock_numbers([order.details.placer_order_number for order in placed])
    kept = await orders.add(placed)
    for order in placed:
        if order.order_id in kept:
            orders.emit(facts.placed(order, actor, replaces))
    await _wake([order for order in placed if order.order_id in kept], orders)
    return [order if order.order_id in kept else None for order in placed]


async def change_order(
    number: Identifier | UUID | None, request: Request, orders: Orders, actor: str | None = None
) -> Order:
    """Change an order before its exam starts (XO). Raises NoSuchOrder, NotPossible, OtherPatient."""
    await visits.take_turns([request], orders)
    known = await _known(number, orders)
    request = await visits.as_told(request, orders, known)
    merged = request.patient_id != known.details.patient_id and await orders.are_one(known, request.patient_id)
    order = domain.change(known, request, merged=merged)
    if changed := domain.differences(known.details, order.details):
        fact_id = orders.emit(facts.changed(order, changed, actor))
        order = domain.told(order, fact_id, known.details)
    if order != known:
        await orders.save(order)
        if request.source is not Source.HL7:  # newer than all messages so far, should one of them be read again
            await orders.heard(order.order_id, request.heard, worded=True)
    return order


async def cancel_order(
    number: Identifier | UUID, reason: str | None, orders: Orders, actor: str | None = None
) -> Order:
    """Take an order back before its exam starts (CA, DC); twice is once. Raises NoSuchOrder, NotPossible."""
    known = await _known(number, orders)
    order = domain.act_on(known, Act.CANCEL)
    if order != known:
        await orders.save(order)
        orders.emit(facts.cancelled(order, reason, actor))
    return order


async def replace_order(
    number: Identifier, request: Request, reason: str | None, orders: Orders, actor: str | None = None
) -> Order:
    """Cancel an order and place another one instead of it (RP with RO). One with the same number is a change.

    Raises NoSuchOrder, NotPossible, NumberTaken.
    """
    if request.placer_order_number == number:
        return await change_order(number, request, orders, actor)
    known = await _known(number, orders)
    replaced = domain.act_on(known, Act.REPLACE)
    order = await orders.by_id(request.order_id)  # there, where the replacement came before the order
    if order is None:
        order = await _place_new(request, orders, actor, replaces=known.order_id)
    await orders.save(replaced)
    orders.emit(facts.cancelled(replaced, reason, actor, replaced_by=order.order_id))
    return order


async def hold_order(number: Identifier | UUID, reason: str | None, orders: Orders, actor: str | None = None) -> Order:
    """Let an order wait, before its exam starts (HD); twice is once. Raises NoSuchOrder, NotPossible."""
    known = await _known(number, orders)
    order = domain.act_on(known, Act.HOLD)
    if order != known:
        await orders.save(order)
        orders.emit(OrderHeld(**facts.paused(order, reason, actor)))
    return order


async def release_order(
    number: Identifier | UUID, reason: str | None, orders: Orders, actor: str | None = None
) -> Order:
    """A held order need not wait any longer (RL); one that is not held stays. Raises NoSuchOrder, NotPossible."""
    known = await _known(number, orders)
    order = domain.act_on(known, Act.RELEASE)
    if order != known:
        await orders.save(order)
        orders.emit(OrderReleased(**facts.paused(order, reason, actor)))
    return order


async def number_order(order: Order, number: Identifier, orders: Orders, patient_id: UUID | None = None) -> None:
    """Its placer gives an order that was born here a number (NA); twice is once. What waited for that number is done.

    Raises OtherNumber, NumberTaken, OtherPatient.
    """
    known = order.details
    named = order.named.patient_id if order.named else None
    if patient_id not in {None, known.patient_id, named} and not await orders.are_one(order, patient_id):
        raise OtherPatient
    given = domain.numbered(order, number)
    if given == order:
        return
    await orders.lock_numbers([number])
    if await orders.by_placer_number(number) is not None:
        raise NumberTaken(str(number))
    await orders.save(given)
    orders.emit(facts.changed(given, domain.differences(known, given.details), None))
    await _wake([given], orders)


async def take_number(delivery: DeliveryDelivered, orders: Orders) -> None:
    """A placer has answered our wish for a number with one. Where one does not fit, the first one stands."""
    number, order_id = delivery.placer_order_number, delivery.order_id
    order = await orders.by_id(order_id) if number and order_id else None
    if order is not None and number is not None:
        with suppress(OtherNumber, NumberTaken):
            await number_order(order, number, orders)


async def _place_instead(wish: Wish, orders: Orders) -> None:
    """Nobody waits for the order that is wanted instead of one that is not known yet. Raises NumberTaken."""
    if wish.replacement is not None and wish.replacement.placer_order_number != wish.number:
        await _place_new(wish.replacement, orders)


async def _place_new(request: Request, orders: Orders, actor: str | None = None, replaces: UUID | None = None) -> Order:
    [order] = await place_orders([request], orders, actor, replaces)
    if order is None:
        raise NumberTaken(str(request.placer_order_number))
    return order


async def _by_filler(wish: Wish, orders: Orders) -> Order | None:
    """The order that a message means by a number of ours."""
    for number in (wish.request.accession_number, wish.request.filler_order_number):
        if number is not None and (order := await orders.by_filler_number(number)) is not None:
            return order
    return None


async def _known(number: Identifier | UUID | None, orders: Orders) -> Order:
    by_number = orders.by_id(number) if isinstance(number, UUID) else number and orders.by_placer_number(number)
    known = await by_number if by_number else None
    if known is None:
        raise NoSuchOrder(str(number or ""))
    return known


async def _wake(placed: Sequence[Order], orders: Orders) -> None:
    """What came before its order is done in the order of its time; what is refused now, a person has to see."""
    order_ids = {order.details.placer_order_number: order.order_id for order in placed}
    for wish_id, wish in await orders.early(list(order_ids)):
        await do_early(wish_id, wish, order_ids[wish.number], orders)


async def do_early(wish_id: int, wish: Wish, order_id: UUID, orders: Orders) -> None:
    """What waited for this order, which is here."""
    try:
        await grant(wish, orders)
    except OrderError as error:
        orders.emit(given_up(await orders.refuse_early(wish_id, str(error)), order_id))
    else:
        await orders.forget_early(wish_id)


async def _change(wish: Wish, orders: Orders) -> None:
    await change_order(wish.number, wish.request, orders)


async def _cancel(wish: Wish, orders: Orders) -> None:
    await cancel_order(wish.number, wish.reason, orders)


async def _hold(wish: Wish, orders: Orders) -> None:
    await hold_order(wish.number, wish.reason, orders)


async def _release(wish: Wish, orders: Orders) -> None:
    await release_order(wish.number, wish.reason, orders)


async def _replace(wish: Wish, orders: Orders) -> None:
    if wish.replacement is not None:
        await replace_order(wish.number, wish.replacement, wish.reason, orders)


async def _number(wish: Wish, orders: Orders) -> None:
    known = await _by_filler(wish, orders)
    if known is not None:
        await number_order(known, wish.number, orders, wish.request.patient_id)


_ACTS: Final[Mapping[Act, Callable[[Wish, Orders], Awaitable[None]]]] = MappingProxyType(
    {
        Act.CHANGE: _change,
        Act.CANCEL: _cancel,
        Act.HOLD: _hold,
        Act.RELEASE: _release,
        Act.REPLACE: _replace,
        Act.NUMBER: _number,
    }
)
"""What to do about an order that is there."""
