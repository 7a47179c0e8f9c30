"""Where packs lie."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Protocol

from fj_events import Fact, ObjectRef

from storage_service.domain.tiering import Movable


class Tierings(Protocol):
    """Packs on their way from one bucket to another."""

    def packs(self, farthest: str) -> AsyncIterator[Movable]:
        """The packs of complete studies that are not in this bucket, those first that came first."""

    async def begin(self, pack: Movable, to: str, now: datetime) -> bool:
        """Say, before a byte is copied, that this bucket gets a copy: it is deleted in a day unless `moved` is told.

        False where the pack is on its way already, or an earlier copy is just being deleted.
        """

    async def moved(self, pack: Movable, to: ObjectRef, fact: Fact, deletion_at: datetime) -> bool:
        """The pack lies there now, and its former object is to be deleted then; False where it has gone meanwhile."""

    async def suspect(self, pack: Movable) -> None:
        """Have a pack compared with what was stored next: it could not be copied."""
