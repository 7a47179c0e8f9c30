"""`/api/patient/patients/{id}/links`: which numbers stand for one person, and a person's say in it."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter, HTTPException, status
from fj_bus import Asked, Tx
from fj_events import LinkBasis, PatientPhi
from fj_runtime import Actor
from pydantic import BaseModel, Field

from patient_service import links as linking
from patient_service.domain.errors import NoSuchPatient, PatientError
from patient_service.domain.link import ByHand
from patient_service.ports import LinkBook, Links, Patients, Person


class LinkView(BaseModel):
    """What was said last of this number and another one."""

    patient_id: UUID
    patient: PatientPhi
    linked: bool
    basis: LinkBasis
    reason: str
    said_at: datetime | None


class PersonView(BaseModel):
    """The person that a number stands for."""

    enterprise_id: UUID
    numbers: tuple[UUID, ...]
    """All patient ids that stand for this person."""
    links: list[LinkView]

    @classmethod
    def of(cls, person: Person) -> "PersonView":
        links = [
            LinkView(
                patient_id=patient.patient_id,
                patient=patient.public,
                linked=link.linked,
                basis=link.basis,
                reason=link.reason,
                said_at=link.at,
            )
            for link, patient in person.links
        ]
        return cls(enterprise_id=person.enterprise_id, numbers=person.numbers, links=links)


class Word(BaseModel):
    """A user's word on this number and another one."""

    patient_id: UUID
    linked: bool
    reason: str = Field(min_length=1, max_length=500)


def links_router(
    book: LinkBook,
    unit: Callable[[str], AbstractAsyncContextManager[Tx]],
    patients: Callable[[Tx], Patients],
    links: Callable[[Tx], Links],
) -> APIRouter:
    """Look up, link, take apart."""
    router = APIRouter(prefix="/api/patient", tags=["links"])

    @router.get("/patients/{patient_id}/links", response_model_exclude_none=True, summary="The person of a number")
    async def read(patient_id: UUID) -> PersonView:
        return PersonView.of(await book.person(patient_id))

    @router.post(
        "/patients/{patient_id}/links", response_model_exclude_none=True, summary="Link two numbers, or unlink"
    )
    async def say(patient_id: UUID, word: Word, actor: Actor, asked: Asked) -> PersonView:
        pair = patient_id, word.patient_id
        act = ByHand(pair=pair, linked=word.linked, reason=word.reason, at=datetime.now(UTC))
        try:
            async with unit(actor) as tx:
                if await asked.is_new(tx, actor):
                    await linking.link_by_hand(act, patients(tx), links(tx))
        except NoSuchPatient as error:
            raise HTTPException(status.HTTP_404_NOT_FOUND, str(error)) from None
        except PatientError as error:
            raise HTTPException(status.HTTP_409_CONFLICT, str(error)) from None
        return PersonView.of(await book.person(patient_id))

    return router
