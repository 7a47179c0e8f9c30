"""Appointments: what people, and the systems that book for them, do with an exam before it starts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from fj_events import ScheduledStep

from scheduling_service.domain.catalogue import Catalogue, Station
from scheduling_service.domain.errors import NoSuchStation, NotFree, NotPossible
from scheduling_service.domain.exam import WAITS, Exam
from scheduling_service.domain.planning import at_station, from_start, templates
from scheduling_service.domain.slots import Span, is_open
from scheduling_service.domain.step import Act, Step, moved
from scheduling_service.domain.waiting import Waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The appointment that somebody asks for."""

    starts_at: datetime
    station_ae_title: str | None = None
    """For the steps that it can do; None: where they are planned."""
    stations: tuple[str, ...] = ()
    """One for each step, in place of the one for all."""
    because: str
    """Who or what chose this time and station."""


def book(exam: Exam, wish: Wish, catalogue: Catalogue, zone: ZoneInfo) -> Exam:
    """The exam with its steps one after the other from the time asked for, each with its slot.

    Raises NotPossible after the start, NoSuchStation, NotFree where a station is closed then.
    """
    if exam.ordered is None or not exam.is_waiting:
        raise NotPossible("booked", exam.state)
    steps = _at_stations(exam, wish, catalogue)
    moved_there = from_start(steps, _start(wish))
    booked = tuple(replace(step, state=moved(step.state, Act.BOOK), booked=True) for step in moved_there)
    if any(step.plan.group for step in booked):  # an appointment is at one station
        raise NoSuchStation
    for step in booked:
        station = catalogue.station(step.plan.station_ae_title, exam.site)
        if station is not None and not is_open(station, zone, span_of(step.plan)):
            raise NotFree("closed")
    return replace(exam, steps=booked, ordered=replace(exam.ordered, planned_because=wish.because, waiting=None))


def times(exam: Exam, wish: Wish) -> list[Span]:
    """From when to when each step would be."""
    return [span_of(step.plan) for step in from_start(exam.steps, _start(wish))]


def rooms_for(
    exam: Exam, wish: Wish, taken: Mapping[str, Sequence[Span]], catalogue: Catalogue, zone: ZoneInfo
) -> tuple[str, ...]:
    """For each step that is planned for a group the first of it that is open and free then. Raises NotFree."""
    rooms = []
    for step, span in zip(exam.steps, times(exam, wish), strict=True):
        stations = (catalogue.station(title, exam.site) for title in step.plan.group or ())
        free = (
            each.ae_title
            for each in stations
            if each is not None
            and is_open(each, zone, span)
            and not any(span.start < other.end and other.start < span.end for other in taken.get(each.ae_title, ()))
        )
        room = next(free, None) if step.plan.group else step.plan.station_ae_title
        if room is None:
            raise NotFree("taken")
        rooms.append(room)
    return tuple(rooms)


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


def wait(exam: Exam, waiting: Waiting) -> Exam:
    """The exam on the waiting list, a held one from its release on; who waits already keeps their place.

    Raises NotPossible for who has an appointment or is here, and after the start.
    """
    if exam.ordered is None or exam.is_booked or exam.state not in WAITS:
        raise NotPossible("put on the waiting list", exam.state)
    since = exam.waits.since if exam.waits else waiting.since
    waiting = waiting.model_copy(update={"since": since})
    return replace(exam, ordered=replace(exam.ordered, waiting=waiting))


def wait_no_longer(exam: Exam) -> Exam:
    """The exam off the waiting list. Raises NotPossible for one that is not on it."""
    if exam.ordered is None or exam.waits is None:
        raise NotPossible("taken off the waiting list: it does not wait", exam.state)
    return replace(exam, ordered=replace(exam.ordered, waiting=None))


def _start(wish: Wish) -> datetime:
    return wish.starts_at.astimezone(UTC).replace(microsecond=0)


def _each(exam: Exam, act: Act, done: str) -> Exam:
    steps = tuple(replace(step, state=moved(step.state, act)) for step in exam.steps)
    if exam.ordered is None or steps == exam.steps:
        raise NotPossible(done, exam.state)
    return replace(exam, steps=steps)


def _at_stations(exam: Exam, wish: Wish, catalogue: Catalogue) -> tuple[Step, ...]:
    """The steps in the rooms that were asked for; where none was, where they are planned. Raises NoSuchStation."""
    able = [catalogue.stations_for(template, exam.site) for template in templates(exam, catalogue)]
    if wish.stations:
        if len(wish.stations) != len(exam.steps):
            raise NoSuchStation
        return tuple(map(_at_station, exam.steps, wish.stations, able))
    title = wish.station_ae_title
    if title is None:
        return exam.steps
    can = [
        title == step.plan.station_ae_title or _among(stations, title) is not None
        for step, stations in zip(exam.steps, able, strict=True)
    ]
    if not any(can):
        raise NoSuchStation
    return tuple(
        _at_station(step, title, stations) if fits else step
        for step, stations, fits in zip(exam.steps, able, can, strict=True)
    )


def _among(stations: Sequence[Station], title: str) -> Station | None:
    return next((each for each in stations if each.ae_title == title), None)


def _at_station(step: Step, title: str, able: Sequence[Station]) -> Step:
    if title == step.plan.station_ae_title:
        return step
    station = _among(able, title)
    if station is None:
        raise NoSuchStation
    return replace(step, plan=step.plan.model_copy(update=at_station(station)))
