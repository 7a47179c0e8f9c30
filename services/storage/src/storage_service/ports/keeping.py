"""How long studies are kept."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from fj_events import Fact, RecallCause, StudyRemovalDelayed

from storage_service.domain.rejection import Shown
from storage_service.domain.retention import Retained
from storage_service.domain.retirement import Hold, Packed, Retirement, Tombstone
from storage_service.domain.thinning import Sentence


class Keepings(Protocol):
    """Holds, retirements and removals, inside one transaction. Whoever names a study has locked it by `lock`."""

    async def lock(self, study_instance_uids: Iterable[str]) -> None:
        """Lock these studies until the end."""

    async def retained(self, study_instance_uid: str) -> Retained | None:
        """What rules ask about a complete study; None where there is none."""

    async def rejected(self, study_instance_uid: str) -> tuple[frozenset[str], datetime] | None:
        """With which codes it was rejected, and since when, where nothing of it is shown for these reasons alone."""

    async def removable(self, study_instance_uid: str, sentence: Sentence) -> bool:
        """Whether the study has rejected instances that go."""

    async def holds(self, study_instance_uid: str) -> list[Hold]:
        """The holds that stand, on the study or its patient."""

    async def patient(self, study_instance_uid: str) -> UUID | None:
        """Whose study it is: the order's patient, else whom the images name."""

    async def lock_held_by(self, hold: Hold) -> list[tuple[str, str]]:
        """The studies that are here and that this hold is about, locked, each with its site."""

    async def put_hold(self, hold: Hold) -> None:
        """Keep a hold, or that it was lifted."""

    async def hold(self, hold_id: UUID) -> Hold | None:
        """One hold."""

    async def retirement(self, study_instance_uid: str) -> Retirement | None:
        """That which is open."""

    async def retire(self, retirement: Retirement) -> Shown:
        """Hide a study."""

    async def recall(self, retirement: Retirement, cause: RecallCause, now: datetime) -> Shown:
        """Show it again."""

    async def forgotten(self, retirement: Retirement, now: datetime) -> None:
        """Keep that `ingest` takes what comes of it for new."""

    async def report(self, delayed: StudyRemovalDelayed, now: datetime) -> None:
        """Have a person see that a removal waits, once; until it is done or not to be done any more."""

    async def content(self, study_instance_uid: str) -> Packed:
        """All that is kept of a study."""

    async def remove(self, tombstone: Tombstone, deletion_at: datetime) -> None:
        """Forget the study; only the tombstone stays, and its objects are to be deleted then."""

    async def bury(self, tombstone: Tombstone) -> None:
        """Keep what is known of what was removed; its retirement has come to its end."""

    def emit(self, fact: Fact) -> None:
        """Say that something happened; it commits with the rest."""


class KeepingBook(Protocol):
    """The same, looked up; what was found may have changed since."""

    def retained(self, before: date) -> AsyncIterator[Retained]:
        """The studies of that day and older that are not retired, the oldest first."""

    def rejected(self) -> AsyncIterator[str]:
        """The studies of which something is rejected and that are not retired."""

    async def due(self, now: datetime, most: int, *, partial: bool) -> list[str]:
        """Studies that can be removed, as a whole or in part, the longest due first."""

    async def waiting(self, since: datetime, most: int) -> list[str]:
        """Studies that should have been removed then and are waited for, which nobody has been told yet."""

    async def retired(self, most: int) -> list[Retirement]:
        """Those that are open, the next one to be removed first."""

    async def holds(self) -> list[Hold]:
        """All that stand, the newest first."""

    async def tombstones(self, study_instance_uid: str | None, most: int) -> list[Tombstone]:
        """The newest, of one study or of all."""


class Doomed(Protocol):
    """Objects that nothing names any more."""

    async def claim(self, now: datetime, most: int) -> Sequence[tuple[str, str]]:
        """Bucket and key of such as are due; for a while nobody else gets them."""

    async def deleted(self, bucket: str, key: str) -> None:
        """It is gone."""
