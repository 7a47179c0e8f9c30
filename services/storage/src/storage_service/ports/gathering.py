"""What came piece by piece, put together when its study is complete."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from storage_service.domain.joining import Joined, Joint


class Pieces(Protocol):
    """Complete studies of which something is in pieces yet."""

    async def due(self, before: datetime, most: int) -> Sequence[str]:
        """Those that were complete then, and of which nothing was heard since."""

    async def begin(self, study_instance_uid: str, now: datetime) -> Sequence[Joint] | None:
        """What is to be joined: for a while nobody else moves these packs, and there may be the new ones.

        None where somebody does. The new ones are deleted in a day unless `joined` is told.
        """

    async def joined(
        self, study_instance_uid: str, joints: Sequence[Joint], made: Sequence[Joined], deletion_at: datetime
    ) -> bool:
        """All lies in the new packs now, and the old ones are to be deleted then.

        False where the study is not what it was any more: nothing has changed.
        """

    async def gather(self, study_instance_uid: str) -> None:
        """One manifest for each series and pack, instead of one for each delivery."""
