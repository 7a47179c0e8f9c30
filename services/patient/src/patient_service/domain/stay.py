"""What a visit is by now, from all that ADT said of it (HL7 v2.5.1 ch. 3.3): how far it is, and where the patient is.

Every event is kept, and what is so by now follows from them in the order of their times. So an older message undoes no
newer one, and a cancel takes back the event before it that it cancels, whichever came first.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final, NamedTuple
from uuid import UUID

from fj_events import PatientLocation, VisitState

from patient_service.domain.renumbering import Renumbering
from patient_service.domain.renumbering import last as last_number
from patient_service.domain.visit import Move, Visit


class Effect(NamedTuple):
    """What an event does besides saying class and location."""

    state: VisitState | None = None
    cancels: frozenset[str] = frozenset()
    """Of these events it takes back the last one."""


EFFECTS: Final[Mapping[str, Effect]] = MappingProxyType(
    {
        "A01": Effect(VisitState.ADMITTED),
        "A02": Effect(),
        "A03": Effect(VisitState.DISCHARGED),
        "A04": Effect(VisitState.ADMITTED),
        "A05": Effect(VisitState.PLANNED),
        "A06": Effect(VisitState.ADMITTED),
        "A07": Effect(VisitState.ADMITTED),
        "A08": Effect(),
        "A09": Effect(),
        "A10": Effect(),
        "A11": Effect(VisitState.CANCELLED, frozenset({"A01", "A04"})),
        "A12": Effect(None, frozenset({"A02"})),
        "A13": Effect(VisitState.ADMITTED, frozenset({"A03"})),
        "A38": Effect(VisitState.CANCELLED, frozenset({"A05"})),
        "A50": Effect(),
        "A51": Effect(),
    }
)
"""The events of a visit. Of one that nobody admitted, a transfer or an update says that the patient is here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One ADT event of a visit."""

    visit_id: UUID
    patient_id: UUID
    site: str
    trigger: str
    at: datetime
    patient_class: str | None = None
    location: PatientLocation | None = None
    """None: nothing is said of it; without any part: it is deleted."""
    prior_location: PatientLocation | None = None
    """PV1-6."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """What a visit is by now."""

    patient_ids: tuple[UUID, ...]
    """All numbers under which it was told of."""
    site: str
    at: datetime
    """When the last of it happened."""
    state: VisitState | None = None
    """None where nothing holds that was said."""
    patient_class: str | None = None
    location: PatientLocation | None = None
    """None unless the patient is here, and it is known where."""


class Node(NamedTuple):
    """A visit number of a patient: others may have a visit of the same number."""

    visit_id: UUID
    patient_id: UUID


def stay(events: Collection[Event], patient_ids: Iterable[UUID]) -> Stay:
    """What is so after at least one event. Their order of arrival decides between those of one instant."""
    standing: tuple[Event, ...] = ()
    said = sorted(events, key=lambda each: each.at)
    for event in said:
        standing = _CANCELS.get(event.trigger, _adds)(standing, event)
    states = [state for event in standing if (state := EFFECTS[event.trigger].state)]
    state = states[-1] if states else VisitState.ADMITTED
    classes = [event.patient_class for event in standing if event.patient_class]
    location = _where(standing) if state is VisitState.ADMITTED else None
    return Stay(
        patient_ids=tuple(sorted(patient_ids)),
        site=said[-1].site,
        at=said[-1].at,
        state=state,
        patient_class=classes[-1] if classes else None,
        location=location if location and location.display else None,
    )


def _where(standing: Collection[Event]) -> PatientLocation | None:
    return next((event.location for event in reversed([*standing]) if event.location is not None), None)


def _adds(standing: tuple[Event, ...], event: Event) -> tuple[Event, ...]:
    return (*standing, event)


def _cancels_admission(standing: tuple[Event, ...], event: Event) -> tuple[Event, ...]:
    """With all that came after it. What was planned before stays planned."""
    first = _last(standing, EFFECTS[event.trigger].cancels)
    planned = _last(standing, frozenset({"A05"}))
    kept = standing[: planned + 1 if first is None and planned is not None else first or 0]
    return kept if any(EFFECTS[each.trigger].state for each in kept) else (*kept, event)


def _cancels_plan(standing: tuple[Event, ...], event: Event) -> tuple[Event, ...]:
    """In its place: who was admitted since then stays so."""
    place = _last(standing, EFFECTS[event.trigger].cancels)
    return (event, *standing) if place is None else (*standing[:place], event, *standing[place + 1 :])


def _cancels_transfer(standing: tuple[Event, ...], event: Event) -> tuple[Event, ...]:
    """With what was said since then of the same place. PV1-3 of the cancel says where the patient was before."""
    place = _last(standing, EFFECTS[event.trigger].cancels)
    if place is None:
        return _adds(standing, event)
    wrong = standing[place]
    kept = [*standing[:place], *(_without(each, wrong.location) for each in standing[place + 1 :])]
    return (*kept, replace(event, location=event.location or wrong.prior_location))


def _cancels_discharge(standing: tuple[Event, ...], event: Event) -> tuple[Event, ...]:
    place = _last(standing, EFFECTS[event.trigger].cancels)
    return _adds(standing if place is None else standing[:place] + standing[place + 1 :], event)


_CANCELS: Final[Mapping[str, Callable[[tuple[Event, ...], Event], tuple[Event, ...]]]] = MappingProxyType(
    {"A11": _cancels_admission, "A12": _cancels_transfer, "A13": _cancels_discharge, "A38": _cancels_plan}
)


def _last(standing: tuple[Event, ...], triggers: frozenset[str]) -> int | None:
    return max((place for place, event in enumerate(standing) if event.trigger in triggers), default=None)


def _without(event: Event, location: PatientLocation | None) -> Event:
    return replace(event, location=None) if event.location == location else event


def ties(
    visits: Collection[Visit], moves: Mapping[UUID, Collection[Move]], numbers: Mapping[UUID, Collection[Renumbering]]
) -> list[tuple[Node, Node]]:
    """What is one visit: the same of both patients where it was moved, under both numbers where it got another one."""
    found = [
        (Node(visit_id, move.prior_id), Node(visit_id, move.holder_id))
        for visit_id, said in moves.items()
        for move in said
        if not move.undone
    ]
    by_number = {visit.number: visit.visit_id for visit in visits}
    for visit_id, renumberings in numbers.items():
        counts = last_number(renumberings)
        if counts is not None and counts.number in by_number:
            present = by_number[counts.number]
            found += [(Node(visit_id, patient), Node(present, patient)) for patient in sorted(counts.patient_ids)]
    return found


def groups(nodes: Iterable[Node], tied: Iterable[tuple[Node, Node]]) -> list[frozenset[Node]]:
    """What hangs together."""
    group_of = {node: frozenset({node}) for node in nodes}
    for one, other in tied:
        joined = group_of.get(one, frozenset({one})) | group_of.get(other, frozenset({other}))
        group_of.update(dict.fromkeys(joined, joined))
    return sorted(set(group_of.values()), key=min)
