"""What came piece by piece, put together when its study is complete."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol


class Pieces(Protocol):
    """Complete studies of which something is in pieces yet."""

    async def due(self, before: datetime, most: int) -> Sequence[str]:
        """Those that were complete then, and of which nothing was heard since."""

    async def gather(self, study_instance_uid: str) -> None:
        """One manifest for each series and pack, instead of one for each delivery."""
