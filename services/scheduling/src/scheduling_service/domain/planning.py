"""Auto-scheduling: from an order to its steps, by the catalogue."""

import hashlib
from base64 import b32encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain, repeat
from typing import Final
from uuid import UUID

from fj_events import CodedConcept, OrderDetails, OrderedStep, ScheduledStep

from scheduling_service.domain.catalogue import Catalogue, Procedure, Station, StepTemplate
from scheduling_service.domain.exam import Exam, Ordered
from scheduling_service.domain.procedures import procedure_of, rooms, spelled_out, text_of, wanted
from scheduling_service.domain.step import Step

SH: Final = 16
"""Longest short string (PS3.5 Table 6.2-1), characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a plan depends on besides the order."""

    catalogue: Catalogue
    now: datetime
    open_steps: Mapping[str, int]
    """By AE title of the stations to choose from: how many steps wait there on that day."""


@dataclass(frozen=True, slots=True)
class _Place:
    station: Station
    why: str
    group: tuple[str, ...] | None = None


def plan(order_id: UUID, site: str, details: OrderDetails, circumstances: Circumstances) -> Exam:
    """The exam of a new order: its steps one after the other, at the time asked for or now."""
    procedure, known = procedure_of(details, circumstances.catalogue)
    asked = spelled_out(details, circumstances.catalogue)
    places = [_place(step, wanted(asked, number), site, circumstances) for number, step in enumerate(procedure.steps)]
    start = _start(details.asked_for or circumstances.now)
    reasons = ["at the time asked for" if details.asked_for else "as soon as possible: no time was asked for"]
    reasons += dict.fromkeys(place.why for place in places)
    return Exam(
        key=str(order_id),
        site=site,
        study_instance_uid=details.study_instance_uid,
        ordered=Ordered(
            order_id=order_id,
            details=details,
            procedure=_named(details.procedure, procedure),
            planned_because="; ".join(reasons if known is None else [*reasons, known]),
        ),
        steps=_steps(order_id, asked, procedure, places, start),
    )


def choice(site: str, details: OrderDetails, catalogue: Catalogue) -> set[str]:
    """The AE titles between which the load decides; none where there is nothing to choose."""
    procedure, _ = procedure_of(details, catalogue)
    asked = spelled_out(details, catalogue)
    wishes = [wanted(asked, number) for number in range(len(procedure.steps))]
    open_to_choice = (pair for pair in zip(procedure.steps, wishes, strict=True) if not pair[1].station_ae_title)
    stations = (rooms(step, wish, site, catalogue) for step, wish in open_to_choice)
    return {station.ae_title for group in stations if len(group) > 1 for station in group}


def replan(exam: Exam, ordered: Ordered, details: OrderDetails, circumstances: Circumstances) -> Exam:
    """The exam after its order changed, before the start. What the change does not touch stays as it was planned."""
    if _planned_by(ordered.details) == _planned_by(details):
        return replace(exam, ordered=replace(ordered, details=details))
    start = circumstances.now if not exam.steps else exam.steps[0].plan.starts_at
    again = plan(ordered.order_id, exam.site, details, replace(circumstances, now=start))
    if details.asked_for == ordered.details.asked_for:
        again = _at_its_appointment(exam, again, circumstances.catalogue)
    return _with_what_persons_said(again, ordered)


def _with_what_persons_said(again: Exam, ordered: Ordered) -> Exam:
    """A new plan is still on hold, and on the waiting list, where the one before was, and has its notes."""
    if again.ordered is None:
        return again
    new = again.ordered
    ordered = replace(ordered, details=new.details, procedure=new.procedure, planned_because=new.planned_because)
    return replace(again, ordered=ordered)


def _at_its_appointment(exam: Exam, again: Exam, catalogue: Catalogue) -> Exam:
    """The patient stays where they are, and so does the time of an appointment; its slot, where the plan still fits."""
    steps = tuple(replace(step, state=exam.state) for step in _in_their_rooms(exam, again, catalogue))
    if not any(step.booked for step in exam.steps):
        return replace(again, steps=steps)
    steps = from_start(steps, exam.steps[0].plan.starts_at)
    fits = [_room(step) for step in exam.steps] == [_room(step) for step in steps]
    return replace(again, steps=tuple(replace(step, booked=fits) for step in steps))


def _in_their_rooms(exam: Exam, again: Exam, catalogue: Catalogue) -> Iterator[Step]:
    """The steps of a new plan; what is booked in a room of the group that it is for now stays there."""
    booked = [step.plan.station_ae_title if step.booked else "" for step in exam.steps]
    for step, title in zip(again.steps, chain(booked, repeat("")), strict=False):
        room = catalogue.station(title, again.site) if title in (step.plan.group or ()) else None
        yield step if room is None else replace(step, plan=step.plan.model_copy(update=at_station(room)))


def at_station(station: Station) -> dict[str, object]:
    """What a plan says of where it is."""
    return {
        "station_ae_title": station.ae_title,
        "group": None,
        "station_name": station.name,
        "station_location": station.location,
    }


