"""`/api/storage/integrity`: whether what is kept is what was stored."""

from fastapi import APIRouter
from fj_runtime import Actor, Problem

from storage_service.domain.integrity import Overview
from storage_service.ports.integrity import Archive


def integrity_router(archive: Archive) -> APIRouter:
    """The archive's state, and a look at a study out of turn."""
    router = APIRouter(prefix="/api/storage", tags=["integrity"])

    @router.get("/integrity")
    async def integrity() -> Overview:
        """How many packs there are, how many are damaged, and how long ago the last look at any of them is."""
        return await archive.overview()

    @router.post("/studies/{study_instance_uid}/verification", status_code=202)
    async def verify(study_instance_uid: str, actor: Actor) -> dict[str, int]:
        """Have the packs of a study looked at next; how many they are."""
        packs = await archive.look_again(study_instance_uid, str(actor))
        if not packs:
            raise Problem(404, "There is no such study")
        return {"packs": packs}

    return router
