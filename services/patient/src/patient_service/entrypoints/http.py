"""`/api/patient`: looking patients up, and undoing a merge."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, status
from fj_bus import Asked, Tx
from fj_events import PatientPhi
from fj_runtime import Actor
from pydantic import BaseModel, Field

from patient_service import merges as merging
from patient_service.domain.errors import NoSuchPatient, PatientError
from patient_service.ports import Entry, Merges, PatientBook, Patients


class PatientView(BaseModel):
    """A patient as others see it."""

    patient_id: UUID
    site: str
    provisional: bool
    patient: PatientPhi
    survivor_id: UUID | None
    """Whose the number is now, where it was merged."""
    until: datetime | None
    """Only what was recorded before is the survivor's: the number was given to somebody else."""
    earlier: tuple["HolderView", ...]
    """Who had the number before, where it was given out again."""

    @classmethod
    def of(cls, entry: Entry) -> "PatientView":
        patient, holders = entry
        whose = holders[-1] if holders else None
        return cls(
            patient_id=patient.patient_id,
            site=patient.site,
            provisional=patient.provisional,
            patient=patient.public,
            survivor_id=whose and whose.survivor,
            until=whose and whose.until,
            earlier=tuple(HolderView(survivor_id=each.survivor, until=each.until) for each in holders[:-1]),
        )


class HolderView(BaseModel):
    """Whose everything is that was recorded before an instant, and after the holder before."""

    survivor_id: UUID
    until: datetime | None


class Undo(BaseModel):
    """Why a merge is undone."""

    reason: str = Field(min_length=1, max_length=500)
    survivor_id: UUID | None = None
    """Of a number that was given out again: into whom it was merged; else the last merge is undone."""


def patients_router(book: PatientBook) -> APIRouter:
    """Search and read."""
    router = APIRouter(prefix="/api/patient", tags=["patients"])

    @router.get("/patients", response_model_exclude_none=True)
    async def find(
        number: Annotated[str | None, Query()] = None,
        issuer: Annotated[str | None, Query()] = None,
        family_name: Annotated[str | None, Query(min_length=1)] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> list[PatientView]:
        found = await book.find(number=number, issuer=issuer, family_name=family_name, limit=limit)
        return [PatientView.of(entry) for entry in found]

    @router.get("/patients/{patient_id}", response_model_exclude_none=True)
    async def read(patient_id: UUID) -> PatientView:
        return await _read(book, patient_id)

    return router


def merges_router(
    book: PatientBook,
    unit: Callable[[str], AbstractAsyncContextManager[Tx]],
    patients: Callable[[Tx], Patients],
    merges: Callable[[Tx], Merges],
) -> APIRouter:
    """What a person may say of merges."""
    router = APIRouter(prefix="/api/patient", tags=["merges"])

    @router.post("/patients/{patient_id}/unmerge", response_model_exclude_none=True, summary="Undo the last merge")
    async def unmerge(patient_id: UUID, undo: Undo, actor: Actor, asked: Asked) -> PatientView:
        try:
            async with unit(actor) as tx:
                if await asked.is_new(tx, actor):
                    await merging.unmerge(patient_id, undo.reason, patients(tx), merges(tx), undo.survivor_id)
        except NoSuchPatient as error:
            raise HTTPException(status.HTTP_404_NOT_FOUND, str(error)) from None
        except PatientError as error:
            raise HTTPException(status.HTTP_409_CONFLICT, str(error)) from None
        return await _read(book, patient_id)

    return router


async def _read(book: PatientBook, patient_id: UUID) -> PatientView:
    entry = await book.read(patient_id)
    if entry is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"no patient has the id {patient_id}")
    return PatientView.of(entry)
