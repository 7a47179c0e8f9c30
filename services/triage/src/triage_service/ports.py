"""What the handlers need."""

from typing import Protocol
from uuid import UUID

from fj_events import Fact, Identifier, OrderDetails, Priority

from triage_service.domain.rules import Subject


class Studies(Protocol):
    """Studies and their orders, inside one transaction."""

    async def keep_order(self, order_id: UUID, details: OrderDetails) -> list[str]:
        """Keep what is asked for; the Study Instance UIDs of the studies that belong to the order."""

    async def keep_study(
        self, study_instance_uid: str, site: str, modalities: tuple[str, ...], description: str | None
    ) -> None:
        """Keep what the images say."""

    async def link(self, study_instance_uid: str, site: str, order_id: UUID, accession_number: Identifier) -> None:
        """The study belongs to the order."""

    async def subject(self, study_instance_uid: str) -> Subject:
        """The study, locked, with its order where that is known."""

    async def raise_to(self, study_instance_uid: str, priority: Priority) -> None:
        """Note how urgent the study is now."""

    def emit(self, fact: Fact) -> None:
        """Say that something happened; it commits with the rest."""
