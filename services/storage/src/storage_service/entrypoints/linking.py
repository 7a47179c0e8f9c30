"""`/api/storage/studies/{uid}/candidates`, `/link`, `/unlink`, `/confirm`, `/undo`: whose a study is, a person says."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from fj_bus import Asked, Tx
from fj_events import CodedConcept
from fj_runtime import Actor, Problem
from pydantic import BaseModel, ConfigDict, StringConstraints

from storage_service import linking
from storage_service.domain import matching
from storage_service.domain.agreement import Finding, persons
from storage_service.domain.linking import LinkOverview, LinkRefused, NotThere
from storage_service.domain.matching import Candidate
from storage_service.domain.study import Overview
from storage_service.handlers import Work
from storage_service.linking import Wish
from storage_service.ports.links import Candidates, LinkBook, Links
from storage_service.ports.studies import StudyBook

Begin = Callable[[Tx], tuple[Links, Work]]


class Because(BaseModel):
    """Why it is done."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]


class Link(Because):
    """To which order, and why."""

    order_id: UUID


@dataclass(frozen=True, slots=True)
class Known:
    """What is looked up."""

    history: LinkBook
    book: StudyBook
    candidates: Candidates


class CandidateView(BaseModel):
    """An order that the study might belong to, beside it."""

    order_id: UUID
    score: int
    open: bool
    """Neither cancelled nor completed, and without a study."""
    procedure: CodedConcept | None
    findings: tuple[Finding, ...]
    """What the images and the order say, criterion by criterion."""

    @classmethod
    def of(cls, found: Candidate) -> "CandidateView":
        order = found.order
        return cls(
            order_id=order.order_id,
            score=found.score,
            open=order.open,
            procedure=order.procedure,
            findings=found.findings,
        )


def linking_router(unit: Callable[[], AbstractAsyncContextManager[Tx]], begin: Begin, known: Known) -> APIRouter:
    """Candidates, link, unlink, confirm, undo, and what was done. What is asked for twice is done once."""
    router = APIRouter(prefix="/api/storage/studies/{study_instance_uid}", tags=["reconciliation"])

    @router.get("/candidates")
    async def candidates(study_instance_uid: str) -> list[CandidateView]:
        """The orders that it might belong to, the best one first, with what agrees and what does not."""
        near = await known.candidates.near(study_instance_uid)
        if near is None:
            raise Problem(404, "There is no such study")
        return [CandidateView.of(found) for found in matching.candidates(*near)]

    @router.get("/registration")
    async def registration(study_instance_uid: str) -> list[Finding]:
        """What its images say of the patient, beside what is registered under the patient's number."""
        known_as = await known.candidates.registered(study_instance_uid)
        if known_as is None:
            raise Problem(404, "There is no such study")
        return list(persons(*known_as)) if known_as[1] else []

    @router.get("/links")
    async def links(study_instance_uid: str) -> list[LinkOverview]:
        """What persons have done with it, the first act first."""
        return await known.history.history(study_instance_uid)

    _acts(router, unit, begin, known.book)
    return router


def _acts(
    router: APIRouter, unit: Callable[[], AbstractAsyncContextManager[Tx]], begin: Begin, book: StudyBook
) -> None:
    """What a named person does with a study."""

    @router.post("/link")
    async def link(study_instance_uid: str, wanted: Link, actor: Actor, asked: Asked) -> Overview:
        """The study belongs to this order; the study after that."""
        async with _answering(), unit() as tx:
            if await asked.is_new(tx, actor):
                await linking.link(Wish(study_instance_uid, actor, wanted.reason), wanted.order_id, *begin(tx))
        return await _seen(study_instance_uid, book)

    @router.post("/unlink")
    async def unlink(study_instance_uid: str, wanted: Because, actor: Actor, asked: Asked) -> Overview:
        """The study belongs to no order; the study after that."""
        async with _answering(), unit() as tx:
            if await asked.is_new(tx, actor):
                await linking.unlink(Wish(study_instance_uid, actor, wanted.reason), *begin(tx))
        return await _seen(study_instance_uid, book)

    @router.post("/confirm")
    async def confirm(study_instance_uid: str, wanted: Because, actor: Actor, asked: Asked) -> Overview:
        """The patient's number on its images is right, whatever else they say; the study after that."""
        async with _answering(), unit() as tx:
            if await asked.is_new(tx, actor):
                await linking.confirm(Wish(study_instance_uid, actor, wanted.reason), *begin(tx))
        return await _seen(study_instance_uid, book)

    @router.post("/undo")
    async def undo(study_instance_uid: str, wanted: Because, actor: Actor, asked: Asked) -> Overview:
        """The newest of these acts is taken back; the study after that."""
        async with _answering(), unit() as tx:
            if await asked.is_new(tx, actor):
                await linking.undo(Wish(study_instance_uid, actor, wanted.reason), *begin(tx))
        return await _seen(study_instance_uid, book)

    @router.post("/conflicts/settle")
    async def settle(study_instance_uid: str, wanted: Because, actor: Actor) -> Overview:
        """Instances that came again with other bytes were looked at: the first stay current."""
        async with _answering(), unit() as tx:
            await linking.settle_conflicts(Wish(study_instance_uid, actor, wanted.reason), begin(tx)[1])
        return await _seen(study_instance_uid, book)


async def _seen(study_instance_uid: str, book: StudyBook) -> Overview:
    found = await book.read(study_instance_uid)
    if found is None:
        raise Problem(404, "There is no such study")
    return found


@asynccontextmanager
async def _answering() -> AsyncIterator[None]:
    """Turn what cannot be done into an answer, after its transaction has been rolled back."""
    try:
        yield
    except LinkRefused as refused:
        raise Problem(404 if isinstance(refused, NotThere) else 409, str(refused)) from None
