"""Appointments in by MLLP (HL7 v2.5.1 ch. 10; IHE RAD-48)."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Final

from fj_bus import Tx
from fj_events import Identifier
from fj_hl7 import EI, AckCode, Door, ErrorCode, Hl7Error, Ledger, Message, Refusal, Segment, missing
from fj_runtime import Site, Sites

from scheduling_service import siu
from scheduling_service.appointments import Desk
from scheduling_service.domain.errors import NotFree, SchedulingError
from scheduling_service.domain.news import News, Told
from scheduling_service.ports import Schedule

KINDS: Final = {
    **dict.fromkeys(("SIU^S12", "SIU^S13", "SIU^S14"), Told.BOOKED),
    **dict.fromkeys(("SIU^S15", "SIU^S17"), Told.GIVEN_UP),
    "SIU^S26": Told.MISSED,
}
_NEEDS_A_TIME: Final = frozenset({"SIU^S12", "SIU^S13"})
_TIMES: Final = (("AIS", 4, 1), ("TQ1", 7, 1), ("SCH", 11, 4), ("AIL", 6, 1), ("AIG", 8, 1))
"""Where the start may stand: segment, field, component; the service's own before those of rooms and equipment."""
_RESOURCES: Final = (("AIG", 3), ("AIL", 3))


def appointments_door(
    sites: Sites,
    unit: Callable[[], AbstractAsyncContextManager[Tx]],
    schedule: Callable[[Tx], Schedule],
    desk: Desk,
    ledger: Ledger,
) -> Door[Tx]:
    """The door for appointments."""

    def taking(told: Told) -> Callable[[Sequence[Message], Tx], Awaitable[None]]:
        async def take(messages: Sequence[Message], tx: Tx) -> None:
            for message in messages:
                news = read_news(message, told, sites)
                try:
                    await siu.take_news(news, schedule(tx), desk)
                except SchedulingError as error:
                    raise _refusal(error) from error

        return take

    return Door("appointments", {kind: taking(told) for kind, told in KINDS.items()}, unit, ledger)


def read_news(message: Message, told: Told, sites: Sites) -> News:
    """A SIU in our own terms. Raises Refusal, which points at what does not fit."""
    site = sites.of_sender(*message.sender)
    sch = message["SCH"]
    placer = _identifier(sch, 26, site.issuers.placer)
    filler = _identifier(sch, 27, site.issuers.accession)
    if placer is None and filler is None:
        raise missing("SCH", 1, 26)
    starts_at = _start(message, site) if told is Told.BOOKED else None
    if starts_at is None and message.kind in _NEEDS_A_TIME:
        raise missing("SCH", 1, 11, 4)
    return News(
        site=site.name,
        told=told,
        placer_order_number=placer,
        accession_or_filler=filler,
        starts_at=starts_at,
        stations=tuple(_resources(message)),
    )


def _start(message: Message, site: Site) -> datetime | None:
    for name, field, component in _TIMES:
        segment = message.segment(name)
        time = segment.time(field, component) if segment is not None else None
        if time is not None:
            return time.at if time.at.tzinfo else site.localize(time.at)
    return None


def _resources(message: Message) -> Iterator[str]:
    for name, field in _RESOURCES:
        for segment in message.segments(name):
            yield from filter(None, (segment.get(field, component).strip() for component in (1, 2)))


def _identifier(segment: Segment, field: int, issuer: str) -> Identifier | None:
    number = segment.first(EI, field)
    if number is None or not number.value:
        return None
    return Identifier(value=number.value, issuer=number.authority.namespace or number.authority.universal_id or issuer)


def _refusal(error: SchedulingError) -> Refusal:
    place = ("SCH", 1, 11) if isinstance(error, NotFree) else ("SCH", 1, 26)
    return Refusal(AckCode.AE, Hl7Error(str(error), ErrorCode.APPLICATION_INTERNAL_ERROR, *place))
