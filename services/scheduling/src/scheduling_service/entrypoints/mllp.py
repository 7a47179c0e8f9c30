"""Appointments in by MLLP (HL7 v2.5.1 ch. 10; IHE RAD-48)."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Final

from fj_bus import Tx
from fj_doors import instant, site_of
from fj_events import Identifier
from fj_hl7 import CX, EI, PID, AckCode, Door, ErrorCode, Hl7Error, Intake, Item, Message, Refusal, missing
from fj_runtime import Site, Sites

from scheduling_service import unordered
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
_RESOURCES: Final = (("AIG", 3), ("AIL", 3))


def appointments_door(
    sites: Sites,
    unit: Callable[[], AbstractAsyncContextManager[Tx]],
    schedule: Callable[[Tx], Schedule],
    desk: Desk,
    intake: Intake[Tx],
) -> Door[Tx]:
    """The door for appointments."""

    def taking(told: Told) -> Callable[[Sequence[Message], Tx], Awaitable[None]]:
        async def take(messages: Sequence[Message], tx: Tx) -> None:
            for message in messages:
                news = read_news(message, told, sites)
                try:
                    await unordered.take_news(news, schedule(tx), desk)
                except SchedulingError as error:
                    raise _refusal(error) from error

        return take

    return Door("appointments", {kind: taking(told) for kind, told in KINDS.items()}, unit, intake)


def read_news(message: Message, told: Told, sites: Sites) -> News:
    """A SIU in our own terms. Raises Refusal, which points at what does not fit."""
    site = site_of(message, sites)
    if "SCH" not in message:
        raise missing("SCH")
    placer = _identifier(message, Item.APPOINTMENT_PLACER_NUMBER, site.issuers.placer)
    filler = _identifier(message, Item.APPOINTMENT_FILLER_NUMBER, site.issuers.accession)
    appointment = tuple(_appointment(message, site))
    patient = _patient(message, site)
    if placer is None and filler is None and (not appointment or patient is None):
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
        said_at=_said_at(message, site),
        stations=tuple(_resources(message)),
        appointment=appointment,
        patient=patient,
    )


def _said_at(message: Message, site: Site) -> datetime | None:
    """A clock that is ahead must not silence those who come later: nothing is newer than now."""
    time = message.header.time(7)
    return min(instant(time, site), datetime.now(UTC)) if time is not None else None


def _start(message: Message, site: Site) -> datetime | None:
    """By the first of the places that names a time; with a warning where another one contradicts it."""
    places = ((found, found.time()) for found in message.profile.each(Item.APPOINTMENT_START, message))
    said = [(found, instant(time, site)) for found, time in places if time is not None]
    if not said:
        return None
    (first, starts_at), *others = said
    for found, time in others:
        if time != starts_at and found.segment is not None:
            found.segment.warn(f"{found.source} is another start than {first.source}, which holds")
    return starts_at


def _resources(message: Message) -> Iterator[str]:
    for name, field in _RESOURCES:
        for segment in message.segments(name):
            yield from filter(None, (segment.get(field, component).strip() for component in (1, 2)))


def _appointment(message: Message, site: Site) -> Iterator[Identifier]:
    """What placer and filler of the appointment call it (ch. 10.6.1.1, 10.6.1.2)."""
    for number in (*message["SCH"].each(EI, 1), *message["SCH"].each(EI, 2)):
        if number.value:
            issuer = _authority_of(number) or message.sender.application or site.issuers.placer
            yield Identifier(value=number.value, issuer=issuer)


def _patient(message: Message, site: Site) -> Identifier | None:
    pid = message.segment("PID")
    number = next(iter(PID.read(pid, message.profile).ids), None) if pid is not None else None
    return Identifier(value=number.value, issuer=_authority_of(number) or site.issuers.patient) if number else None


def _authority_of(number: CX | EI) -> str:
    return number.authority.namespace or number.authority.universal_id


def _identifier(message: Message, item: Item, issuer: str) -> Identifier | None:
    found = message.profile.find(item, message)
    if found is None:
        return None
    number = found.read(EI)
    return Identifier(value=number.value, issuer=_authority_of(number) or issuer)


def _refusal(error: SchedulingError) -> Refusal:
    place = ("SCH", 1, 11) if isinstance(error, NotFree) else ("SCH", 1, 26)
    return Refusal(AckCode.AE, Hl7Error(str(error), ErrorCode.APPLICATION_INTERNAL_ERROR, *place))