def from_start(steps: Sequence[Step], start: datetime) -> tuple[Step, ...]:
    """The steps from this time on, one after the other as they were, with the pauses between them."""
    by = start - steps[0].plan.starts_at
    return tuple(
        replace(step, plan=step.plan.model_copy(update={"starts_at": step.plan.starts_at + by})) for step in steps
    )


def templates(exam: Exam, catalogue: Catalogue) -> tuple[StepTemplate, ...]:
    """What the steps of an ordered exam need: as they are planned, in the rooms that the catalogue has for them now."""
    plans = [step.plan for step in exam.steps]
    able: list[tuple[str, ...]] = [()] * len(plans)
    if exam.ordered is not None:
        known = procedure_of(exam.ordered.details, catalogue)[0].steps
        if [step.modality for step in known] == [plan.modality for plan in plans]:
            able = [step.stations or _titles(step.group, exam.site, catalogue) for step in known]
    ends = [plan.starts_at + timedelta(minutes=plan.duration_minutes) for plan in plans]
    pauses = [after.starts_at - end for end, after in zip(ends, plans[1:], strict=False)]
    return tuple(
        StepTemplate(
            modality=plan.modality,
            duration_minutes=plan.duration_minutes,
            stations=plan.group or stations,
            pause_minutes=int(pause.total_seconds()) // 60,
        )
        for plan, stations, pause in zip(plans, able, [*pauses, timedelta()], strict=True)
    )


def _room(step: Step) -> tuple[str, datetime, int]:
    return step.plan.station_ae_title, step.plan.starts_at, step.plan.duration_minutes


def _planned_by(details: OrderDetails) -> tuple[object, ...]:
    return (
        details.procedure,
        details.modality,
        details.asked_for,
        details.station_ae_title,
        details.scheduled_step_id,
        details.steps,
    )


def _place(step: StepTemplate, wish: OrderedStep, site: str, circumstances: Circumstances) -> _Place:
    catalogue, modality, title = circumstances.catalogue, step.modality, wish.station_ae_title
    stations = rooms(step, wish, site, catalogue)
    if title:
        group = catalogue.group(title, site)
        name = wish.station_name or (group.name if group else None)
        said = Station(ae_title=title, modality=modality, name=name, location=wish.station_location)
        known = (each for each in catalogue.stations_for(step, site) if each.ae_title == title)
        return _Place(
            next(known, said), f"station {title} chosen by the placer", _titles(title, site, catalogue) or None
        )
    if not stations:
        default = Station(ae_title=catalogue.default.station, modality=modality)
        return _Place(default, f"no station for {modality}: {default.ae_title} by default")
    group = catalogue.group(step.group, site)
    if group is not None and stations == catalogue.stations_for(step, site):
        anyone = Station(ae_title=group.ae_title, modality=modality, name=group.name)
        why = f"group {group.ae_title}, any of {len(stations)} for {modality}"
        return _Place(anyone, why, _titles(group.ae_title, site, catalogue))
    station = min(stations, key=lambda each: circumstances.open_steps.get(each.ae_title, 0))
    of = f"least loaded of {len(stations)} for" if len(stations) > 1 else "the one for"
    return _Place(station, f"station {station.ae_title}, {of} {modality}")


def _titles(group: str | None, site: str, catalogue: Catalogue) -> tuple[str, ...]:
    return tuple(each.ae_title for each in catalogue.members(group, site))


def _start(wanted: datetime) -> datetime:
    """To the second: the worklist has no finer times."""
    return wanted.replace(microsecond=0)


def _steps(
    order_id: UUID, details: OrderDetails, procedure: Procedure, places: list[_Place], start: datetime
) -> tuple[Step, ...]:
    steps = []
    for number, (template, place) in enumerate(zip(procedure.steps, places, strict=True)):
        wish = wanted(details, number)
        if wish.asked_for is not None:  # never before the step in front of it is over
            start = max(start, _start(wish.asked_for))
        scheduled = ScheduledStep(
            step_id=_step_id(order_id, wish.step_id, number),
            modality=template.modality,
            station_ae_title=place.station.ae_title,
            group=place.group,
            station_name=place.station.name,
            starts_at=start,
            duration_minutes=template.duration_minutes,
            description=template.description or text_of(details.procedure.text or procedure.text),
            protocol=template.protocol,
            station_location=place.station.location,
            pre_medication=template.pre_medication,
            contrast_agent=template.contrast_agent,
            preparation=template.preparation,
        )
        steps.append(Step(plan=scheduled))
        start += timedelta(minutes=template.duration_minutes + template.pause_minutes)
    return tuple(steps)


def _step_id(order_id: UUID, given: str | None, number: int) -> str:
    """The placer's; else one that follows from the order, so that planning again makes it again."""
    if given and len(given) <= SH:
        return given
    digest = hashlib.sha256(f"{order_id}/{number}".encode()).digest()
    return f"S{b32encode(digest).decode()[: SH - 1]}"


def _named(ordered: CodedConcept, procedure: Procedure) -> CodedConcept:
    return ordered if ordered.text else ordered.model_copy(update={"text": procedure.text})
