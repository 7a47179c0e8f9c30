"""Handlers of what scheduling systems say of appointments (HL7 v2.5.1 ch. 10)."""

from datetime import datetime
from typing import Final
from uuid import UUID

from fj_events import ExamBookingRefused, OrderChanged, OrderPlaced

from scheduling_service.appointments import Desk, in_a_room, missed_facts, plan_facts
from scheduling_service.domain.appointment import Wish, book, give_up, miss
from scheduling_service.domain.errors import NotFree, SchedulingError
from scheduling_service.domain.exam import Exam
from scheduling_service.domain.news import News, Told, names_of
from scheduling_service.domain.step import StepState
from scheduling_service.ports import Schedule

BECAUSE: Final = "the scheduling system"


async def take_news(news: News, schedule: Schedule, desk: Desk) -> None:
    """Do as a scheduling system says; what it says of an order that is not here yet waits for it.

    What is older than the newest that was said of the order changes nothing: a message may be late, or tried again.
    Raises NotPossible after the start, NotFree where the slot is somebody's or the station is closed.
    """
    await schedule.lock(*news.names)
    exams = [exam for exam in await schedule.exams_named(news) if is_meant(exam, news)]
    if not exams:
        await schedule.await_order(news)
    for exam in exams:
        if await schedule.is_news(exam.key, news.said_at):
            await _apply(news, exam, schedule, desk)


async def hold_names(order: OrderPlaced | OrderChanged, schedule: Schedule) -> None:
    """Before anything of the order is touched: whoever brings news of its appointment waits for it, or it for them."""
    await schedule.lock(*names_of(order))


async def on_order_known(order: OrderPlaced | OrderChanged, schedule: Schedule, desk: Desk) -> None:
    """Do what was said of the appointment before the order came.

    What cannot be done is told by a fact: nobody waits for an answer.
    """
    news = await schedule.awaiting(names_of(order))
    exam = None if news is None else await schedule.exam(str(order.order_id))
    if news is None or exam is None:
        return
    await schedule.is_news(exam.key, news.said_at)
    try:
        await _apply(news, exam, schedule, desk)
    except SchedulingError as error:
        if news.starts_at is not None:
            schedule.emit(_refused(news, news.starts_at, exam, order.order_id, why=str(error)))


def is_meant(exam: Exam, news: News) -> bool:
    """Numbers are unique for their issuer (law 6). Where both are given, one of them is enough."""
    return exam.ordered is not None and not set(names_of(exam.ordered.details)).isdisjoint(news.names)


async def _apply(news: News, exam: Exam, schedule: Schedule, desk: Desk) -> None:
    if news.told is Told.BOOKED:
        await _book(news, exam, schedule, desk)
    elif news.told is Told.GIVEN_UP:
        await _give_up(exam, schedule)
    elif exam.state is not StepState.MISSED:
        after = miss(exam)
        await schedule.save(after)
        for fact in missed_facts(after, f"{BECAUSE} says: no show"):
            schedule.emit(fact)


async def _give_up(exam: Exam, schedule: Schedule) -> None:
    if not exam.is_booked:
        return
    after = give_up(exam, f"{BECAUSE} gave the appointment up")
    await schedule.save(after)
    for fact in plan_facts(exam, after):
        schedule.emit(fact)


async def _book(news: News, exam: Exam, schedule: Schedule, desk: Desk) -> None:
    if news.starts_at is None:
        return
    wish = Wish(starts_at=news.starts_at, station_ae_title=_station(news, exam, desk), because=f"booked by {BECAUSE}")
    wish = await in_a_room(exam, wish, schedule, desk)
    after = book(exam, wish, desk.catalogue, desk.zone_of(exam.site))
    if after.steps == exam.steps:
        return
    if not await schedule.book(after):
        raise NotFree("taken")
    for fact in plan_facts(exam, after):
        schedule.emit(fact)


def _station(news: News, exam: Exam, desk: Desk) -> str | None:
    """The resource that is a station for this exam; persons and places are none."""
    modalities = {step.plan.modality for step in exam.steps}
    found = (desk.catalogue.station(title, exam.site) for title in news.stations)
    return next((each.ae_title for each in found if each is not None and each.modality in modalities), None)


def _refused(news: News, starts_at: datetime, exam: Exam, order_id: UUID, *, why: str) -> ExamBookingRefused:
    return ExamBookingRefused(
        exam_key=exam.key,
        site=exam.site,
        order_id=order_id,
        step_ids=tuple(step.step_id for step in exam.steps),
        station_ae_title=next(iter(news.stations), exam.steps[0].plan.station_ae_title),
        starts_at=starts_at,
        duration_minutes=sum(step.plan.duration_minutes for step in exam.steps),
        reason=why,
    )
