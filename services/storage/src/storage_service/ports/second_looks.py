"""Studies that are to be compared once more."""

from datetime import datetime
from typing import Protocol

from storage_service.domain.second_look import Overview, SecondLook


class SecondLooks(Protocol):
    """What is marked, each study once."""

    async def claim(self, now: datetime) -> SecondLook | None:
        """The study that has been due longest; for a minute nobody else gets it."""

    async def look(self, look: SecondLook) -> None:
        """Compare it, when whoever is changing something has committed. Raises what it meets; then nothing is done."""

    async def failed(self, look: SecondLook, error: str, due_at: datetime | None) -> None:
        """It has its turn again then, unless it was marked anew meanwhile; None: a person is told."""


class SecondLookBook(Protocol):
    """The same for operators. What they do is a fact."""

    async def read(self, study_instance_uid: str) -> Overview | None:
        """One that is still to be done."""

    async def repeat(self, study_instance_uid: str, actor: str, reason: str | None) -> bool:
        """Look now at one that was given up; False where it was not."""

    async def cancel(self, study_instance_uid: str, actor: str, reason: str | None) -> bool:
        """Let one be that was given up; False where it was not."""
