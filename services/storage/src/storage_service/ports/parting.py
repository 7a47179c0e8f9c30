"""What was matched while two patients counted as one."""

from collections.abc import Collection, Mapping
from typing import Protocol
from uuid import UUID

from fj_events import PatientPhi

from storage_service.domain.keys import OrderKeys


class Partings(Protocol):
    """Matches of patients, inside one transaction."""

    async def matched(self, patient_ids: Collection[UUID]) -> list[str]:
        """Studies that a rule matched, of these patients or of their orders."""

    async def orders(self, study_instance_uids: Collection[str]) -> Mapping[str, OrderKeys]:
        """Their orders, be they open or not, by Study UID."""

    async def registered(self, patient_ids: Collection[UUID]) -> list[PatientPhi]:
        """Who these patients are, as registration systems say today."""
