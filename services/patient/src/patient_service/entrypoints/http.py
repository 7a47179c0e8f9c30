"""`/api/patient`: looking patients up."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, status
from fj_events import PatientPhi
from pydantic import BaseModel

from patient_service.domain.patient import Patient
from patient_service.ports import PatientBook


class PatientView(BaseModel):
    """A patient as others see it."""

    patient_id: UUID
    site: str
    provisional: bool
    patient: PatientPhi

    @classmethod
    def of(cls, patient: Patient) -> "PatientView":
        return cls(
            patient_id=patient.patient_id,
            site=patient.site,
            provisional=patient.provisional,
            patient=patient.details,
        )


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
        return [PatientView.of(patient) for patient in found]

    @router.get("/patients/{patient_id}", response_model_exclude_none=True)
    async def read(patient_id: UUID) -> PatientView:
        patient = await book.read(patient_id)
        if patient is None:
            raise HTTPException(status.HTTP_404_NOT_FOUND, f"no patient has the id {patient_id}")
        return PatientView.of(patient)

    return router
