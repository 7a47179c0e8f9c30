"""`/api/storage/studies/{uid}/reject`, `/restore`, `/rejections`: what is not to be used, for people and programs."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated

from fastapi import APIRouter
from fj_bus import Asked, Tx
from fj_runtime import Actor, Problem
from pydantic import BaseModel, Field

from storage_service import rejecting
from storage_service.domain.rejection import Code, Named, Overview, Rejection
from storage_service.domain.study import Overview as StudyOverview
from storage_service.ports.rejections import RejectionBook, Rejections
from storage_service.ports.studies import StudyBook

Uid = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)*$", max_length=64)]
Reason = Annotated[str, Field(min_length=1, max_length=500)]


class NewRejection(BaseModel):
    """What of a study is not to be used; without series all of it, without instances the whole series."""

    series: Uid | None = None
    instances: list[Uid] = Field(default_factory=list, max_length=10_000)
    code: Code
    """As the title of a rejection note has it (DCM)."""
    reason: Reason


class Restoration(BaseModel):
    """What is taken back."""

    rejection_id: Annotated[str, Field(max_length=64)] | None = None
    """One rejection; absent: all of the study."""
    reason: Reason


class Remaining(BaseModel):
    """What is shown of a study now."""

    number_of_instances: int


def rejections_router(
    studies: StudyBook,
    book: RejectionBook,
    unit: Callable[[str], AbstractAsyncContextManager[Tx]],
    rejections: Callable[[Tx], Rejections],
) -> APIRouter:
    """Reject, take back, see."""
    router = APIRouter(prefix="/api/storage/studies/{study_instance_uid}", tags=["rejections"])

    async def seen(study_instance_uid: str) -> StudyOverview:
        found = await studies.read(study_instance_uid)
        if found is None:
            raise Problem(404, "There is no such study")
        return found

    @router.get("/rejections")
    async def of_study(study_instance_uid: str) -> list[Overview]:
        """What is rejected of a study, the oldest first."""
        return await book.of_study(study_instance_uid)

    @router.post("/reject")
    async def reject(study_instance_uid: str, new: NewRejection, actor: Actor, asked: Asked) -> Remaining:
        """Hide a study, a series, or instances; the bytes are kept."""
        if new.instances and not new.series:
            raise Problem(422, "Instances are named together with their series")
        site = (await seen(study_instance_uid)).site
        named = tuple(Named(study_instance_uid, new.series or "", uid) for uid in new.instances or [""])
        said = Rejection(str(asked.id(actor)), new.code, named, site, new.reason, actor)
        async with unit(actor) as tx:
            if await asked.is_new(tx, actor):
                (shown,) = await rejecting.reject(said, rejections(tx))
                return Remaining(number_of_instances=shown.after)
        return Remaining(number_of_instances=(await seen(study_instance_uid)).number_of_instances)

    @router.post("/restore")
    async def restore(study_instance_uid: str, back: Restoration, actor: Actor, asked: Asked) -> Remaining:
        """Take a rejection back, or all of a study, whoever rejected. The same note again does not reject again."""
        site = (await seen(study_instance_uid)).site
        async with unit(actor) as tx:
            if await asked.is_new(tx, actor):
                said = study_instance_uid, site, back.rejection_id, back.reason
                shown = await rejecting.reinstate(*said, rejections(tx))
                if shown is None:
                    raise Problem(409, "Nothing of this study is rejected so")
                return Remaining(number_of_instances=shown.after)
        return Remaining(number_of_instances=(await seen(study_instance_uid)).number_of_instances)

    return router
