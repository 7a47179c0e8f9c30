"""Handlers of appointments: one function per command of a person, or of a system that books for people."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from fj_events import ExamArrived, ExamMissed, ExamWaitlistLeft, Fact

from scheduling_service.domain.appointment import (
    Wish,
    arrive,
    book,
    give_up,
    miss,
    rooms_for,
    span_of,
    times,
    wait,
    wait_no_longer,
)
from scheduling_service.domain.catalogue import Catalogue
from scheduling_service.domain.errors import NoSuchExam, NoSuchStation, NotFree, NotPossible
from scheduling_service.domain.exam import Exam
from scheduling_service.domain.facts import rescheduled, waitlisted
from scheduling_service.domain.slots import Block, Span
from scheduling_service.domain.step import StepState
from scheduling_service.domain.waiting import Waiting
from scheduling_service.ports import Schedule


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
    exam = await exam_in_hand(key, schedule)
    wish = await in_a_room(exam, wish, schedule, desk)
    after = book(exam, wish, desk.catalogue, desk.zone_of(exam.site))
    if after.steps == exam.steps:
        return exam
    if exam.is_booked != again:
        raise NotPossible("moved: it has no appointment" if again else "booked: it has an appointment", exam.state)
    return await keep_booked(exam, after, schedule)


async def in_a_room(exam: Exam, wish: Wish, schedule: Schedule, desk: Desk) -> Wish:
    """The wish with a room for each step that is planned for a group: its first one that is free then.

    The rooms are held until the end of the transaction. Raises NotFree.
    """
    groups = {step.plan.station_ae_title: step.plan.group for step in exam.steps if step.plan.group}
    if not groups or not exam.is_waiting or wish.stations or wish.station_ae_title not in {None, *groups}:
        return wish
    spans = times(exam, wish)
    titles = {title for group in groups.values() for title in group}
    taken = await schedule.hold_stations(exam.site, titles, Span(spans[0].start, spans[-1].end))
    return replace(wish, stations=rooms_for(exam, wish, taken, desk.catalogue, desk.zone_of(exam.site)))


async def keep_booked(before: Exam, after: Exam, schedule: Schedule) -> Exam:
    """Keep the appointment of an exam and tell the others. Raises NotFree where a slot was somebody's."""
    if not await schedule.book(after):
        raise NotFree("taken")
    return _said(after, *plan_facts(before, after), schedule=schedule)


async def keep_planned(before: Exam, after: Exam, schedule: Schedule, *facts: Fact) -> Exam:
    """Keep an exam whose plan or turn has changed, and tell the others: these facts, then that it waits."""
    await schedule.save(after)
    waits = waitlisted(before, after, after.ordered) if after.ordered else ()
    return _said(after, *facts, *waits, schedule=schedule)


async def give_up_appointment(key: str, because: str, waiting: Waiting | None, schedule: Schedule) -> Exam:
    """The appointment is cancelled, the exam is not: it waits for another one, unless nobody wants that.

    It is not given the time again that it has just lost. Raises NoSuchExam, NotPossible.
    """
    exam = await exam_in_hand(key, schedule)
    if not exam.is_booked:
        raise NotPossible("given up: it has no appointment", exam.state)
    after = give_up(exam, because)
    if waiting is not None:
        lost = span_of(exam.steps[-1].plan).end
        after = wait(after, waiting.model_copy(update={"after": waiting.after or lost}))
    return await keep_planned(exam, after, schedule, *plan_facts(exam, after))


async def put_on_waiting_list(key: str, waiting: Waiting, schedule: Schedule) -> Exam:
    """Somebody wants an appointment that there is not. Raises NoSuchExam, NotPossible."""
    exam = await exam_in_hand(key, schedule)
    return await keep_planned(exam, wait(exam, waiting), schedule)


async def take_off_waiting_list(key: str, reason: str, schedule: Schedule) -> Exam:
    """Nobody wants an appointment for it any more. Raises NoSuchExam, NotPossible."""
    exam = await exam_in_hand(key, schedule)
    left = (ExamWaitlistLeft(**about, reason=reason) for about in about_exam(exam))
    return await keep_planned(exam, wait_no_longer(exam), schedule, *left)


async def exam_arrived(key: str, at: datetime, schedule: Schedule) -> Exam:
    """The patient is here. Raises NoSuchExam, NotPossible."""
    exam = arrive(await exam_in_hand(key, schedule))
    await schedule.save(exam)
    return _said(exam, *(ExamArrived(**about, arrived_at=at) for about in about_exam(exam)), schedule=schedule)


async def exam_missed(key: str, reason: str, waiting: Waiting | None, schedule: Schedule) -> Exam:
    """The patient did not come; the exam waits for another appointment, unless nobody wants that.

    Raises NoSuchExam, NotPossible.
    """
    exam = await exam_in_hand(key, schedule)
    missed = miss(exam)
    after = missed if waiting is None else wait(missed, waiting)
    return await keep_planned(exam, after, schedule, *missed_facts(after, reason))


async def block_station(block: Block, schedule: Schedule, desk: Desk, *, displace: bool) -> None:
    """Keep a station from being booked for a while. With `displace`, whoever is booked for that time waits for another.

    Raises NoSuchStation, NotFree.
    """
    if desk.catalogue.station(block.station_ae_title, block.site) is None:
        raise NoSuchStation
    because = f"{block.station_ae_title} is not to be had: {block.reason}"
    for exam in await schedule.booked_at(block) if displace else ():
        if exam.state is StepState.SCHEDULED:
            after = wait(give_up(exam, because), Waiting(since=desk.clock(), reason=because))
            await keep_planned(exam, after, schedule, *plan_facts(exam, after))
    if not await schedule.block(block):
        raise NotFree("taken")


async def exam_in_hand(key: str, schedule: Schedule) -> Exam:
    """The exam with this key, which nobody else changes until the end. Raises NoSuchExam."""
    await schedule.lock(key)
    exam = await schedule.exam(key)
    if exam is None:
        raise NoSuchExam
    return exam


def plan_facts(before: Exam, after: Exam) -> Iterator[Fact]:
    """There is a new plan."""
    if after.ordered is not None:
        yield rescheduled(before, after, after.ordered)


def missed_facts(exam: Exam, reason: str) -> Iterator[Fact]:
    """Nobody came."""
    return (ExamMissed(**about, reason=reason) for about in about_exam(exam))


def about_exam(exam: Exam) -> Iterator[dict[str, object]]:
    """What is said of every appointment, and of every note."""
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
