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
    async def start(exam_key: str, actor: Actor, meant: StepsMeant | None = None) -> ExamView:
        async with told(), office.unit(actor) as tx:
            exam = await by_hand.start_exam(exam_key, meant.step_ids if meant else (), office.schedule(tx), lists)
        return ExamView.of(exam)

    @router.post("/exams/{exam_key}/complete", summary="Say that an exam is done, for a machine without MPPS")
    async def complete(exam_key: str, actor: Actor, meant: StepsMeant | None = None) -> ExamView:
        async with told(), office.unit(actor) as tx:
            exam = await by_hand.complete_exam(exam_key, meant.step_ids if meant else (), office.schedule(tx), lists)
        return ExamView.of(exam)

    @router.post("/exams/{exam_key}/notes", status_code=status.HTTP_201_CREATED, summary="Note something about an exam")
    async def note(exam_key: str, wanted: NewNote, actor: Actor, asked: Asked) -> ExamView:
        written = Note(at=office.desk.clock(), by=actor, text=wanted.text)
        async with told(), office.unit(actor) as tx:
            is_new = await asked.is_new(tx, actor)
            exam = await by_hand.note_on_exam(exam_key, written, office.schedule(tx), is_new=is_new)
        return ExamView.of(exam)

    return router
