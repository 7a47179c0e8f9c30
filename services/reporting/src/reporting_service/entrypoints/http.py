"""`/api/reporting`: the reading list, and reports written on a page."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query, Response, status
from fj_bus import Asked, Tx
from fj_events import Identifier, ReportPhi, Source, Staff
from fj_runtime import Actor
from pydantic import BaseModel, ConfigDict, StringConstraints

from reporting_service import handlers
from reporting_service.domain.errors import NoSuchExam, ReportError
from reporting_service.domain.report import Reading, Report, Status
from reporting_service.ports import ReadingItem, ReadingRoom, Reports

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100_000)]
_STATUSES = {"preliminary": Status.PRELIMINARY, "sign": Status.FINAL, "amend": Status.CORRECTED}


class Draft(BaseModel):
    """What is being written."""

    model_config = ConfigDict(extra="forbid")

    text: Text
    impression: Text | None = None


class Signature(BaseModel):
    """What is given out; without a text it is the draft."""

    model_config = ConfigDict(extra="forbid")

    text: Text | None = None
    impression: Text | None = None
    reason: Text | None = None
    """Why a signed report is corrected."""


class ReportOut(BaseModel):
    """The newest version of a report."""

    report_id: str
    version: int
    status: str
    text: str | None
    impression: str | None
    author: str | None
    signed_at: datetime | None

    @classmethod
    def of(cls, report: Report) -> "ReportOut":
        return cls(
            report_id=str(report.report_id),
            version=report.version,
            status=report.status,
            text=report.content.text,
            impression=report.content.impression,
            author=report.author.display if report.author else None,
            signed_at=report.signed_at,
        )


class ExamOut(BaseModel):
    """One exam with its report and draft."""

    exam_key: str
    accession_number: Identifier | None
    study_instance_uids: tuple[str, ...]
    report: ReportOut | None
    draft: Draft | None


def reading_router(
    unit: Callable[[str], AbstractAsyncContextManager[Tx]], reports: Callable[[Tx], Reports], room: ReadingRoom
) -> APIRouter:
    """Reading list; draft, preliminary, sign, amend."""
    router = APIRouter(prefix="/api/reporting", tags=["reporting"])
    _looking(router, room)
    _writing(router, unit, reports)
    return router


def _looking(router: APIRouter, room: ReadingRoom) -> None:
    @router.get("/reading-list")
    async def reading_list(
        site: Annotated[str | None, Query()] = None,
        modality: Annotated[str | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> list[ReadingItem]:
        """Available exams without a signed report, the most urgent first."""
        return await room.reading_list(site=site, modality=modality, limit=limit)

    @router.get("/waiting")
    async def waiting(limit: Annotated[int, Query(ge=1, le=1000)] = 200) -> list[Reading]:
        """Acknowledged reports whose exam is not known."""
        return await room.waiting(limit)

    @router.get("/exams/{exam_key}")
    async def read(exam_key: str) -> ExamOut:
        """One exam with its report and draft."""
        view = await room.read(exam_key)
        if view is None:
            raise HTTPException(status.HTTP_404_NOT_FOUND, str(NoSuchExam(exam_key)))
        draft = view.draft
        return ExamOut(
            exam_key=view.subject.exam_key,
            accession_number=view.subject.accession_number,
            study_instance_uids=view.subject.study_instance_uids,
            report=ReportOut.of(view.report) if view.report else None,
            draft=Draft(text=draft.text, impression=draft.impression) if draft and draft.text else None,
        )


def _writing(
    router: APIRouter, unit: Callable[[str], AbstractAsyncContextManager[Tx]], reports: Callable[[Tx], Reports]
) -> None:
    @router.put("/exams/{exam_key}/draft", status_code=status.HTTP_204_NO_CONTENT)
    async def draft(exam_key: str, draft: Draft, actor: Actor) -> Response:
        """Keep what is being written; nobody else is told."""
        content = ReportPhi(text=draft.text, impression=draft.impression)
        async with _refusing(), unit(actor) as tx:
            await handlers.write_draft(exam_key, content, actor, reports(tx))
        return Response(status_code=status.HTTP_204_NO_CONTENT)

    @router.post("/exams/{exam_key}/{act}")
    async def give_out(
        exam_key: str, act: Literal["preliminary", "sign", "amend"], signature: Signature, actor: Actor, asked: Asked
    ) -> ReportOut:
        """Give out what was written, or the draft."""
        async with _refusing(), unit(actor) as tx:
            if await asked.is_new(tx, actor):
                report = await handlers.sign(exam_key, _reading(act, signature, actor), reports(tx))
            else:
                report = await handlers.given_out(exam_key, reports(tx))
        return ReportOut.of(report)


@asynccontextmanager
async def _refusing() -> AsyncIterator[None]:
    """What reporting refuses, as an HTTP error; the unit inside is rolled back."""
    try:
        yield
    except NoSuchExam as error:
        raise HTTPException(status.HTTP_404_NOT_FOUND, str(error)) from None
    except ReportError as error:
        raise HTTPException(status.HTTP_409_CONFLICT, str(error)) from None


def _reading(act: str, signature: Signature, actor: str) -> Reading:
    return Reading(
        site="MAIN",
        status=_STATUSES[act],
        content=ReportPhi(text=signature.text, impression=signature.impression),
        at=datetime.now(UTC),
        source=Source.HTTP,
        author=Staff(id=actor),
        actor=actor,
        reason=signature.reason,
    )
