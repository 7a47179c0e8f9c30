"""`/api/scheduling`: exams, their steps, the catalogue."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, status
from fj_bus import Tx
from fj_events import CodedConcept, Identifier, PatientPhi, Priority, ScheduledStep
from fj_runtime import Actor
from pydantic import AwareDatetime, BaseModel

from scheduling_service import handlers
from scheduling_service.domain.catalogue import Catalogue
from scheduling_service.domain.differences import differences
from scheduling_service.domain.errors import NoSuchExam, NotPossible
from scheduling_service.domain.exam import Exam, Wanted, WantedSteps, step_ids
from scheduling_service.domain.notes import Note
from scheduling_service.domain.performed import PerformedStep
from scheduling_service.domain.step import Step, StepState
from scheduling_service.ports import ExamBook, InstanceLists, Schedule


class StepView(ScheduledStep):
    """A scheduled procedure step and where it stands."""

    exam_key: str
    state: StepState
    booked: bool
    """There is an appointment."""

    @classmethod
    def of(cls, exam_key: str, step: Step) -> "StepView":
        return cls(**dict(step.plan), exam_key=exam_key, state=step.state, booked=step.keeps_its_slot)


class PerformedView(BaseModel):
    """What a modality reported by MPPS."""

    sop_instance_uid: str
    status: str
    study_instance_uid: str
    """In which study its images are."""
    patient: PatientPhi
    """Whom the modality named."""
    step_ids: tuple[str, ...]
    """The scheduled steps that it performs."""
    station_ae_title: str
    station_name: str | None
    location: str | None
    modality: str
    description: str | None
    procedure: tuple[CodedConcept, ...]
    protocol: tuple[CodedConcept, ...]
    differs: tuple[str, ...]
    """In what it is not as it was scheduled: modality, station, procedure, protocol."""
    started_at: datetime
    ended_at: datetime | None
    number_of_series: int
    number_of_instances: int
    discontinuation_reason: CodedConcept | None

    @classmethod
    def of(cls, exam: Exam, step: PerformedStep) -> "PerformedView":
        return cls(
            sop_instance_uid=step.sop_instance_uid,
            status=step.status,
            study_instance_uid=step.study_instance_uid,
            patient=step.patient,
            step_ids=step_ids(exam, step),
            station_ae_title=step.station_ae_title,
            station_name=step.station_name,
            location=step.location,
            modality=step.modality,
            description=step.description,
            procedure=step.procedure,
            protocol=step.protocol,
            differs=differences(exam, step),
            started_at=step.started_at,
            ended_at=step.ended_at,
            number_of_series=len(step.series),
            number_of_instances=step.number_of_instances,
            discontinuation_reason=step.discontinuation_reason,
        )


class ExamView(BaseModel):
    """An exam as others see it."""

    exam_key: str
    site: str
    state: StepState
    order_id: UUID | None
    accession_number: Identifier | None
    study_instance_uid: str
    procedure: CodedConcept | None
    priority: Priority | None
    patient: PatientPhi | None
    planned_because: str | None
    waiting_since: datetime | None
    """On the waiting list."""
    notes: tuple[Note, ...]
    steps: list[StepView]
    performed: list[PerformedView]

    @classmethod
    def of(cls, exam: Exam) -> "ExamView":
        ordered = exam.ordered
        details = ordered.details if ordered else None
        return cls(
            exam_key=exam.key,
            site=exam.site,
            state=exam.state,
            order_id=exam.order_id,
            accession_number=details.accession_number if details else None,
            study_instance_uid=exam.study_instance_uid,
            procedure=ordered.procedure if ordered else None,
            priority=details.priority if details else None,
            patient=details.patient if details else next((each.patient for each in exam.performed), None),
            planned_because=ordered.planned_because if ordered else None,
            waiting_since=exam.waits.since if exam.waits else None,
            notes=ordered.notes if ordered else (),
            steps=[StepView.of(exam.key, step) for step in exam.steps],
            performed=[PerformedView.of(exam, step) for step in exam.performed],
        )


class Exams(BaseModel):
    """Exams, the newest first."""

    exams: list[ExamView]


class Steps(BaseModel):
    """Scheduled procedure steps by start."""

    steps: list[StepView]


Limit = Annotated[int, Query(ge=1, le=500)]


def scheduling_router(
    book: ExamBook,
    catalogue: Catalogue,
    unit: Callable[[str], AbstractAsyncContextManager[Tx]],
    schedule: Callable[[Tx], Schedule],
    lists: InstanceLists,
) -> APIRouter:
    """Look up, and end what will not end by itself."""
    router = APIRouter(prefix="/api/scheduling", tags=["scheduling"])
    _look_up_exams(router, book)
    _look_up_steps(router, book)

    @router.post("/exams/{exam_key}/finish", summary="End a started exam whose modality will not")
    async def finish_exam(exam_key: str, actor: Actor) -> ExamView:
        try:
            async with unit(actor) as tx:
                exam = await handlers.finish_exam(exam_key, schedule(tx), lists)
        except NoSuchExam as error:
            raise HTTPException(status.HTTP_404_NOT_FOUND, str(error)) from None
        except NotPossible as error:
            raise HTTPException(status.HTTP_409_CONFLICT, str(error)) from None
        return ExamView.of(exam)

    @router.get("/catalogue", summary="Procedures and stations")
    async def read_catalogue() -> Catalogue:
        return catalogue

    return router


def _look_up_exams(router: APIRouter, book: ExamBook) -> None:
    @router.get("/exams", summary="Find exams")
    async def find_exams(  # noqa: PLR0913, PLR0917 - each is a parameter of the query string
        site: str | None = None,
        state: StepState | None = None,
        order_id: UUID | None = None,
        accession_number: str | None = None,
        study_instance_uid: str | None = None,
        limit: Limit = 100,
    ) -> Exams:
        wanted = Wanted(
            site=site,
            state=state,
            order_id=order_id,
            accession_number=accession_number,
            study_instance_uid=study_instance_uid,
        )
        return Exams(exams=[ExamView.of(exam) for exam in await book.find(wanted, limit)])

    @router.get("/exams/{exam_key}", summary="One exam")
    async def read_exam(exam_key: str) -> ExamView:
        exam = await book.read(exam_key)
        if exam is None:
            raise HTTPException(status.HTTP_404_NOT_FOUND, str(NoSuchExam()))
        return ExamView.of(exam)


def _look_up_steps(router: APIRouter, book: ExamBook) -> None:
    @router.get("/steps", summary="Find scheduled procedure steps")
    async def find_steps(  # noqa: PLR0913, PLR0917 - each is a parameter of the query string
        site: str | None = None,
        state: StepState | None = None,
        station_ae_title: str | None = None,
        modality: str | None = None,
        starts_from: AwareDatetime | None = None,
        starts_before: AwareDatetime | None = None,
        limit: Limit = 100,
    ) -> Steps:
        wanted = WantedSteps(
            site=site,
            state=state,
            station_ae_title=station_ae_title,
            modality=modality,
            starts_from=starts_from,
            starts_before=starts_before,
        )
        return Steps(steps=[StepView.of(key, step) for key, step in await book.find_steps(wanted, limit)])
