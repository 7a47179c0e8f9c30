"""`/api/scheduling`: the waiting list."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Query
from fj_bus import Asked
from fj_runtime import Actor
from pydantic import AwareDatetime, BaseModel, Field

from scheduling_service import appointments
from scheduling_service.domain.exam import Exam
from scheduling_service.domain.waiting import Waiting
from scheduling_service.entrypoints.http import ExamView
from scheduling_service.entrypoints.office import Office, told
from scheduling_service.ports import WaitingList

Text = Annotated[str, Field(min_length=1, max_length=200)]


class _Wish(BaseModel):
    after: AwareDatetime | None = None
    before: AwareDatetime | None = None
    """In which time an appointment is wanted; absent: any."""
    station_ae_title: str | None = None
    """Absent: any room that can do it."""
    take_up: bool = True
    """Book a slot for it as soon as one is free; else a person does that."""

    def place(self, reason: str, now: datetime) -> Waiting:
        """A place on the waiting list."""
        wish = {name: getattr(self, name) for name in _Wish.model_fields}
        return Waiting(since=now, reason=reason, **wish)


class AnotherTime(_Wish):
    """What becomes of an exam that has lost its appointment."""

    wait: bool = True
    """For another one, on the waiting list."""

    def waiting(self, reason: str, now: datetime) -> Waiting | None:
        """The place on the waiting list that is asked for."""
        return self.place(reason, now) if self.wait else None


class Wait(_Wish):
    """Why and for what somebody waits."""

    reason: Text = "asked for"


class Leave(BaseModel):
    """Why nobody waits any more."""

    reason: Text


class WaitingExam(ExamView):
    """An exam that waits, and its place."""

    since: datetime
    reason: str
    after: datetime | None
    before: datetime | None
    station_ae_title: str | None
    """The only one that is wanted."""
    take_up: bool

    @classmethod
    def of_waiting(cls, exam: Exam, waiting: Waiting) -> Self:
        return cls(**dict(ExamView.of(exam)), **dict(waiting))


class Waits(BaseModel):
    """The waiting list: the most urgent first, then who has waited longest."""

    waiting: list[WaitingExam]


def waiting_router(office: Office, waiting_list: WaitingList) -> APIRouter:
    """Look at the waiting list; put exams on it, and take them off."""
    router = APIRouter(prefix="/api/scheduling", tags=["waiting list"])

    @router.get("/waiting", summary="Who waits for a slot, in their turn")
    async def find_waiting(site: str | None = None, limit: Annotated[int, Query(ge=1, le=1000)] = 200) -> Waits:
        found = [(exam, exam.waits) for exam in await waiting_list.find(site, limit)]
        return Waits(waiting=[WaitingExam.of_waiting(exam, waiting) for exam, waiting in found if waiting])

    @router.post("/exams/{exam_key}/wait", summary="Put an exam on the waiting list")
    async def put_on(exam_key: str, actor: Actor, asked: Asked, wanted: Wait | None = None) -> ExamView:
        wish = wanted or Wait()
        waiting = wish.place(wish.reason, office.desk.clock())
        async with told():
            exam = await office.once(
                exam_key, asked, actor, lambda schedule: appointments.put_on_waiting_list(exam_key, waiting, schedule)
            )
        return ExamView.of(exam)

    @router.post("/exams/{exam_key}/stop-waiting", summary="Take an exam off the waiting list")
    async def take_off(exam_key: str, why: Leave, actor: Actor, asked: Asked) -> ExamView:
        async with told():
            exam = await office.once(
                exam_key,
                asked,
                actor,
                lambda schedule: appointments.take_off_waiting_list(exam_key, why.reason, schedule),
            )
        return ExamView.of(exam)

    return router
