"""`/api/storage`: the state of studies for people and programs."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fj_runtime import Problem

from storage_service.domain.commitment import Overview as CommitmentOverview
from storage_service.domain.exceptional import ExceptionEntry
from storage_service.domain.study import Overview
from storage_service.entrypoints.sight import Sight
from storage_service.ports.commitment import CommitmentBook
from storage_service.ports.studies import StudyBook

Limit = Annotated[int, Query(ge=1, le=500)]


def studies_router(books: Sight[Request, StudyBook], commitments: CommitmentBook) -> APIRouter:
    """Look studies up, as far as who asks may see them."""
    router = APIRouter(prefix="/api/storage", tags=["studies"])

    @router.get("/studies")
    async def studies(
        request: Request,
        accession: Annotated[str | None, Query()] = None,
        patient_id: Annotated[str | None, Query()] = None,
        limit: Limit = 100,
    ) -> list[Overview]:
        """The newest studies with this accession or patient number, whoever gave it out."""
        return await (await books.of(request)).find(accession=accession, patient_number=patient_id, limit=limit)

    @router.get("/studies/{study_instance_uid}")
    async def study(request: Request, study_instance_uid: str) -> Overview:
        """One study."""
        found = await (await books.of(request)).read(study_instance_uid)
        if found is None:
            raise Problem(404, "There is no such study")
        return found

    @router.get("/unmatched")
    async def unmatched(request: Request, limit: Limit = 100) -> list[Overview]:
        """Complete studies that no order fits, the longest waiting first."""
        return await (await books.of(request)).unmatched(limit)

    @router.get("/exceptions")
    async def exceptions(request: Request, limit: Limit = 100) -> list[ExceptionEntry]:
        """What a person has to look at, the newest first."""
        return await (await books.of(request)).exceptions(limit)

    @router.get("/commitments")
    async def newest_commitments(limit: Limit = 100) -> list[CommitmentOverview]:
        """The storage commitment requests that came last, what was found and whether the sender was told."""
        return await commitments.newest(limit)

    return router
