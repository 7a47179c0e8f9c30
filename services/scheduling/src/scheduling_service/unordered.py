"""News of appointments that name no order: its order is known from before, or a person says which it is."""

from fj_events import Identifier, WorkSettledAs

from scheduling_service import siu
from scheduling_service.appointments import Desk
from scheduling_service.domain.errors import NoSuchExam, NotWaiting, OtherPatient
from scheduling_service.domain.exam import Exam
from scheduling_service.domain.news import News, Told
from scheduling_service.domain.unordered import Noted, given_up, is_older, settled
from scheduling_service.ports import Schedule


async def take_news(news: News, schedule: Schedule, desk: Desk) -> None:
    """Do as a scheduling system says; what it says of an appointment without an order is kept for a person.

    Raises as `siu.take_news`.
    """
    if not news.appointment:
        await siu.take_news(news, schedule, desk)
        return
    await schedule.lock(*news.appointment_names)
    noted = await schedule.noted(news.appointment_names)
    if noted is not None:
        if not news.names and not noted.news.names and is_older(news, noted.news):
            return
        news = _with_order(news, noted.news)
    if news.names:
        await siu.take_news(news, schedule, desk)
    if noted is None or not is_older(news, noted.news):
        await _note(news, noted, schedule)


def _with_order(news: News, known: News) -> News:
    """What holds of an appointment of which one message named the order, and another one did not."""
    if news.names:
        return known.about_order_of(news) if not known.names and is_older(news, known) else news
    return news.about_order_of(known)


async def _note(news: News, noted: Noted | None, schedule: Schedule) -> None:
    """Remember it. Without an order a person has to look, unless the appointment is no more."""
    was_open = noted is not None and noted.is_open
    is_open = not news.names and (noted is None or news.told is Told.BOOKED)
    now = await schedule.note(news, noted, is_open=is_open)
    if is_open:
        schedule.emit(given_up(now))
    elif was_open:
        why = "its order was named" if news.names else f"{news.told} by {siu.BECAUSE}"
        schedule.emit(settled(now, WorkSettledAs.CANCELLED, why))


async def repeat(
    appointment_id: int, accession: Identifier, reason: str | None, schedule: Schedule, desk: Desk
) -> None:
    """A person says which order an appointment is for: done is what was said of it last, and what will be said.

    Raises NotWaiting, NoSuchExam, OtherPatient, NotPossible, NotFree.
    """
    noted = await _waiting(appointment_id, schedule)
    news = noted.news.model_copy(update={"accession_or_filler": accession})
    exams = [exam for exam in await schedule.exams_named(news) if siu.is_meant(exam, news)]
    if not exams:
        raise NoSuchExam
    if not all(_is_of(exam, news) for exam in exams):
        raise OtherPatient
    await siu.take_news(news, schedule, desk)
    now = await schedule.note(news, noted, is_open=False)
    schedule.emit(settled(now, WorkSettledAs.REPEATED, reason))


async def cancel(appointment_id: int, reason: str, schedule: Schedule) -> None:
    """Nothing is to be done about it: it is no appointment of ours. Raises NotWaiting."""
    noted = await _waiting(appointment_id, schedule)
    now = await schedule.note(noted.news, noted, is_open=False)
    schedule.emit(settled(now, WorkSettledAs.CANCELLED, reason))


async def _waiting(appointment_id: int, schedule: Schedule) -> Noted:
    found = await schedule.noted_as(appointment_id)
    if found is None:
        raise NotWaiting
    await schedule.lock(*found.news.appointment_names)
    noted = await schedule.noted_as(appointment_id)
    if noted is None or not noted.is_open:
        raise NotWaiting
    return noted


def _is_of(exam: Exam, news: News) -> bool:
    """A person who reads a number wrongly must not book somebody else."""
    if exam.ordered is None or news.patient is None:
        return False
    patient = exam.ordered.details.patient
    return news.patient in {patient.id, *patient.other_ids}
