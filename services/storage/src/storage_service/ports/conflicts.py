"""Looking at instances that came again under known UIDs with other bytes."""

from typing import Protocol

from storage_service.domain.conflicting import Conflicts


class ConflictBook(Protocol):
    """What is kept of a study beside what is shown."""

    async def of(self, study_instance_uid: str, limit: int) -> Conflicts:
        """Each instance that came later beside the one that is current, as their bytes are. Raises Away."""
