"""The journal: folders of segments on local disks, shared by all ingest processes of a node."""

import errno
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from fj_packs.pack import Identity, Origin

from ingest_service.adapters import files
from ingest_service.adapters.segment import OpenEntry, OpenSegment
from ingest_service.domain.reception import NotAccepted, Reason
from ingest_service.ports import JournalStatus, SegmentStatus

log = structlog.get_logger(__name__)

ALONE_AFTER_S: Final = 1.0
"""Several senders take turns in being the only one under way."""
CHECK_BYTES: Final = 64 * 1024 * 1024
"""After so much of one data set its disk is looked at again: it may be larger than the room that is left."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a segment closes, and when nothing more is taken."""

    segment_bytes: int
    idle_seconds: float
    age_seconds: float
    free_bytes_min: int


class FolderJournal:
    """See `ports.Journal`. Each segment is opened where fewest are being written, of several where there is most room.

    `on_sealed` is told of each segment that can be shipped, in any thread.
    """

    def __init__(self, folders: Sequence[Path], limits: Limits, on_sealed: Callable[[], None]) -> None:
        self.folders = tuple(folders)
        self._limits = limits
        self._on_sealed = on_sealed
        self._writers: set[FolderWriter] = set()
        self._guard = threading.Lock()
        self._under_way = 0
        self._crowded = float("-inf")
        """When there were several under way."""
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)

    def writer(self, origin: Origin) -> "FolderWriter":
        """See `ports.Journal.writer`."""
        writer = FolderWriter(self, origin)
        with self._guard:
            self._writers.add(writer)
        return writer

    def check_room(self) -> None:
        """See `ports.Journal.check_room`."""
        self._roomy()

    def has_room(self, folder: Path) -> bool:
        """Whether more can be written to this folder; files that are only kept for their blocks make way."""
        if _free_bytes(folder) >= self._limits.free_bytes_min:
            return True
        files.drop_spares(folder)
        return _free_bytes(folder) >= self._limits.free_bytes_min

    def open(self, study_instance_uid: str, origin: Origin) -> OpenSegment:
        """A new segment. Raises NotAccepted."""
        *first, last = self._roomy()
        for folder in first:
            try:
                return OpenSegment(folder, study_instance_uid, origin, self._limits.segment_bytes)
            except OSError as error:
                log.warning("journal's disk passed over", folder=str(folder), error=type(error).__name__)
        try:
            return OpenSegment(last, study_instance_uid, origin, self._limits.segment_bytes)
        except OSError as error:
            refuse_if_full(error)
            raise

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

    def enter(self) -> bool:
        """A data set begins; whether there has been no other one under way here, now and for a moment."""
        now = time.monotonic()
        with self._guard:
            self._under_way += 1
            if self._under_way > 1:
                self._crowded = now
            return now - self._crowded > ALONE_AFTER_S

    def leave(self) -> None:
        """It has ended."""
        with self._guard:
            self._under_way -= 1

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
        """What lies in the folders, of all processes."""
        free = [_free_bytes(folder) for folder in self.folders]
        segments = tuple(sorted(self._statuses(), key=lambda segment: -segment.age_seconds))
        return JournalStatus(segments, sum(free), accepting=max(free) >= self._limits.free_bytes_min)

    def _roomy(self) -> list[Path]:
        """The folders that have room, the one for the next segment first. Raises NotAccepted when none has."""
        roomy = [folder for folder in self.folders if self.has_room(folder)]
        if not roomy:
            raise NotAccepted(Reason.OUT_OF_RESOURCES, "the journal's disk is nearly full")
        if len(roomy) == 1:
            return roomy
        with self._guard:
            written = Counter(writer.folder for writer in self._writers)
        return sorted(roomy, key=lambda folder: (written[folder], -_free_bytes(folder)))

    def _statuses(self) -> Iterator[SegmentStatus]:
        now = time.time()
        for path in (path for folder in self.folders for path in folder.iterdir()):
            known = files.parse(path)
            if known is None:
                continue
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue  # shipped meanwhile
            segment, state = known
            yield SegmentStatus(segment, state.name.lower(), stat.st_size, max(0.0, now - files.opened_at(segment)))


def _free_bytes(folder: Path) -> int:
    stat = os.statvfs(folder)
    return stat.f_bavail * stat.f_frsize


class FolderWriter:
    """See `ports.Writer`: at most one segment is open, that of the study which came last."""

    def __init__(self, journal: FolderJournal, origin: Origin) -> None:
        self._journal = journal
        self._origin = origin
        self._segment: OpenSegment | None = None
        # Held from `begin` to the end of the entry: a sweep leaves a segment alone that is being written to.
        self._busy = threading.Lock()

    @property
    def folder(self) -> Path | None:
        """Where its segment lies. For any thread."""
        segment = self._segment
        return None if segment is None else segment.folder

    def begin(self, identity: Identity, header: bytes) -> "FolderEntry":
        """See `ports.Writer.begin`."""
        self._busy.acquire()
        alone = self._journal.enter()
        try:
            self._seal_if_due()
            segment = self._segment_for(identity.study_instance_uid)
            entry = segment.begin(identity, header, alone=alone)
            return FolderEntry(entry, self._done, partial(self._check_room, segment))
        except BaseException:
            self._end()
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
        if (
            segment is not None
            and segment.study_instance_uid == study_instance_uid
            and self._journal.has_room(segment.folder)
        ):
            return segment
        self._seal()
        self._segment = self._journal.open(study_instance_uid, self._origin)
        return self._segment

    def _check_room(self, segment: OpenSegment) -> None:
        """Raises NotAccepted: a data set cannot move to another disk in its middle."""
        if not self._journal.has_room(segment.folder):
            raise NotAccepted(Reason.OUT_OF_RESOURCES, "the journal's disk is nearly full")

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
            self._end()

    def _end(self) -> None:
        self._journal.leave()
        self._busy.release()


class FolderEntry:
    """See `ports.Entry`."""

    def __init__(self, entry: OpenEntry, done: Callable[[bool], None], check_room: Callable[[], None]) -> None:
        self._entry = entry
        self._check_room = check_room
        self._unchecked = 0
        self._done: Callable[[bool], None] | None = done
        self._failed = False

    def write(self, *pieces: bytes | memoryview) -> None:
        try:
            self._entry.write(*pieces)
            self._unchecked += sum(map(len, pieces))
            if self._unchecked > CHECK_BYTES:
                self._unchecked = 0
                self._check_room()
        except BaseException as error:
            self._fail(error)
            raise

    def view(self) -> memoryview:
        return self._entry.view()

    def commit(self) -> None:
        try:
            self._entry.commit()
        except BaseException as error:
            self._fail(error)
            raise
        self.abandon()

    def abandon(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(self._failed)

    def _fail(self, error: BaseException) -> None:
        self._failed = True
        refuse_if_full(error)


def refuse_if_full(error: BaseException) -> None:
    """Raises NotAccepted where a disk has no room; everything else a disk can do is a failure of the service."""
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        raise NotAccepted(Reason.OUT_OF_RESOURCES, "the journal's disk is full") from error
