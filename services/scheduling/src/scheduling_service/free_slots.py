"""Handlers of free slots: who looks for one, and who takes the next one."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, timedelta
from itertools import islice
from typing import Final, TypeAlias

from scheduling_service.appointments import Desk, exam_in_hand, keep_booked, keep_planned
from scheduling_service.domain.appointment import Wish, book, wait
from scheduling_service.domain.catalogue import Station, StepTemplate
from scheduling_service.domain.errors import NoSuchExam, NoSuchProcedure, NoSuchStation, NotPossible
from scheduling_service.domain.exam import Exam
from scheduling_service.domain.planning import templates
from scheduling_service.domain.slots import Search, Slot, Span, free_spans, open_spans, slots
from scheduling_service.domain.waiting import Waiting
from scheduling_service.ports import ExamBook, Rooms, Schedule

HORIZON: Final = timedelta(days=28)
"""How far ahead free slots are looked for."""

Taken: TypeAlias = Callable[[str, Collection[str], Span], Awaitable[Mapping[str, Sequence[Span]]]]
"""When stations of a site are booked or blocked, by AE title."""


async def slots_of_procedure(code: str, search: Search, rooms: Rooms, desk: Desk) -> Sequence[Slot]:
    """The next free slots for a procedure. Raises NoSuchProcedure, NoSuchStation."""
    procedure = desk.catalogue.procedure(code)
    if procedure is None:
        raise NoSuchProcedure
    return await _search(procedure.steps, search, rooms.taken, desk)


async def slots_of_exam(key: str, search: Search, book_: ExamBook, rooms: Rooms, desk: Desk) -> Sequence[Slot]:
    """The next free slots for all steps of an exam. Raises NoSuchExam, NoSuchStation."""
    exam = await book_.read(key)
    if exam is None or exam.ordered is None:
        raise NoSuchExam
    return await _search(templates(exam, desk.catalogue), _of(exam, search, desk), rooms.taken, desk)


async def book_next(key: str, search: Search, because: str, schedule: Schedule, desk: Desk) -> Exam:
    """Make the appointment of an exam at the next free slot for all its steps; without one, it waits for one.

    Raises NoSuchExam, NotPossible, NoSuchStation.
    """
    exam = await exam_in_hand(key, schedule)
    if exam.is_booked:
        raise NotPossible("booked: it has an appointment", exam.state)
    if exam.ordered is None or not exam.is_waiting:
        raise NotPossible("booked", exam.state)
    search = _of(exam, search, desk)
    booked = await booked_next(exam, search, because, schedule, desk)
    if booked is not None:
        return booked
    waiting = Waiting(
        since=desk.clock(),
        reason="no slot was free",
        after=search.after,
        before=search.before,
        station_ae_title=search.station_ae_title,
    )
    return await keep_planned(exam, wait(exam, waiting), schedule)


async def booked_next(exam: Exam, search: Search, because: str, schedule: Schedule, desk: Desk) -> Exam | None:
    """An exam with its appointment at the next free slot, kept and told; None where there is none.

    Its rooms are held while it is looked for: whoever wants one of them at this instant waits, and finds the next one.
    Raises NoSuchStation.
    """
    found = await _search(templates(exam, desk.catalogue), _of(exam, search, desk), schedule.hold_stations, desk)
    if not found:
        return None
    slot = found[0]
    stations = tuple(place.station.ae_title for place in slot)
    wish = Wish(starts_at=slot[0].span.start, stations=stations, because=because)
    return await keep_booked(exam, book(exam, wish, desk.catalogue, desk.zone_of(exam.site)), schedule)


async def _search(steps: Sequence[StepTemplate], search: Search, taken: Taken, desk: Desk) -> Sequence[Slot]:
    after = (search.after or desk.clock()).astimezone(UTC)
    last = after + HORIZON
    within = Span(after, max(after, min(search.before or last, last)))
    able = [desk.catalogue.stations_for(step, search.site) for step in steps]
    stations = [_choice(each, search.station_ae_title) for each in able]
    everyone = {each.ae_title: each for choice in stations for each in choice}
    if search.station_ae_title is not None and search.station_ae_title not in everyone:
        raise NoSuchStation
    gone = await taken(search.site, list(everyone), within)
    free = {
        title: free_spans(open_spans(each, desk.zone_of(search.site), within), gone.get(title, ()))
        for title, each in everyone.items()
    }
    return list(islice(slots(steps, stations, free, within), search.limit))


def _of(exam: Exam, search: Search, desk: Desk) -> Search:
    """The search for an exam: at its site, and not before the time that its order asks for, unless somebody says so."""
    asked_for = exam.ordered.details.asked_for if exam.ordered else None
    earliest = max(desk.clock(), asked_for or desk.clock())
    return replace(search, site=exam.site, after=search.after or earliest)


def _choice(able: Sequence[Station], title: str | None) -> Sequence[Station]:
    """The station that was asked for, where it can do the step; else all that can."""
    return [each for each in able if each.ae_title == title] or able
