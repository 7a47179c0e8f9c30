"""`/api/storage/studies/{uid}/conflicts`: instances that came again with other bytes, beside the first."""

from typing import Annotated

from fastapi import APIRouter, Query
from fj_runtime import Problem

from storage_service.domain.conflicting import Conflicts
from storage_service.domain.errors import Away
from storage_service.ports.conflicts import ConflictBook


def conflicts_router(book: ConflictBook) -> APIRouter:
    """What a person compares before saying what is right."""
    router = APIRouter(prefix="/api/storage/studies/{study_instance_uid}", tags=["reconciliation"])

    @router.get("/conflicts")
    async def conflicts(study_instance_uid: str, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> Conflicts:
        """Some of its conflicting instances, with what differs; none of a study that has none, or is not here."""
        try:
            return await book.of(study_instance_uid, limit)
        except Away as reason:
            raise Problem(503, str(reason)) from None

    return router
