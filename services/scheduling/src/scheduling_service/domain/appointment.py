"""Appointments: what people, and the systems that book for them, do with an exam before it starts."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from fj_events import ScheduledStep

from scheduling_service.domain.catalogue import Catalogue, Station
from scheduling_service.domain.errors import NoSuchStation, NotFree, NotPossible
from scheduling_service.domain.exam import Exam
from scheduling_service.domain.planning import one_after_the_other
from scheduling_service.domain.slots import Span, is_open
from scheduling_service.domain.step import Act, Step, moved


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The appointment that somebody asks for."""

    starts_at: datetime
    station_ae_title: str | None = None
    """None: where it is planned."""
    because: str
    """Who or what chose this time and station."""


def book(exam: Exam, wish: Wish, catalogue: Catalogue, zone: ZoneInfo) -> Exam:
    """The exam with its steps one after the other from the time asked for, each with its slot.

    Raises NotPossible after the start, NoSuchStation, NotFree where a station is closed then.
    """
    if exam.ordered is None or not exam.is_waiting:
        raise NotPossible("booked", exam.state)
    steps = [_at_station(step, exam, wish, catalogue) for step in exam.steps]
    start = wish.starts_at.astimezone(UTC).replace(microsecond=0)
    booked = tuple(
        replace(step, state=moved(step.state, Act.BOOK), booked=True) for step in one_after_the_other(steps, start)
    )
    for step in booked:
        station = catalogue.station(step.plan.station_ae_title, exam.site)
        if station is not None and not is_open(station, zone, span_of(step.plan)):
            raise NotFree("closed")
    return replace(exam, steps=booked, ordered=replace(exam.ordered, planned_because=wish.because))


def give_up(exam: Exam, because: str) -> Exam:
    """The exam without its appointment; it stays planned where it was. Raises NotPossible after the start."""
    if exam.ordered is None or not exam.is_waiting:
        raise NotPossible("given up", exam.state)
    steps = tuple(replace(step, state=moved(step.state, Act.BOOK), booked=False) for step in exam.steps)
    return replace(exam, steps=steps, ordered=replace(exam.ordered, planned_because=because))


def arrive(exam: Exam) -> Exam:
    """The exam of a patient who is here. Raises NotPossible for one that has begun or is over."""
    return _each(exam, Act.ARRIVE, "arrived")


def miss(exam: Exam) -> Exam:
    """The exam of a patient who did not come; its slot is free again. Raises NotPossible, also for who is here."""
    missed = _each(exam, Act.MISS, "missed")
    return replace(missed, steps=tuple(replace(step, booked=False) for step in missed.steps))


def span_of(plan: ScheduledStep) -> Span:
    """From when to when a step has its station."""
    return Span(plan.starts_at, plan.starts_at + timedelta(minutes=plan.duration_minutes))


def is_booked(exam: Exam) -> bool:
    """Whether there is an appointment."""
    return any(step.keeps_its_slot for step in exam.steps)


def _each(exam: Exam, act: Act, done: str) -> Exam:
    steps = tuple(replace(step, state=moved(step.state, act)) for step in exam.steps)
    if exam.ordered is None or steps == exam.steps:
        raise NotPossible(done, exam.state)
    return replace(exam, steps=steps)


def _at_station(step: Step, exam: Exam, wish: Wish, catalogue: Catalogue) -> Step:
    """The step at the station that was asked for, if this one does such steps; else where it is planned."""
    title = wish.station_ae_title
    if title is None or title == step.plan.station_ae_title:
        return step
    station = catalogue.station(title, exam.site)
    if station is None or not _is_for(station, exam):
        raise NoSuchStation
    if station.modality != step.plan.modality:
        return step
    return replace(step, plan=step.plan.model_copy(update={"station_ae_title": title, "station_name": station.name}))


def _is_for(station: Station, exam: Exam) -> bool:
    return station.modality in {step.plan.modality for step in exam.steps}
