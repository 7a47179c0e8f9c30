"""What came piece by piece is put together when its study is complete and silent."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from storage_service.ports.gathering import Pieces

AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Gathering:
    """What it takes to put studies together."""

    pieces: Pieces
    silence: timedelta
    """So long after the last sign of life of a study."""

    async def look(self) -> None:
        """Put together what is due. Killed anywhere, a study is as it was, or as it is to be."""
        for uid in await self.pieces.due(datetime.now(UTC) - self.silence, AT_ONCE):
            await self.pieces.gather(uid)
