"""Whether what was received is still here."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from storage_service.domain.integrity import Finding, Kept, Pack
from storage_service.domain.integrity import Overview as IntegrityOverview


class Archive(Protocol):
    """All packs, and what was found when they were looked at."""

    async def claim(self, now: datetime, before: datetime) -> Pack | None:
        """The pack that was not looked at for longest, if not since `before`; for an hour it is the caller's."""

    async def contents(self, pack: Pack) -> Sequence[Kept]:
        """The instances in a pack, in the order in which they lie, all revisions."""

    async def record(self, pack: Pack, finding: Finding, now: datetime) -> None:
        """Keep what was found, and tell it where it is news: as facts, and on the exceptions list."""

    async def overview(self) -> IntegrityOverview:
        """The state of all of it."""

    async def look_again(self, study_instance_uid: str, actor: str) -> int:
        """Have the packs of a study looked at next, and say that a person wanted it; how many they are."""
