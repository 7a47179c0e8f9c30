"""Auto-scheduling: from an order to its steps, by the catalogue."""

import hashlib
from base64 import b32encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from fj_events import CodedConcept, OrderDetails, ScheduledStep

from scheduling_service.domain.catalogue import Catalogue, Procedure, Station, StepTemplate
from scheduling_service.domain.exam import Exam, Ordered
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


def plan(order_id: UUID, site: str, details: OrderDetails, circumstances: Circumstances) -> Exam:
    """The exam of a new order: its steps one after the other, at the time asked for or now."""
    procedure, known = _procedure(details, circumstances.catalogue)
    places = [_place(step, site, details, circumstances) for step in procedure.steps]
    start = _start(details, circumstances.now)
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
        steps=_steps(order_id, details, procedure, places, start),
    )


def choice(site: str, details: OrderDetails, catalogue: Catalogue) -> set[str]:
    """The AE titles between which the load decides; none where there is nothing to choose."""
    if details.station_ae_title:
        return set()
    procedure, _ = _procedure(details, catalogue)
    stations = (catalogue.stations_for(step, site) for step in procedure.steps)
    return {station.ae_title for group in stations if len(group) > 1 for station in group}


def replan(exam: Exam, ordered: Ordered, details: OrderDetails, circumstances: Circumstances) -> Exam:
    """The exam after its order changed, before the start. What the change does not touch stays as it was planned."""
    if _planned_by(ordered.details) == _planned_by(details):
        return replace(exam, ordered=replace(ordered, details=details))
    start = circumstances.now if not exam.steps else exam.steps[0].plan.starts_at
    again = plan(ordered.order_id, exam.site, details, replace(circumstances, now=start))
    if details.asked_for == ordered.details.asked_for:
        again = _at_its_appointment(exam, again)
    return _with_what_persons_said(again, ordered)


def _with_what_persons_said(again: Exam, ordered: Ordered) -> Exam:
    """A new plan is still on hold, and on the waiting list, where the one before was, and has its notes."""
    if again.ordered is None:
        return again
    new = again.ordered
    ordered = replace(ordered, details=new.details, procedure=new.procedure, planned_because=new.planned_because)
    return replace(again, ordered=ordered)


def _at_its_appointment(exam: Exam, again: Exam) -> Exam:
    """The patient stays where they are, and so does the time of an appointment; its slot, where the plan still fits."""
    steps = tuple(replace(step, state=exam.state) for step in again.steps)
    if not any(step.booked for step in exam.steps):
        return replace(again, steps=steps)
    steps = from_start(steps, exam.steps[0].plan.starts_at)
    fits = [_room(step) for step in exam.steps] == [_room(step) for step in steps]
    return replace(again, steps=tuple(replace(step, booked=fits) for step in steps))


def from_start(steps: Sequence[Step], start: datetime) -> tuple[Step, ...]:
    """The steps from this time on, one after the other as they were, with the pauses between them."""
    by = start - steps[0].plan.starts_at
    return tuple(
        replace(step, plan=step.plan.model_copy(update={"starts_at": step.plan.starts_at + by})) for step in steps
    )


def templates(exam: Exam, catalogue: Catalogue) -> tuple[StepTemplate, ...]:
    """What the steps of an ordered exam need: as they are planned, in the rooms that the catalogue has for them now."""
    plans = [step.plan for step in exam.steps]
    rooms: list[tuple[str, ...]] = [()] * len(plans)
    if exam.ordered is not None:
        known = _procedure(exam.ordered.details, catalogue)[0].steps
        if [step.modality for step in known] == [plan.modality for plan in plans]:
            rooms = [step.stations for step in known]
    ends = [plan.starts_at + timedelta(minutes=plan.duration_minutes) for plan in plans]
    pauses = [after.starts_at - end for end, after in zip(ends, plans[1:], strict=False)]
    return tuple(
        StepTemplate(
            modality=plan.modality,
            duration_minutes=plan.duration_minutes,
            stations=stations,
            pause_minutes=int(pause.total_seconds()) // 60,
        )
        for plan, stations, pause in zip(plans, rooms, [*pauses, timedelta()], strict=True)
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
    )


