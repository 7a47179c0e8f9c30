"""Appointments by the numbers that scheduling systems have for them, and those of which they name no order.

The facts are those of `operator-events`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fj_events import WorkGivenUp, WorkKind, WorkSettled, WorkSettledAs

from scheduling_service.domain.news import News, Told

ROOM: Final = "scheduling"


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What is known of one appointment of a scheduling system."""

    appointment_id: int
    news: News
    """What was said of it last; with the numbers of its order, where one is known."""
    is_open: bool
    """A person has to say which order it is for."""
    received_at: datetime


def is_older(news: News, known: News) -> bool:
    """Whether something newer was said before."""
    return news.said_at is not None and known.said_at is not None and news.said_at < known.said_at


def given_up(noted: Noted) -> WorkGivenUp:
    """Nobody knows for which exam it is: a person has to look."""
    news = noted.news
    numbers = ", ".join(number.value for number in news.appointment)
    when = f" for {news.starts_at:%Y-%m-%d %H:%M %Z}" if news.told is Told.BOOKED and news.starts_at else ""
    return WorkGivenUp(
        site=news.site,
        work_id=_work_id(noted),
        room=ROOM,
        kind=WorkKind.APPOINTMENT,
        reason=f"{numbers}, {news.told}{when}",
        address=f"/api/{ROOM}/unordered/{noted.appointment_id}",
    )


def settled(noted: Noted, settled_as: WorkSettledAs, reason: str | None) -> WorkSettled:
    """Its order is known, nobody wants it any more, or a person says that nothing is to be done."""
    return WorkSettled(
        site=noted.news.site,
        work_id=_work_id(noted),
        room=ROOM,
        kind=WorkKind.APPOINTMENT,
        settled_as=settled_as,
        reason=reason,
    )


def _work_id(noted: Noted) -> str:
    return f"{ROOM}.{WorkKind.APPOINTMENT}.{noted.appointment_id}"
