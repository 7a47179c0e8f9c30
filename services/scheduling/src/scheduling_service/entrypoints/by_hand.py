"""`/api/scheduling`: what people at the machine do."""

from typing import Annotated

from fastapi import APIRouter, status
from fj_bus import Asked
from fj_runtime import Actor
from pydantic import BaseModel, Field

from scheduling_service import by_hand
from scheduling_service.domain.notes import Note
from scheduling_service.entrypoints.http import ExamView
from scheduling_service.entrypoints.office import Office, told
from scheduling_service.ports import InstanceLists


class StepsMeant(BaseModel):
    """Which steps of the exam."""

    step_ids: tuple[str, ...] = ()
    """Absent: all that it can be said of."""


class NewNote(BaseModel):
    """What somebody notes."""

    text: Annotated[str, Field(min_length=1, max_length=1000)]


def by_hand_router(office: Office, lists: InstanceLists) -> APIRouter:
    """Start, complete, note."""
    router = APIRouter(prefix="/api/scheduling", tags=["at the machine"])

    @router.post("/exams/{exam_key}/start", summary="Say that an exam has begun, for a machine without MPPS")
    async def start(exam_key: str, actor: Actor, asked: Asked, meant: StepsMeant | None = None) -> ExamView:
        step_ids = meant.step_ids if meant else ()
        async with told():
            exam = await office.once(
                exam_key, asked, actor, lambda schedule: by_hand.start_exam(exam_key, step_ids, schedule, lists)
            )
        return ExamView.of(exam)

    @router.post("/exams/{exam_key}/complete", summary="Say that an exam is done, for a machine without MPPS")
    async def complete(exam_key: str, actor: Actor, asked: Asked, meant: StepsMeant | None = None) -> ExamView:
        step_ids = meant.step_ids if meant else ()
        async with told():
            exam = await office.once(
                exam_key, asked, actor, lambda schedule: by_hand.complete_exam(exam_key, step_ids, schedule, lists)
            )
        return ExamView.of(exam)

    @router.post("/exams/{exam_key}/notes", status_code=status.HTTP_201_CREATED, summary="Note something about an exam")
    async def note(exam_key: str, wanted: NewNote, actor: Actor, asked: Asked) -> ExamView:
        written = Note(at=office.desk.clock(), by=actor, text=wanted.text)
        async with told():
            exam = await office.once(
                exam_key, asked, actor, lambda schedule: by_hand.note_on_exam(exam_key, written, schedule)
            )
        return ExamView.of(exam)

    return router