def _procedure(details: OrderDetails, catalogue: Catalogue) -> tuple[Procedure, str | None]:
    """The procedure, and the reason where it is not the catalogue's. For a single step the order's modality wins."""
    known = catalogue.procedure(details.procedure.code)
    if known is not None and (details.modality is None or len(known.steps) > 1):
        return known, None
    if known is not None and details.modality:
        only = known.steps[0].model_copy(update={"modality": details.modality})
        return known.model_copy(update={"steps": (only,)}), None
    default = catalogue.default
    modality = details.modality or default.modality
    step = StepTemplate(modality=modality, duration_minutes=default.duration_minutes)
    whose = "of the order" if details.modality else "by default"
    text = _text(details.procedure.text or details.procedure.code)
    return (
        Procedure(code=details.procedure.code, text=text, steps=(step,)),
        f"procedure not in the catalogue: modality {modality} {whose}, {default.duration_minutes} min by default",
    )


def _text(text: str) -> str:
    """As a long string allows (PS3.5 Table 6.2-1)."""
    return text.replace("\\", "/")[:64]


def _place(step: StepTemplate, site: str, details: OrderDetails, circumstances: Circumstances) -> _Place:
    catalogue, modality = circumstances.catalogue, step.modality
    stations = catalogue.stations_for(step, site)
    if details.station_ae_title:
        title = details.station_ae_title
        chosen = next((each for each in stations if each.ae_title == title), None)
        return _Place(chosen or Station(ae_title=title, modality=modality), f"station {title} chosen by the placer")
    if not stations:
        default = Station(ae_title=catalogue.default.station, modality=modality)
        return _Place(default, f"no station for {modality}: {default.ae_title} by default")
    station = min(stations, key=lambda each: circumstances.open_steps.get(each.ae_title, 0))
    of = f"least loaded of {len(stations)} for" if len(stations) > 1 else "the one for"
    return _Place(station, f"station {station.ae_title}, {of} {modality}")


def _start(details: OrderDetails, now: datetime) -> datetime:
    """To the second: the worklist has no finer times."""
    return (details.asked_for or now).replace(microsecond=0)


def _steps(
    order_id: UUID, details: OrderDetails, procedure: Procedure, places: list[_Place], start: datetime
) -> tuple[Step, ...]:
    steps = []
    for number, (template, place) in enumerate(zip(procedure.steps, places, strict=True)):
        scheduled = ScheduledStep(
            step_id=_step_id(order_id, details, number),
            modality=template.modality,
            station_ae_title=place.station.ae_title,
            station_name=place.station.name,
            starts_at=start,
            duration_minutes=template.duration_minutes,
            description=template.description or _text(details.procedure.text or procedure.text),
            protocol=template.protocol,
            station_location=place.station.location,
            pre_medication=template.pre_medication,
            contrast_agent=template.contrast_agent,
            preparation=template.preparation,
        )
        steps.append(Step(plan=scheduled))
        start += timedelta(minutes=template.duration_minutes + template.pause_minutes)
    return tuple(steps)


def _step_id(order_id: UUID, details: OrderDetails, number: int) -> str:
    """The placer's for the first step; else one that follows from the order, so that planning again makes it again."""
    given = details.scheduled_step_id
    if number == 0 and given and len(given) <= SH:
        return given
    digest = hashlib.sha256(f"{order_id}/{number}".encode()).digest()
    return f"S{b32encode(digest).decode()[: SH - 1]}"


def _named(ordered: CodedConcept, procedure: Procedure) -> CodedConcept:
    return ordered if ordered.text else ordered.model_copy(update={"text": procedure.text})
