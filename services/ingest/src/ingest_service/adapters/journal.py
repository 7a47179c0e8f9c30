"""The journal: a folder of segments on a local disk, shared by all ingest processes of a node."""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ingest_service.adapters import files
from ingest_service.adapters.segment import OpenEntry, OpenSegment
from ingest_service.domain.reception import Identity, NotAccepted, Origin, Reason
from ingest_service.ports import JournalStatus, SegmentStatus


@dataclass(frozen=True, slots=True)
class Limits:
    """When a segment closes, and when nothing more is taken."""

    segment_bytes: int
    idle_seconds: float
    age_seconds: float
    free_bytes_min: int


class FolderJournal:
    """See `ports.Journal`. `on_sealed` is told of each segment that can be shipped, in any thread."""

    def __init__(self, folder: Path, limits: Limits, on_sealed: Callable[[], None]) -> None:
        self.folder = folder
        self._limits = limits
        self._on_sealed = on_sealed
        self._writers: set[FolderWriter] = set()
        self._guard = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def writer(self, origin: Origin) -> "FolderWriter":
        """See `ports.Journal.writer`."""
        writer = FolderWriter(self, origin)
        with self._guard:
            self._writers.add(writer)
        return writer

    def check_room(self) -> None:
        """See `ports.Journal.check_room`."""
        if self._free_bytes() >= self._limits.free_bytes_min:
            return
        files.drop_spares(self.folder)
        if self._free_bytes() < self._limits.free_bytes_min:
            raise NotAccepted(Reason.OUT_OF_RESOURCES, "the journal's disk is nearly full")

    def open(self, study_instance_uid: str, origin: Origin) -> OpenSegment:
        """A new segment. Raises NotAccepted."""
        self.check_room()
        with disk_errors():
            return OpenSegment(self.folder, study_instance_uid, origin, self._limits.segment_bytes)

    def is_due(self, segment: OpenSegment) -> bool:
        """Whether a segment has to close now."""
        now = time.monotonic()
        return (
            segment.end >= self._limits.segment_bytes
            or now - segment.touched > self._limits.idle_seconds
            or now - segment.opened > self._limits.age_seconds
        )

    def seal(self, segment: OpenSegment) -> None:
        """Close a segment and tell the shipper."""
        if segment.seal():
            self._on_sealed()

    def forget(self, writer: "FolderWriter") -> None:
        """A writer has closed."""
        with self._guard:
            self._writers.discard(writer)

    def sweep(self) -> None:
        """Close what has been idle, or open, for too long."""
        with self._guard:
            writers = list(self._writers)
        for writer in writers:
            writer.seal_if_due()

    def status(self) -> JournalStatus:
        """What lies in the folder, of all processes."""
        free = self._free_bytes()
        segments = tuple(sorted(self._statuses(), key=lambda segment: -segment.age_seconds))
        return JournalStatus(segments, free, accepting=free >= self._limits.free_bytes_min)

    def _statuses(self) -> Iterator[SegmentStatus]:
        now = time.time()
        for path in self.folder.iterdir():
            known = files.parse(path)
            if known is None:
                continue
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue  # shipped meanwhile
            segment, state = known
            yield SegmentStatus(segment, state.name.lower(), stat.st_size, max(0.0, now - files.opened_at(segment)))

    def _free_bytes(self) -> int:
        stat = os.statvfs(self.folder)
        return stat.f_bavail * stat.f_frsize


class FolderWriter:
    """See `ports.Writer`: at most one segment is open, that of the study which came last."""

    def __init__(self, journal: FolderJournal, origin: Origin) -> None:
        self._journal = journal
        self._origin = origin
        self._segment: OpenSegment | None = None
        # Held from `begin` to the end of the entry: a sweep leaves a segment alone that is being written to.
        self._busy = threading.Lock()

    def begin(self, identity: Identity, header: bytes) -> "FolderEntry":
        """See `ports.Writer.begin`."""
        self._journal.check_room()
        self._busy.acquire()
        try:
            self._seal_if_due()
            segment = self._segment_for(identity.study_instance_uid)
            with disk_errors():
                return FolderEntry(segment.begin(identity, header), self._done)
        except BaseException:
            self._busy.release()
            raise

    def close(self) -> None:
        """See `ports.Writer.close`."""
        self._journal.forget(self)
        with self._busy:
            self._seal()

    def seal_if_due(self) -> None:
        """Close the segment if nobody writes to it and it is due."""
        if not self._busy.acquire(blocking=False):
            return
        try:
            self._seal_if_due()
        finally:
            self._busy.release()

    def _segment_for(self, study_instance_uid: str) -> OpenSegment:
        segment = self._segment
        if segment is not None and segment.study_instance_uid == study_instance_uid:
            return segment
        self._seal()
        self._segment = self._journal.open(study_instance_uid, self._origin)
        return self._segment

    def _seal_if_due(self) -> None:
        if self._segment is not None and self._journal.is_due(self._segment):
            self._seal()

    def _seal(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            self._journal.seal(segment)

    def _done(self, failed: bool) -> None:  # noqa: FBT001 - what its one caller has to say
        """The entry has ended. A file that an error came from is not written to again."""
        try:
            if failed:
                self._seal()
            else:
                self._seal_if_due()
        finally:
            self._busy.release()


class FolderEntry:
    """See `ports.Entry`."""

    def __init__(self, entry: OpenEntry, done: Callable[[bool], None]) -> None:
        self._entry = entry
        self._done: Callable[[bool], None] | None = done
        self._failed = False

    def write(self, *pieces: bytes | memoryview) -> None:
        with self._disk():
            self._entry.write(*pieces)

    def view(self) -> memoryview:
        return self._entry.view()

    def commit(self) -> None:
        with self._disk():
            self._entry.commit()
        self.abandon()

    def abandon(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(self._failed)

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            with disk_errors():
                yield
        except BaseException:
            self._failed = True
            raise


@contextmanager
def disk_errors() -> Iterator[None]:
    """A disk without room is a refusal; everything else a disk can do is a failure of the service."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise
        raise NotAccepted(Reason.OUT_OF_RESOURCES, "the journal's disk is full") from error
