"""`/api/scheduling`: appointments, and times for which a station cannot be booked."""

from datetime import UTC, datetime, timedelta
from typing import Self
from uuid import UUID

from fastapi import APIRouter, status
from fj_bus import Asked, Call
from fj_runtime import Actor, Problem
from pydantic import AwareDatetime, BaseModel, model_validator

from scheduling_service import appointments
from scheduling_service.domain.appointment import Wish
from scheduling_service.domain.errors import NotFree, SchedulingError
from scheduling_service.domain.slots import Block, Span
from scheduling_service.entrypoints.free_slots import alternatives
from scheduling_service.entrypoints.http import ExamView
from scheduling_service.entrypoints.office import Office, problem, told
from scheduling_service.entrypoints.waiting import AnotherTime, Text

_MISSED = "the patient did not come"


class Appointment(BaseModel):
    """What is asked for."""

    starts_at: AwareDatetime
    station_ae_title: str | None = None
    """Absent: where the exam is planned."""
    stations: tuple[str, ...] = ()
    """One for each step, as a free slot names them; in place of the one for all."""


class Missed(AnotherTime):
    """Why nobody came."""

    reason: Text = _MISSED
    take_up: bool = False
    """Who did not come is asked before they are booked again."""


class GivenUp(AnotherTime):
    """Why there is no appointment any more."""

    reason: Text


class _BlockedTime(BaseModel):
    """A time for which a station cannot be booked: service, teaching, held for emergencies."""

    site: str = "MAIN"
    station_ae_title: str
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    reason: Text

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> Self:
        if self.ends_at <= self.starts_at:
            raise ValueError("ends before it starts")
        return self


class NewBlock(_BlockedTime):
    """A block to be made."""

    displace: bool = False
    """Who is booked for that time waits for another one; without it they keep theirs, and there is no block."""


class BlockView(_BlockedTime):
    """A block, and who made it."""

    block_id: UUID
    actor: str

    @classmethod
    def of_block(cls, block: Block) -> Self:
        return cls(
            block_id=block.block_id,
            site=block.site,
            station_ae_title=block.station_ae_title,
            starts_at=block.span.start,
            ends_at=block.span.end,
            reason=block.reason,
            actor=block.actor,
        )


class Blocks(BaseModel):
    """Blocks by start."""

    blocks: list[BlockView]


def appointments_router(office: Office) -> APIRouter:
    """Appointments of exams, blocks."""
    router = APIRouter(prefix="/api/scheduling", tags=["appointments"])
    _appointments(router, office)
    _visits(router, office)
    _blocks(router, office)
    return router


def _appointments(router: APIRouter, office: Office) -> None:
    async def make(exam_key: str, wanted: Appointment, actor: str, asked: Call, *, again: bool) -> ExamView:
        wish = Wish(
            starts_at=wanted.starts_at,
            station_ae_title=wanted.station_ae_title,
            stations=wanted.stations,
            because=f"appointment made by {actor}",
        )
        try:
            exam = await office.once(
                exam_key,
                asked,
                actor,
                lambda schedule: appointments.book_exam(exam_key, wish, schedule, office.desk, again=again),
            )
        except NotFree as error:
            raise problem(error, alternatives=await alternatives(exam_key, wanted.starts_at, office)) from None
        except SchedulingError as error:
            raise problem(error) from None
        return ExamView.of(exam)

    @router.post("/exams/{exam_key}/book", summary="Make the appointment of an exam")
    async def book_exam(exam_key: str, wanted: Appointment, actor: Actor, asked: Asked) -> ExamView:
        return await make(exam_key, wanted, actor, asked, again=False)

    @router.post("/exams/{exam_key}/move", summary="Move the appointment of an exam")
    async def move_exam(exam_key: str, wanted: Appointment, actor: Actor, asked: Asked) -> ExamView:
        return await make(exam_key, wanted, actor, asked, again=True)

    @router.post("/exams/{exam_key}/give-up", summary="Cancel the appointment of an exam; the exam stays planned")
    async def give_up(exam_key: str, why: GivenUp, actor: Actor, asked: Asked) -> ExamView:
        waiting = why.waiting(why.reason, office.desk.clock())
        async with told():
            exam = await office.once(
                exam_key,
                asked,
                actor,
                lambda schedule: appointments.give_up_appointment(exam_key, why.reason, waiting, schedule),
            )
        return ExamView.of(exam)


def _visits(router: APIRouter, office: Office) -> None:
    @router.post("/exams/{exam_key}/arrive", summary="The patient is here")
    async def arrive(exam_key: str, actor: Actor, asked: Asked) -> ExamView:
        at = office.desk.clock()
        async with told():
            exam = await office.once(
                exam_key, asked, actor, lambda schedule: appointments.exam_arrived(exam_key, at, schedule)
            )
        return ExamView.of(exam)

    @router.post("/exams/{exam_key}/miss", summary="The patient did not come")
    async def miss(exam_key: str, actor: Actor, asked: Asked, why: Missed | None = None) -> ExamView:
        missed = why or Missed()
        waiting = missed.waiting(missed.reason, office.desk.clock())
        async with told():
            exam = await office.once(
                exam_key,
                asked,
                actor,
                lambda schedule: appointments.exam_missed(exam_key, missed.reason, waiting, schedule),
            )
        return ExamView.of(exam)


def _blocks(router: APIRouter, office: Office) -> None:
    @router.post("/blocks", status_code=status.HTTP_201_CREATED, summary="Keep a station from being booked")
    async def block_station(wanted: NewBlock, actor: Actor, asked: Asked) -> BlockView:
        block = Block(
            block_id=asked.id(actor),
            site=wanted.site,
            station_ae_title=wanted.station_ae_title,
            span=Span(wanted.starts_at, wanted.ends_at),
            reason=wanted.reason,
            actor=actor,
        )
        async with told(), office.unit(actor) as tx:
            if await asked.is_new(tx, actor):
                await appointments.block_station(block, office.schedule(tx), office.desk, displace=wanted.displace)
        return BlockView.of_block(block)

    @router.delete("/blocks/{block_id}", status_code=status.HTTP_204_NO_CONTENT, summary="Let it be booked again")
    async def unblock_station(block_id: UUID, actor: Actor) -> None:
        async with office.unit(actor) as tx:
            if not await office.schedule(tx).unblock(block_id):
                raise Problem(status.HTTP_404_NOT_FOUND, "there is no such block")

    @router.get("/blocks", summary="Times for which stations cannot be booked")
    async def find_blocks(
        site: str | None = None,
        station: str | None = None,
        starts_from: AwareDatetime | None = None,
        starts_before: AwareDatetime | None = None,
    ) -> Blocks:
        start = starts_from or datetime.now(UTC)
        within = Span(start, starts_before or start + timedelta(days=366))
        return Blocks(blocks=[BlockView.of_block(each) for each in await office.rooms.blocks(site, station, within)])
