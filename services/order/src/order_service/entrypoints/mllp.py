"""Orders in by MLLP: which order control does what (HL7 v2.5.1 table 0119)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import groupby
from types import MappingProxyType
from typing import Final

from fj_bus import Tx
from fj_hl7 import AckCode, Door, ErrorCode, Hl7Error, Ledger, Message, Refusal

from order_service import handlers
from order_service.domain.control import CONTROLS
from order_service.domain.errors import NoSuchOrder, NumberTaken, OrderError
from order_service.domain.life import Act
from order_service.entrypoints.hl7 import Translator, Wish
from order_service.ports import Orders

KINDS: Final = ("ORM^O01", "OMG^O19", "OMI^O23")


async def _change(wish: Wish, orders: Orders) -> None:
    await handlers.change_order(wish.number, wish.request, orders)


async def _cancel(wish: Wish, orders: Orders) -> None:
    await handlers.cancel_order(wish.number, wish.reason, orders)


async def _hold(wish: Wish, orders: Orders) -> None:
    await handlers.hold_order(wish.number, wish.reason, orders)


async def _release(wish: Wish, orders: Orders) -> None:
    await handlers.release_order(wish.number, wish.reason, orders)


async def _replace(wish: Wish, orders: Orders) -> None:
    if wish.replacement is not None:
        await handlers.replace_order(wish.number, wish.replacement, wish.reason, orders)


_ACTS: Final[Mapping[Act, Callable[[Wish, Orders], Awaitable[None]]]] = MappingProxyType(
    {
        Act.CHANGE: _change,
        Act.CANCEL: _cancel,
        Act.HOLD: _hold,
        Act.RELEASE: _release,
        Act.REPLACE: _replace,
    }
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
        for new, run in groupby(wishes, key=_places):
            for wish in await _not_placed(list(run), orders(tx)) if new else run:
                await _grant(wish, orders(tx))

    return Door("orders", dict.fromkeys(KINDS, take), unit, ledger)


def _places(wish: Wish) -> bool:
    control = CONTROLS.get(wish.control)
    return control is not None and control.places


async def _not_placed(wishes: Sequence[Wish], orders: Orders) -> list[Wish]:
    """Take new orders. Returns those whose number is known: the same order again, or a change of it."""
    placed = await handlers.place_orders([wish.request for wish in wishes], orders)
    return [wish for wish, order in zip(wishes, placed, strict=True) if order is None]


async def _grant(wish: Wish, orders: Orders) -> None:
    control = CONTROLS.get(wish.control)
    if control is None:
        text = f"order control {wish.control} is not one of {', '.join(CONTROLS)}"
        raise _refusal(wish, text, ErrorCode.TABLE_VALUE_NOT_FOUND, 1)
    try:
        await _ACTS[control.act](wish, orders)
    except NoSuchOrder as error:
        raise _refusal(wish, str(error), ErrorCode.UNKNOWN_KEY_IDENTIFIER, 2, control.unable) from None
    except NumberTaken as error:
        raise _refusal(wish, str(error), ErrorCode.DUPLICATE_KEY_IDENTIFIER, 2, control.unable) from None
    except OrderError as error:
        raise _refusal(wish, str(error), ErrorCode.APPLICATION_INTERNAL_ERROR, 1, control.unable) from None


def _refusal(wish: Wish, text: str, code: ErrorCode, field: int, unable: str | None = None) -> Refusal:
    """The refusal of one order; `unable`: how the reply says so of this order (ORC-1 beside the order's numbers)."""
    reply = (("ORC", unable, wish.orc.raw(2), wish.orc.raw(3)),) if unable else ()
    return Refusal(AckCode.AE, Hl7Error(text, code, "ORC", wish.orc.sequence, field), reply=reply)
