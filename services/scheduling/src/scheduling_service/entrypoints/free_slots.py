"""`/api/scheduling`: free slots for a procedure or an exam, and the next one of them taken."""

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Query, Response, status
from fj_bus import Asked
from fj_runtime import Actor
from pydantic import AwareDatetime, BaseModel

from scheduling_service import free_slots
from scheduling_service.domain.slots import Search, Slot
from scheduling_service.entrypoints.http import ExamView
from scheduling_service.entrypoints.office import Office, told

Limit = Annotated[int, Query(ge=1, le=200)]


class SlotView(BaseModel):
    """When each step of a procedure could be done, and where."""

    starts_at: datetime
    ends_at: datetime
    stations: list[str]
    """AE titles, one per step."""

    @classmethod
    def of(cls, slot: Slot) -> Self:
        return cls(
            starts_at=slot[0].span.start,
            ends_at=slot[-1].span.end,
            stations=[place.station.ae_title for place in slot],
        )


class Slots(BaseModel):
    """Free slots by start."""

    slots: list[SlotView]


class NextFree(BaseModel):
    """In which time, and where, somebody wants the next free slot; where there is none, the exam waits for it."""

    after: AwareDatetime | None = None
    """Absent: now, or the time that the order asks for, if that is later."""
    before: AwareDatetime | None = None
    """When it has to be over; absent: as far ahead as anybody looks."""
    station_ae_title: str | None = None
    """Absent: any room that can do it."""


def free_slots_router(office: Office) -> APIRouter:
    """Look for free slots, and take the next one."""
    router = APIRouter(prefix="/api/scheduling", tags=["appointments"])

    @router.get("/slots", summary="Find free slots for a procedure")
    async def find_slots(
        procedure: str,
        site: str = "MAIN",
        station: str | None = None,
        after: AwareDatetime | None = None,
        limit: Limit = 20,
    ) -> Slots:
        search = Search(site=site, station_ae_title=station, after=after, limit=limit)
        async with told():
            found = await free_slots.slots_of_procedure(procedure, search, office.rooms, office.desk)
        return Slots(slots=[SlotView.of(slot) for slot in found])

    @router.get("/exams/{exam_key}/slots", summary="Find free slots for all steps of an exam")
    async def find_slots_of_exam(
        exam_key: str,
        station: str | None = None,
        after: AwareDatetime | None = None,
        before: AwareDatetime | None = None,
        limit: Limit = 20,
    ) -> Slots:
        search = Search(station_ae_title=station, after=after, before=before, limit=limit)
        async with told():
            found = await free_slots.slots_of_exam(exam_key, search, office.book, office.rooms, office.desk)
        return Slots(slots=[SlotView.of(slot) for slot in found])

    @router.post("/exams/{exam_key}/book-next", summary="Make the appointment of an exam at the next free slot")
    async def book_next(
        exam_key: str, actor: Actor, asked: Asked, response: Response, wanted: NextFree | None = None
    ) -> ExamView:
        """202 where there is none: the exam waits."""
        wish = wanted or NextFree()
        search = Search(station_ae_title=wish.station_ae_title, after=wish.after, before=wish.before)
        because = f"next free slot, taken by {actor}"
        async with told():
            exam = await office.once(
                exam_key,
                asked,
                actor,
                lambda schedule: free_slots.book_next(exam_key, search, because, schedule, office.desk),
            )
        if not exam.is_booked:
            response.status_code = status.HTTP_202_ACCEPTED
        return ExamView.of(exam)

    return router


async def alternatives(exam_key: str, after: datetime, office: Office) -> list[dict[str, Any]]:
    """A few slots for an exam whose wish could not be met."""
    search = Search(after=after, limit=5)
    found = await free_slots.slots_of_exam(exam_key, search, office.book, office.rooms, office.desk)
    return [SlotView.of(slot).model_dump(mode="json") for slot in found]
