"""What the handlers need."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Protocol, TypeAlias
from uuid import UUID

from fj_events import (
    ExamRescheduled,
    ExamScheduled,
    ExamStarted,
    Fact,
    InstancesStored,
    ObjectRef,
    OrderChanged,
    OrderPlaced,
    PatientMerged,
    PatientRegistered,
    PatientUnmerged,
    PatientUpdated,
    SeriesSummary,
    StudyConflicted,
    StudyDamaged,
    StudyRelinked,
    StudyUnmatched,
)

from storage_service.domain.commitment import Commitment
from storage_service.domain.commitment import Overview as CommitmentOverview
from storage_service.domain.commitment import State as CommitmentState
from storage_service.domain.exceptional import Exceptional, ExceptionEntry, ExceptionKind
from storage_service.domain.integrity import Finding, Kept, Pack
from storage_service.domain.integrity import Overview as IntegrityOverview
from storage_service.domain.linking import LinkEntry, LinkOverview
from storage_service.domain.matching import OrderKeys, StudyKeys
from storage_service.domain.rejection import Note, Rejection, Shown
from storage_service.domain.rejection import Overview as RejectionOverview
from storage_service.domain.rendering import Look
from storage_service.domain.retrieval import FrameSet, Selection, Series, Stored
from storage_service.domain.routing import (
    Routable,
    Send,
    SendKind,
    SendOverview,
    SendResult,
    SendState,
    Verdict,
)
from storage_service.domain.search import Found, Search
from storage_service.domain.study import Arrival, Overview, PerformedEnd, Study


class Studies(Protocol):
    """Studies and what is known about where they belong, inside one transaction.

    Every method that names a study locks it until the end, be it known already or not.
    """

    async def add_instances(self, facts: Sequence[InstancesStored], heard_at: datetime) -> Mapping[str, Arrival]:
        """Fold instances into the index; by study. Those that are here already change nothing."""

    async def get(self, study_instance_uids: Collection[str]) -> list[Study]:
        """The studies of which an image is here, in order of their UIDs."""

    async def save(self, studies: Sequence[Study]) -> None:
        """Keep to what they were matched, whether they are complete, and when to look again."""

    async def with_progress(self, studies: Sequence[Study]) -> list[Study]:
        """The same studies with what is known now of their making, by their UIDs and their orders."""

    async def series(self, study_instance_uids: Collection[str]) -> Mapping[str, list[SeriesSummary]]:
        """Their series, counted, in order of their numbers."""

    async def candidates(self, keys: Sequence[StudyKeys]) -> Mapping[str, list[OrderKeys]]:
        """Orders that share the UID, the accession number or, where there is none, the patient; by Study UID."""

    async def due(self, now: datetime, most: int) -> list[str]:
        """Studies whose time has come and that nobody else is looking at."""

    async def put_order(self, fact: OrderPlaced | OrderChanged, placed_at: datetime, day: date) -> None:
        """Keep by what an order can be matched."""

    async def set_order_open(self, order_id: UUID, *, open_: bool) -> None:
        """Say whether an order still waits for images."""

    async def waiting_for_order(self, order_id: UUID) -> list[str]:
        """Studies without an order that could belong to this one."""

    async def waiting_for_patient(self, patient_id: UUID) -> list[str]:
        """Studies without an order and without an accession number that are of this patient."""

    async def plan_exam(self, fact: ExamScheduled | ExamRescheduled) -> None:
        """Keep the modalities that are planned for an order."""

    async def start_exam(self, fact: ExamStarted, heard_at: datetime) -> list[str]:
        """Keep that a performed step is in progress; the studies that it is about."""

    async def end_exam(self, end: PerformedEnd, heard_at: datetime) -> list[str]:
        """Keep that a performed step ended and what it lists; the studies that it is about."""

    async def put_patient(self, fact: PatientRegistered | PatientUpdated, aliases: Sequence[UUID]) -> None:
        """Keep the further ids of a patient."""

    async def patient_moved(self, fact: PatientMerged | PatientUnmerged) -> None:
        """The studies under a number are found as those of whom it stands for now."""

    async def mark_for_routing(self, study_instance_uids: Collection[str]) -> None:
        """They are available, or have grown: see where they are to be sent, once that has committed."""

    async def expect_notes(self, notes: Sequence[Note]) -> None:
        """These documents are to be read once they are committed; those that were read are not read again."""

    def emit(self, fact: Fact) -> None:
        """Say that something happened; it commits with the rest."""

    async def report(
        self, fact: StudyConflicted | StudyDamaged | StudyRelinked | StudyUnmatched, entry: Exceptional
    ) -> None:
        """Say that something happened, and put it on the exceptions list."""

    async def resolve(self, study_instance_uid: str, kind: ExceptionKind) -> None:
        """Take what is no exception any more off the list."""


class Links(Protocol):
    """What persons say about where studies belong, inside one transaction."""

    async def order(self, order_id: UUID) -> OrderKeys | None:
        """By what an order can be recognised; None where it is not known."""

    async def newest(self, study_instance_uid: str) -> LinkEntry | None:
        """The newest act on a study."""

    async def add(self, study_instance_uid: str, entry: Callable[[int], LinkEntry]) -> None:
        """Keep an act; it is given the next number of the study, whose lock the caller has."""


class LinkBook(Protocol):
    """The same acts, looked up."""

    async def history(self, study_instance_uid: str) -> list[LinkOverview]:
        """The acts on a study, the first one first."""


class InstanceLists(Protocol):
    """Lists of instances that are too long for an event."""

    async def read(self, ref: ObjectRef) -> tuple[str, ...]:
        """The SOP Instance UIDs of all series."""


class StudyBook(Protocol):
    """Looking studies up, outside of any transaction."""

    async def read(self, study_instance_uid: str) -> Overview | None:
        """One study."""

    async def find(self, *, accession: str | None, patient_number: str | None, limit: int) -> list[Overview]:
        """The studies that came last, with these numbers, whoever gave them out."""

    async def unmatched(self, limit: int) -> list[Overview]:
        """Complete studies that no order fits, the longest waiting first."""

    async def exceptions(self, limit: int) -> list[ExceptionEntry]:
        """What a person has to look at, the newest first."""

    async def any_due(self, now: datetime) -> bool:
        """Whether there is a study whose time has come."""


class Hearing(Protocol):
    """How far this service has listened."""

    async def heard_until(self) -> datetime | None:
        """Every fact that stood on the log then has been handled; None where that is not known yet."""


class Searches(Protocol):
    """Questions to the index."""

    async def search(self, search: Search) -> Found:
        """One page of results, the newest studies first."""


class Index(Protocol):
    """Which instances are here and where they lie."""

    async def instances(
        self, study_instance_uid: str, series_instance_uid: str | None = None, sop_instance_uid: str | None = None
    ) -> list[Stored]:
        """The current instances of a study, a series, or one, by number; empty where there are none."""

    async def series(self, study_instance_uid: str, series_instance_uid: str | None = None) -> list[Series]:
        """The series of a study, or one of them; empty where there are none."""


class Selections(Protocol):
    """Which instances somebody asks for."""

    async def selected(self, selection: Selection) -> list[Stored]:
        """The current instances, by number; none where nothing is selected by."""


class Conversion(Protocol):
    """Data sets in another transfer syntax."""

    def convert(self, data: bytes, syntax: str, accepted: Sequence[str]) -> tuple[str, bytes] | None:
        """In the best of those that are accepted, and which that is; None where none can be had."""


class Undelivered(Exception):
    """A peer could not be told; the message says why, free of PHI. Later it may be."""


class Commitments(Protocol):
    """The ledger of storage commitment requests, outside of any transaction."""

    async def claim(self, now: datetime) -> Commitment | None:
        """The request that has been due longest; for some minutes nobody else gets it."""

    async def wait(self, commitment: Commitment, until: datetime, why: str) -> None:
        """Examine it again then."""

    async def answer(self, commitment: Commitment, facts: Sequence[Fact]) -> None:
        """Fix its result, with the facts that say so."""

    async def retry(self, commitment: Commitment, at: datetime, why: str) -> None:
        """Tell the sender again then."""

    async def close(self, commitment: Commitment, state: CommitmentState, why: str | None) -> None:
        """It is told, or given up."""


class CommitmentBook(Protocol):
    """Looking requests up."""

    async def newest(self, limit: int) -> list[CommitmentOverview]:
        """The requests that came last."""


class Sends(Protocol):
    """The ledger of what is to be sent to whom."""

    async def route(self, routes: Callable[[Routable], Iterable[tuple[str, SendKind, str]]]) -> bool:
        """Ask for a study that is marked where it goes, and keep that; False where none is marked."""

    async def claim(self, now: datetime) -> Send | None:
        """What has been due longest; for some minutes nobody else gets it."""

    async def renew(self, send: Send, now: datetime) -> None:
        """It is still being worked on."""

    async def ended(self, send: Send, result: SendResult, verdict: Verdict) -> None:
        """An attempt has ended."""


class SendBook(Protocol):
    """The same ledger for operators; `why` names who acts."""

    async def newest(self, state: SendState | None, study_instance_uid: str | None, limit: int) -> list[SendOverview]:
        """The newest sends."""

    async def put(self, study_instance_uid: str, destination: str, why: str) -> list[SendOverview]:
        """Send a study; all sends of it."""

    async def repeat(self, send_id: int, why: str, *, everything: bool) -> SendOverview | None:
        """Try again what is missing, or everything; None where there is no such send."""

    async def cancel(self, send_id: int, why: str) -> SendOverview | None:
        """Stop trying; None where nothing is waiting there."""


class Evidence(Protocol):
    """What there is of an instance."""

    async def known(self, sop_instance_uids: Sequence[str]) -> dict[Stored, bytes]:
        """The current instances with these UIDs, and the SHA-256 of each data set as it was received."""


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

    async def look_again(self, study_instance_uid: str) -> int:
        """Have the packs of a study looked at next; how many they are."""


class Packs(Protocol):
    """Bytes as they were received."""

    def stream(self, instances: Sequence[Stored]) -> AsyncGenerator[tuple[Stored, int, bytes], None]:
        """The files of instances, in the order in which they lie: instance, place in the file, bytes.

        A long instance comes in several pieces, one after the other. The memory used is bounded. Raises Gone.
        """

    def cut(self, stored: Stored, offset: int, length: int) -> AsyncGenerator[bytes, None]:
        """So many bytes of a file. Raises Gone."""


class Pixels(Protocol):
    """Parts of instances."""

    async def frames(self, stored: Stored, numbers: Sequence[int] | None) -> FrameSet:
        """Frames by number (from 1), None for all of them. Raises NoSuchPart, Unreadable, Gone."""

    async def element(self, stored: Stored, path: Sequence[str]) -> bytes:
        """The value of a binary element: tags in hexadecimal, with item numbers (from 0) between them.

        Raises NoSuchPart, Unreadable, Gone.
        """


class Files(Protocol):
    """Part 10 files and frames in the transfer syntax that is asked for."""

    def convertible(self, syntax: str, wanted: str) -> bool:
        """Whether what is stored in the one may be had in the other; a single file may still refuse."""

    async def file(self, stored: Stored, wanted: str) -> bytes | None:
        """The file in the transfer syntax `wanted`; None where it cannot be had without loss. Raises Gone."""

    def frames(self, stored: Stored, numbers: Sequence[int], wanted: str) -> AsyncGenerator[bytes, None]:
        """Frames, each whole, in the transfer syntax `wanted`. Raises NotConverted, NoSuchPart, Unreadable, Gone."""


class Rendering(Protocol):
    """Images as people look at them."""

    async def rendered(self, stored: Stored, number: int | None, look: Look) -> bytes:
        """A frame, by default the middle one. Raises NotShown, NoSuchPart, Unreadable, Gone."""


class Metadata(Protocol):
    """Data sets without their bulk data, as an array of DICOM JSON in UTF-8.

    Addresses of bulk data begin with a placeholder for the address of the root. Raises Gone.
    """

    async def of_instance(self, stored: Stored) -> bytes:
        """One instance."""

    async def of_series(self, series: Series) -> bytes:
        """All instances of a series."""

    async def packed(self, found: Sequence[Series], base: str) -> bytes:
        """All instances of described series as one array, with the real address of the root, in gzip."""


Known: TypeAlias = Callable[[str, Collection[str]], Awaitable[Collection[tuple[str, str]]]]
"""Of a study and these SOP Instance UIDs: what is indexed, by SOP Instance UID and SHA-256."""


class ToldPacks(Protocol):
    """The packs of the archive as what they tell. Raises Away."""

    async def keys(self) -> list[str]:
        """All of them, in the order in which they were begun."""

    async def facts(self, key: str, known: Known) -> list[InstancesStored]:
        """What was told when this pack was stored: of the instances that were not known then. Raises Unreadable."""


class EmptyIndex(Protocol):
    """The index while it is made anew: no fact leaves."""

    async def clear(self) -> None:
        """Forget the index; what was said of studies stays."""

    async def known(self, study_instance_uid: str, sop_instance_uids: Collection[str]) -> Collection[tuple[str, str]]:
        """See `Known`."""

    async def add(self, fact: InstancesStored) -> None:
        """Fold instances into it."""
