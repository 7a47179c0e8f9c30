"""Handlers of appointments: one function per command of a person, or of a system that books for people."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from fj_events import ExamArrived, ExamMissed, Fact

from scheduling_service.domain.appointment import Wish, arrive, book, is_booked, miss
from scheduling_service.domain.catalogue import Catalogue, Station, StepTemplate
from scheduling_service.domain.errors import NoSuchExam, NoSuchProcedure, NoSuchStation, NotFree, NotPossible
from scheduling_service.domain.exam import Exam
from scheduling_service.domain.facts import rescheduled
from scheduling_service.domain.slots import Block, Search, Slot, Span, free_spans, open_spans, slots
from scheduling_service.ports import Rooms, Schedule

HORIZON: Final = timedelta(days=28)
"""How far ahead free slots are looked for."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What booking needs besides exams."""

    catalogue: Catalogue
    zone_of: Callable[[str], ZoneInfo]
    """The time zone of a site."""
    clock: Callable[[], datetime]


async def book_exam(key: str, wish: Wish, schedule: Schedule, desk: Desk, *, again: bool) -> Exam:
    """Make the appointment of an exam, or move it (`again`). What is so already changes nothing.

    Raises NoSuchExam, NotPossible, NoSuchStation, NotFree.
    """
    exam = await _exam(key, schedule)
    after = book(exam, wish, desk.catalogue, desk.zone_of(exam.site))
    if after.steps == exam.steps:
        return exam
    if is_booked(exam) != again:
        raise NotPossible("moved: it has no appointment" if again else "booked: it has an appointment", exam.state)
    if not await schedule.book(after):
        raise NotFree("taken")
    return _said(after, *plan_facts(after), schedule=schedule)


async def exam_arrived(key: str, at: datetime, schedule: Schedule) -> Exam:
    """The patient is here. Raises NoSuchExam, NotPossible."""
    exam = arrive(await _exam(key, schedule))
    await schedule.save(exam)
    return _said(exam, *(ExamArrived(**about, arrived_at=at) for about in _appointed(exam)), schedule=schedule)


async def exam_missed(key: str, reason: str, schedule: Schedule) -> Exam:
    """The patient did not come. Raises NoSuchExam, NotPossible."""
    exam = miss(await _exam(key, schedule))
    await schedule.save(exam)
    return _said(exam, *missed_facts(exam, reason), schedule=schedule)


async def block_station(block: Block, schedule: Schedule, desk: Desk) -> None:
    """Keep a station from being booked for a while. Raises NoSuchStation, NotFree."""
    if desk.catalogue.station(block.station_ae_title, block.site) is None:
        raise NoSuchStation
    if not await schedule.block(block):
        raise NotFree("taken")


async def free_slots(code: str, search: Search, rooms: Rooms, desk: Desk) -> Sequence[Slot]:
    """The next free slots for a procedure. Raises NoSuchProcedure, NoSuchStation."""
    procedure = desk.catalogue.procedure(code)
    if procedure is None:
        raise NoSuchProcedure
    stations = (desk.catalogue.stations_for(step.modality, search.site) for step in procedure.steps)
    titles = {station.ae_title for choice in stations for station in choice}
    if search.station_ae_title is not None and search.station_ae_title not in titles:
        raise NoSuchStation
    return await _search(procedure.steps, search, rooms, desk)


async def alternatives(exam: Exam, after: datetime, rooms: Rooms, desk: Desk) -> Sequence[Slot]:
    """A few slots for an exam whose wish could not be met."""
    steps = [
        StepTemplate(modality=step.plan.modality, duration_minutes=step.plan.duration_minutes) for step in exam.steps
    ]
    return await _search(steps, Search(site=exam.site, after=after, limit=5), rooms, desk)


async def _search(steps: Sequence[StepTemplate], search: Search, rooms: Rooms, desk: Desk) -> Sequence[Slot]:
    after = search.after.astimezone(UTC)
    within = Span(after, after + HORIZON)
    stations = [_choice(step.modality, search, desk.catalogue) for step in steps]
    everyone = {each.ae_title: each for choice in stations for each in choice}
    taken = await rooms.taken(search.site, list(everyone), within)
    free = {
        title: free_spans(open_spans(each, desk.zone_of(search.site), within), taken.get(title, ()))
        for title, each in everyone.items()
    }
    return list(islice(slots(steps, stations, free, within), search.limit))


def _choice(modality: str, search: Search, catalogue: Catalogue) -> Sequence[Station]:
    stations = catalogue.stations_for(modality, search.site)
    return [each for each in stations if each.ae_title == search.station_ae_title] or stations


async def _exam(key: str, schedule: Schedule) -> Exam:
    await schedule.lock(key)
    exam = await schedule.exam(key)
    if exam is None:
        raise NoSuchExam
    return exam


def plan_facts(exam: Exam) -> Iterator[Fact]:
    """There is a new plan."""
    if exam.ordered is not None:
        yield rescheduled(exam, exam.ordered)


def missed_facts(exam: Exam, reason: str) -> Iterator[Fact]:
    """Nobody came."""
    return (ExamMissed(**about, reason=reason) for about in _appointed(exam))


def _appointed(exam: Exam) -> Iterator[dict[str, object]]:
    """What is said of every appointment."""
    if exam.ordered is not None:
        yield {
            "exam_key": exam.key,
            "site": exam.site,
            "order_id": exam.ordered.order_id,
            "step_ids": tuple(step.step_id for step in exam.steps),
        }


def _said(exam: Exam, *facts: Fact, schedule: Schedule) -> Exam:
    for fact in facts:
        schedule.emit(fact)
    return exam
