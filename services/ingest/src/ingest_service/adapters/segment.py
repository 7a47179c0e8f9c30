"""A segment that is being written."""

import fcntl
import mmap
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from fj_packs import tar
from fj_packs.pack import Identity, Origin, Place
from fj_packs.reading import ABOUT, about

from ingest_service.adapters.files import (
    FRESH,
    State,
    begin_writing,
    new_segment_id,
    path_of,
    sync_folder,
    take_spare,
    unlock,
)

PIECES_MAX: Final = 1024
"""IOV_MAX."""
HASHED_MAX: Final = 64 * 1024
"""Bytes at once: of more, xxhash lets go of the interpreter lock, and winning it back takes longer than the hashing."""
EARLY: Final = 256 * 1024
"""Bytes of a data set that is alone, of which the disk is told before the sync: it writes them while the next come."""


class OpenSegment:
    """Appends members; each is durable when its `commit` returns. Raises OSError as the disk does."""

    def __init__(self, folder: Path, study_instance_uid: str, origin: Origin, room: int) -> None:
        self.id = new_segment_id()
        self.study_instance_uid = study_instance_uid
        self.opened = self.touched = time.monotonic()
        self.members = 0
        self.folder = folder
        self._path = path_of(folder, self.id, State.OPEN)
        # Between creating and locking it, a sweeper could take a file for an orphan, and remove it under the writer's
        # hands. So it gets its name only once it is locked.
        fresh = self._path.with_suffix(FRESH)
        self._file = take_spare(folder, fresh) or _made(fresh)
        try:
            # Blocks that are there already spare each sync the allocation (2.0 against 1.4 times the rate, measured).
            os.posix_fallocate(self._file, 0, room)
            first = tar.plain_member(ABOUT, about(self.id, study_instance_uid, origin))
            os.pwrite(self._file, first + tar.END, 0)
            self.end = len(first)
            fresh.rename(self._path)
            sync_folder(folder)
        except OSError:
            fresh.unlink(missing_ok=True)
            self._path.unlink(missing_ok=True)
            os.close(self._file)
            raise

    def begin(self, identity: Identity, header: bytes, *, alone: bool = False) -> "OpenEntry":
        """Begin the next member. The one before must be committed or abandoned. `alone`: no other one is under way."""
        self.touched = time.monotonic()
        return OpenEntry(self, self._file, identity, header, alone=alone)

    def committed(self, end: int) -> None:
        """A member is durable and ends here."""
        self.end = end
        self.members += 1
        self.touched = time.monotonic()

    def seal(self) -> bool:
        """Hand the segment over to whoever ships; False, and no file left, when it has no member."""
        try:
            if not self.members:
                self._path.unlink()
                return False
            # The end of the archive stands there already, behind the last member.
            os.ftruncate(self._file, self.end + len(tar.END))
            self._path.rename(path_of(self.folder, self.id, State.SEALED))
            return True
        finally:
            unlock(self._file)


def _made(path: Path) -> int:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file


class OpenEntry:
    """A member that is being written: room for its headers first, then header and data set as they come."""

    def __init__(self, segment: OpenSegment, file: int, identity: Identity, header: bytes, *, alone: bool) -> None:
        self._segment = segment
        self._file = file
        self._start = start = segment.end
        self._identity = identity
        self._header = header
        self._content = start + tar.HEADER_ROOM
        self._data = self._content + len(header)
        self._position = self._content
        self._begun = self._content if alone else None
        """How far the disk was told to write; None: it is told once, by the sync, which costs less processor time."""
        self._checksum = tar.new_checksum()

    def write(self, *pieces: bytes | memoryview) -> None:
        """See `ports.Entry.write`."""
        for piece in pieces:
            view = memoryview(piece)  # of bytes, slices would be copies
            for start in range(0, len(view), HASHED_MAX):
                self._checksum.update(view[start : start + HASHED_MAX])
        if self._position == self._content:
            pieces = (self._header, *pieces)
        position = self._position + sum(map(len, pieces))
        # The archive ends here should nothing follow, whatever an abandoned longer member or an older segment left.
        self._pwrite((*pieces, tar.padding(position - self._content), tar.END), self._position)
        self._position = position
        if self._begun is not None and self._position - self._begun >= EARLY:
            begin_writing(self._file, self._begun, self._position - self._begun)
            self._begun = self._position

    def view(self) -> memoryview:
        """See `ports.Entry.view`; unmapped when the last slice of it is gone."""
        base = self._data - self._data % mmap.ALLOCATIONGRANULARITY
        mapped = mmap.mmap(self._file, self._position - base, prot=mmap.PROT_READ, offset=base)
        return memoryview(mapped)[self._data - base :]

    def commit(self) -> None:
        """Headers last: what has no headers yet ends the archive for whoever recovers it."""
        if self._position == self._content:
            self.write()  # a data set without any byte
        length = self._position - self._content
        place = Place(
            series_instance_uid=self._identity.series_instance_uid,
            sop_instance_uid=self._identity.sop_instance_uid,
            offset=self._content,
            length=length,
            data_offset=len(self._header),
            checksum=self._checksum.hexdigest(),
            received_at=datetime.now(UTC),
        )
        self._pwrite((tar.member_header(place, tar.header_digest(self._segment.id, self._header)),), self._start)
        os.fdatasync(self._file)
        self._segment.committed(self._position + len(tar.padding(length)))

    def _pwrite(self, pieces: Sequence[bytes | memoryview], offset: int) -> None:
        """Write all of it, in one go where the system takes it so."""
        wanted = sum(map(len, pieces))
        written = os.pwritev(self._file, pieces[:PIECES_MAX], offset)
        if written < wanted:
            rest = memoryview(b"".join(pieces))
            while written < wanted:
                written += os.pwrite(self._file, rest[written:], offset + written)
