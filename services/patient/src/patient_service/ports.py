"""What the handlers need."""

from typing import Protocol
from uuid import UUID

from fj_events import Fact

from patient_service.domain.patient import Patient


class Patients(Protocol):
    """The patients, inside one transaction. What is read is locked until its end."""

    async def by_id(self, patient_id: UUID) -> Patient | None:
        """The patient with this key."""

    async def add(self, patient: Patient) -> bool:
        """Keep a new patient. False, and nothing kept, when it is there already, be it since this instant."""

    async def save(self, patient: Patient) -> None:
        """Keep a changed patient."""

    def emit(self, fact: Fact) -> None:
        """Say that something happened; it commits with the rest."""


class PatientBook(Protocol):
    """Looking patients up, outside of any transaction."""

    async def read(self, patient_id: UUID) -> Patient | None:
        """One patient."""

    async def find(
        self, *, number: str | None, issuer: str | None, family_name: str | None, limit: int
    ) -> list[Patient]:
        """Patients that have this number (of this issuer), or whose family name begins like this."""
