"""What a search of Schedule, Slot or Appointment asks for, in our own terms."""

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

import fj_fhir
from fj_fhir import BadSearch, Dated, NoSuchResource, Pointer, Prefix, Token
from fj_fhir.search import Value

from scheduling_service.domain.appointed import Bound, WantedAppointments
from scheduling_service.domain.diary import Room
from scheduling_service.domain.slots import Span
from scheduling_service.free_slots import HORIZON

if TYPE_CHECKING:
    from collections.abc import Callable

Group: TypeAlias = tuple[Value, ...]


def is_asked_for(room: Room, asked: fj_fhir.Search) -> bool:
    """Whether a search of schedules means this room."""
    answers: dict[str, Callable[[Any], bool]] = {
        "_id": lambda token: token.code == str(room.id),
        "identifier": lambda token: token.code == room.station.ae_title and token.issuer in {None, room.site},
        "service-type": lambda token: token.code == room.station.modality,
        "active": lambda token: token.code == "true",
        "_lastUpdated": lambda _: True,
    }
    return all(any(map(answers[each.name], each.values)) for each in asked.criteria)


def is_pointed_at(room: Room, asked: fj_fhir.Search) -> bool:
    """Whether a search of slots means this room."""
    groups = groups_of("schedule", asked)
    return all(any(isinstance(one, Pointer) and one.id == str(room.id) for one in group) for group in groups)


def window(asked: fj_fhir.Search, now: datetime) -> Span:
    """From when to when slots are looked for: as is asked, else from now on, and not further than anybody looks."""
    dates = [one for group in groups_of("start", asked) for one in group if isinstance(one, Dated)]
    start = max((one.earliest for one in dates if one.earliest), default=now)
    end = min((one.latest for one in dates if one.latest), default=start + HORIZON)
    return Span(start, max(start, min(end, start + HORIZON)))


def fits(start: datetime, status: str, asked: fj_fhir.Search) -> bool:
    """Whether a search of slots means this one."""
    for each in asked.criteria:
        if each.name == "start" and not any(isinstance(one, Dated) and one.holds(start) for one in each.values):
            return False
        if each.name == "status" and not any(isinstance(one, Token) and one.code == status for one in each.values):
            return False
    return True


def wanted_appointments(asked: fj_fhir.Search) -> WantedAppointments:
    """A search of appointments in our own terms."""
    ids = [*groups_of("_id", asked), *groups_of("based-on", asked)]
    return WantedAppointments(
        order_ids=tuple(map(_keys, ids)),
        patient_ids=tuple(map(_keys, groups_of("patient", asked))),
        statuses=tuple(frozenset(token.code or "" for token in tokens(group)) for group in groups_of("status", asked)),
        patient_numbers=_numbers("patient.identifier", asked),
        numbers=_numbers("identifier", asked),
        starts=tuple(map(_bounds, groups_of("date", asked))),
        changed=tuple(map(_bounds, groups_of("_lastUpdated", asked))),
        newest_first=bool(asked.sort and asked.sort.descending),
        by_change=bool(asked.sort and asked.sort.name == "_lastUpdated"),
        limit=asked.count + 1,
        offset=asked.offset,
    )


def groups_of(name: str, asked: fj_fhir.Search) -> list[Group]:
    """The values of a parameter: for each time that it was given, those of which one has to fit."""
    return [each.values for each in asked.criteria if each.name == name]


def tokens(group: Group) -> list[Token]:
    """A group as tokens."""
    return [one for one in group if isinstance(one, Token)]


def id_of(resource_type: str, text: str) -> UUID:
    """The id of a resource. Raises NoSuchResource where it cannot be one of ours."""
    try:
        return UUID(text)
    except ValueError:
        raise NoSuchResource(resource_type, text) from None


def moment(name: str, text: str) -> datetime:
    """The first moment that a date or time stands for. Raises BadSearch."""
    try:
        return fj_fhir.interval(text.replace(" ", "+")).low
    except ValueError as error:
        raise BadSearch(name, str(error)) from None


def _numbers(name: str, asked: fj_fhir.Search) -> tuple[frozenset[tuple[str | None, str]], ...]:
    """Numbers, with their issuer where one is asked for."""
    groups = groups_of(name, asked)
    return tuple(frozenset((token.issuer, token.code or "") for token in tokens(group)) for group in groups)


def _keys(group: Group) -> frozenset[UUID]:
    """The ids that can be ours; none where none can."""
    found = set()
    for one in group:
        text = one.id if isinstance(one, Pointer) else one.code if isinstance(one, Token) else None
        with suppress(ValueError):
            found.add(UUID(text or ""))
    return frozenset(found)


def _bounds(group: Group) -> tuple[tuple[Bound, ...], ...]:
    alternatives: list[tuple[Bound, ...]] = []
    for one in group:
        if isinstance(one, Dated):
            before, since = Bound("<", one.span.low), Bound(">=", one.span.low)
            until, after = Bound("<", one.span.high), Bound(">=", one.span.high)
            either: dict[Prefix, list[tuple[Bound, ...]]] = {
                Prefix.EQ: [(since, until)],
                Prefix.NE: [(before,), (after,)],
                Prefix.GT: [(after,)],
                Prefix.LT: [(before,)],
                Prefix.GE: [(since,)],
                Prefix.LE: [(until,)],
            }
            alternatives += either[one.prefix]
    return tuple(alternatives)
