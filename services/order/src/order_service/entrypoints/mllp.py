"""Orders in by MLLP: which order control does what (HL7 v2.5.1 table 0119)."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import Final

from fj_bus import Tx
from fj_hl7 import AckCode, Door, ErrorCode, Hl7Error, Ledger, Message, Refusal

from order_service import handlers
from order_service.domain.errors import NoSuchOrder, OrderError
from order_service.entrypoints.hl7 import Translator, Wish
from order_service.ports import Orders

KINDS: Final = ("ORM^O01", "OMG^O19", "OMI^O23")


async def _place(wish: Wish, orders: Orders) -> None:
    await handlers.place_order(wish.request, orders)


async def _change(wish: Wish, orders: Orders) -> None:
    await handlers.change_order(wish.request.placer_order_number, wish.request, orders)


async def _cancel(wish: Wish, orders: Orders) -> None:
    number = wish.request.placer_order_number
    if number is not None:
        await handlers.cancel_order(number, wish.reason, orders)


CONTROLS: Final[Mapping[str, Callable[[Wish, Orders], Awaitable[None]]]] = MappingProxyType(
    {"NW": _place, "XO": _change, "CA": _cancel, "DC": _cancel}
)


def orders_door(
    translator: Translator,
    unit: Callable[[], AbstractAsyncContextManager[Tx]],
    orders: Callable[[Tx], Orders],
    ledger: Ledger,
) -> Door[Tx]:
    """The door for orders: all groups of a message, or none of them."""

    async def take(message: Message, tx: Tx) -> None:
        for wish in translator.wishes(message):
            await _grant(wish, orders(tx))

    return Door("orders", dict.fromkeys(KINDS, take), unit, ledger)


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
