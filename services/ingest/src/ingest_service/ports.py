"""What the doors and the handlers need."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol
from uuid import UUID

from fj_events import Fact
from fj_packs.pack import Contents, Identity, Member, Origin, SeriesHead

from ingest_service.domain.commitment import CommitmentRequest


class Entry(Protocol):
    """One data set on its way into the journal. `NotAccepted` from any method: nothing of it is kept."""

    def write(self, *pieces: bytes | memoryview) -> None:
        """The next bytes of the data set."""

    def view(self) -> memoryview:
        """The data set as far as it was written."""

    def commit(self) -> None:
        """Make it durable: when this returns, no kill and no power cut loses it."""

    def abandon(self) -> None:
        """Keep nothing. Allowed at any time, also twice."""


class Writer(Protocol):
    """One association's (or request's) way into the journal, one data set after the other. Used by one thread."""

    def begin(self, identity: Identity, header: bytes) -> Entry:
        """A data set behind this Part 10 header. Raises NotAccepted when there is no room."""

    def close(self) -> None:
        """The association is over: what it brought can be shipped."""


class Journal(Protocol):
    """Received and not yet shipped."""

    def writer(self, origin: Origin) -> Writer:
        """A new association."""

    def check_room(self) -> None:
        """Raises NotAccepted while the disk is nearly full."""


@dataclass(frozen=True, slots=True)
class SegmentStatus:
    """A segment as an operator sees it."""

    id: UUID
    state: str
    bytes: int
    """Taken on the disk; an open segment reserves its whole room."""
    age_seconds: float


@dataclass(frozen=True, slots=True)
class JournalStatus:
    """The journal as an operator sees it."""

    segments: tuple[SegmentStatus, ...]
    free_bytes: int
    accepting: bool

    @property
    def bytes(self) -> int:
        return sum(segment.bytes for segment in self.segments)

    @property
    def oldest_age_seconds(self) -> float:
        return max((segment.age_seconds for segment in self.segments), default=0.0)


class JournalView(Protocol):
    """The journal from its operator's side."""

    def sweep(self) -> None:
        """Close what has been idle, or open, for too long."""

    def status(self) -> JournalStatus:
        """What lies in the folder, of all processes of this node."""


class Segment(Protocol):
    """A sealed segment that this process alone holds."""

    @property
    def id(self) -> UUID: ...
    @property
    def key(self) -> str:
        """The name of its pack in the object store."""

    @property
    def path(self) -> Path: ...
    @property
    def sending(self) -> bool:
        """Whether an upload may have begun."""

    async def contents(self) -> Contents:
        """Whose it is and what is in it."""

    async def heads(self, members: Sequence[Member]) -> Mapping[str, SeriesHead]:
        """For each series among these members what its first one says."""

    async def mark_sending(self) -> None:
        """An upload begins; this is remembered over a crash."""

    async def delete(self) -> None:
        """Its pack and facts are durable, or it holds nothing new: the disk can forget it."""

    def release(self) -> None:
        """Let another process have it; after `delete` there is nothing left to let go of."""


class Stored(Protocol):
    """What the object store says about a pack (`fj_objects.ObjectInfo`)."""

    @property
    def bucket(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> str | None: ...


class Packs(Protocol):
    """The object store."""

    async def put_file(self, key: str, path: Path) -> Stored:
        """Put unless it is there, verified by size and hash (`fj_objects.ObjectStore.put_file`)."""

    async def delete(self, key: str) -> None:
        """Remove; absent is no error."""


class DigestUnit(Protocol):
    """One transaction under the lock on a study."""

    async def add(self, members: Sequence[Member], pack: UUID) -> list[Member]:
        """Keep the digests that are new; the members that they belong to. That the others came again is kept, too."""

    async def forget(self) -> datetime | None:
        """Know nothing of the study any more: what comes of it is new. Its packs are still referred to.

        When something of it was received last that was taken for known, since it was forgotten before; None if never.
        """

    def emit(self, fact: Fact) -> None:
        """State a fact when the transaction commits."""


class Digests(Protocol):
    """What was shipped: a digest of SOP Instance UID and content for each instance."""

    async def all_known(self, study_instance_uid: str, members: Sequence[Member]) -> bool:
        """Whether every one of them, all of this study, was shipped before; then it is kept that they came again."""

    async def refers_to(self, pack: UUID) -> bool:
        """Whether any instance was shipped in this pack."""

    def unit(self, study_instance_uid: str) -> AbstractAsyncContextManager[DigestUnit]:
        """Lock the study; commits at exit."""


class CommitmentUnit(Protocol):
    """One transaction."""

    async def enter(self, request: CommitmentRequest) -> bytes | None:
        """Keep the request; the digest of the one that has its Transaction UID already, None where there is none."""

    def emit(self, fact: Fact) -> None:
        """State a fact when the transaction commits."""


class Commitments(Protocol):
    """Storage commitment requests that were taken."""

    def unit(self) -> AbstractAsyncContextManager[CommitmentUnit]:
        """Commits at exit. Raises NotKept."""
