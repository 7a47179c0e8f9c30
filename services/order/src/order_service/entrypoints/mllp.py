"""Orders in by MLLP: which order control does what (HL7 v2.5.1 table 0119)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from fj_bus import Tx
from fj_hl7 import AckCode, Door, ErrorCode, Foreseeing, Group, Hl7Error, Intake, Message, Refusal, Reply
from prometheus_client import Counter

from order_service import commands
from order_service.domain.control import CONTROLS
from order_service.domain.errors import NoSuchOrder, NumberTaken, OrderError
from order_service.domain.numbers import accession_number
from order_service.entrypoints.hl7 import Said, Translator
from order_service.ports import Orders

KINDS: Final = ("ORM^O01", "OMG^O19", "OMI^O23")


WISHES: Final = Counter("order_wishes_total", "What became of what placers want of orders.", ["outcome"])


def orders_door(
    translator: Translator,
    unit: Callable[..., AbstractAsyncContextManager[Tx]],
    orders: Callable[[Tx], Orders],
    intake: Intake[Tx],
) -> Door[Tx]:
    """The door for orders: all groups of a message, or none of them."""

    def read(message: Message) -> Sequence[_Asked]:
        return [_Asked(said, message.code) for said in translator.wishes(message)]

    def expects(asked: Sequence[_Asked]) -> Reply:
        return [segment for each in asked for segment in each.done(_number(each) if _places(each) else "")]

    async def take(messages: Sequence[Sequence[_Asked]], tx: Tx) -> Sequence[Reply]:
        replies: list[list[Sequence[str]]] = [[] for _ in messages]
        everything = [_Place(each, reply) for message, reply in zip(messages, replies, strict=True) for each in message]
        for new, run in groupby(everything, key=lambda place: _places(place.asked)):
            for place in await _not_placed(list(run), orders(tx)) if new else run:
                await _grant(place, orders(tx))
        return replies

    return Door("orders", dict.fromkeys(KINDS, Foreseeing(read, expects, take)), unit, intake)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One order of a message."""

    said: Said
    code: str
    """Of its message (MSH-9.1)."""

    def done(self, filler: str = "") -> Reply:
        """That it was done as the order control wanted; `filler` is our number where the message has none."""
        done = CONTROLS[self.said.wish.control].done
        reply: list[Sequence[str]] = []
        for group in self.said.groups:
            orc = group["ORC"]
            reply.append(("ORC", done, orc.raw(2), orc.raw(3) or filler))
            reply.extend((line,) for line in _details(group, self.code))
        return reply


@dataclass(frozen=True, slots=True)
class _Place:
    """One order of a message, and the reply in which it is answered."""

    asked: _Asked
    reply: list[Sequence[str]]


def _number(asked: _Asked) -> str:
    """The accession number that an order has if it is new."""
    request = asked.said.wish.request
    made = request.accession_number or accession_number(request.order_id, request.accession_issuer)
    return made.value


def _details(group: Group, code: str) -> Iterator[str]:
    """ORI names of each order OBR and IPC (ch. 4.4.11); ORR and ORG need not."""
    names = ("OBR", "IPC") if code == "OMI" else ()
    return (str(segment) for name in names for segment in group.segments(name))


def _places(asked: _Asked) -> bool:
    return CONTROLS[asked.said.wish.control].places


async def _not_placed(everything: Sequence[_Place], orders: Orders) -> list[_Place]:
    """Take new orders. Returns those whose number is known: the same order again, or a change of it."""
    placed = await commands.place_orders([place.asked.said.wish.request for place in everything], orders)
    for place, order in zip(everything, placed, strict=True):
        if order is not None:
            place.reply.extend(place.asked.done(order.details.accession_number.value))
    return [place for place, order in zip(everything, placed, strict=True) if order is None]


async def _grant(place: _Place, orders: Orders) -> None:
    said, wish = place.asked.said, place.asked.said.wish
    unable = CONTROLS[wish.control].unable
    try:
        outcome = await commands.grant(wish, orders)
    except NoSuchOrder as error:
        raise _refusal(said, str(error), ErrorCode.UNKNOWN_KEY_IDENTIFIER, 2, unable) from None
    except NumberTaken as error:
        raise _refusal(said, str(error), ErrorCode.DUPLICATE_KEY_IDENTIFIER, 2, unable) from None
    except OrderError as error:
        raise _refusal(said, str(error), ErrorCode.APPLICATION_INTERNAL_ERROR, 1, unable) from None
    WISHES.labels(outcome).inc()
    if outcome is commands.Outcome.DONE:
        place.reply.extend(place.asked.done())


def _refusal(said: Said, text: str, code: ErrorCode, field: int, unable: str) -> Refusal:
    """The refusal of one order; `unable`: how the reply says so of this order (ORC-1 beside the order's numbers)."""
    orcs = [group["ORC"] for group in said.groups]
    reply = tuple(("ORC", unable, orc.raw(2), orc.raw(3)) for orc in orcs)
    return Refusal(AckCode.AE, Hl7Error(text, code, "ORC", orcs[0].sequence, field), reply=reply)
