"""What is not to be used (IHE IOCM)."""

from datetime import datetime
from typing import Protocol

from fj_events import Fact

from storage_service.domain.rejection import Note, Rejection, Shown
from storage_service.domain.rejection import Overview as RejectionOverview


class Rejections(Protocol):
    """What is not to be used, inside one transaction. Every method locks the studies that it names."""

    async def add(self, rejection: Rejection) -> list[Shown]:
        """Hide what is named; the studies of which something is named that this rejection had not named before."""

    async def withdraw(self, study_instance_uid: str, rejection_id: str | None) -> tuple[Shown, tuple[str, ...]]:
        """Take one rejection of a study back, or all; which these were. What is shown again is routed again."""

    async def read(self, note: Note, outcome: str) -> bool:
        """Keep that a note was read; False where somebody else has."""

    def emit(self, fact: Fact) -> None:
        """Say that something happened; it commits with the rest."""


class RejectionBook(Protocol):
    """Looking rejections up."""

    async def of_study(self, study_instance_uid: str) -> list[RejectionOverview]:
        """Of one study, the oldest first."""


class Notes(Protocol):
    """Key Object Selection documents that are to be read."""

    async def claim(self, now: datetime) -> Note | None:
        """One that is due; for a while nobody else gets it."""
