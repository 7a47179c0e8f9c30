"""Orders in by MLLP: which order control does what (HL7 v2.5.1 table 0119)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import groupby
from types import MappingProxyType
from typing import Final

from fj_bus import Tx
from fj_hl7 import AckCode, Door, ErrorCode, Hl7Error, Ledger, Message, Refusal

from order_service import handlers
from order_service.domain.errors import NoSuchOrder, OrderError
from order_service.entrypoints.hl7 import Translator, Wish
from order_service.ports import Orders

KINDS: Final = ("ORM^O01", "OMG^O19", "OMI^O23")


async def _change(wish: Wish, orders: Orders) -> None:
    await handlers.change_order(wish.request.placer_order_number, wish.request, orders)


async def _cancel(wish: Wish, orders: Orders) -> None:
    number = wish.request.placer_order_number
    if number is not None:
        await handlers.cancel_order(number, wish.reason, orders)


_NEW: Final = "NW"
CONTROLS: Final[Mapping[str, Callable[[Wish, Orders], Awaitable[None]]]] = MappingProxyType(
    {_NEW: _change, "XO": _change, "CA": _cancel, "DC": _cancel}
)
"""What to do about an order that is there."""


def orders_door(
    translator: Translator,
    unit: Callable[[], AbstractAsyncContextManager[Tx]],
    orders: Callable[[Tx], Orders],
    ledger: Ledger,
) -> Door[Tx]:
    """The door for orders: all groups of a message, or none of them."""

    async def take(messages: Sequence[Message], tx: Tx) -> None:
        wishes = [wish for message in messages for wish in translator.wishes(message)]
        for new, run in groupby(wishes, key=lambda wish: wish.control == _NEW):
            for wish in await _not_placed(list(run), orders(tx)) if new else run:
                await _grant(wish, orders(tx))

    return Door("orders", dict.fromkeys(KINDS, take), unit, ledger)


async def _not_placed(wishes: Sequence[Wish], orders: Orders) -> list[Wish]:
    """Take new orders. Returns those whose number is known: the same order again, or a change of it."""
    placed = await handlers.place_orders([wish.request for wish in wishes], orders)
    return [wish for wish, order in zip(wishes, placed, strict=True) if order is None]


async def _grant(wish: Wish, orders: Orders) -> None:
    act = CONTROLS.get(wish.control)
    if act is None:
        text = f"order control {wish.control} is not one of {', '.join(CONTROLS)}"
        raise _refusal(wish, text, ErrorCode.TABLE_VALUE_NOT_FOUND, field=1)
    try:
        await act(wish, orders)
    except NoSuchOrder as error:
        raise _refusal(wish, str(error), ErrorCode.UNKNOWN_KEY_IDENTIFIER, field=2) from None
    except OrderError as error:
        raise _refusal(wish, str(error), ErrorCode.APPLICATION_INTERNAL_ERROR, field=1) from None


def _refusal(wish: Wish, text: str, code: ErrorCode, field: int) -> Refusal:
    return Refusal(AckCode.AE, Hl7Error(text, code, "ORC", wish.orc.sequence, field))
