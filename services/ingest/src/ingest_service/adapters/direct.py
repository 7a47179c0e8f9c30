"""The journal of a node without a durable disk: an instance is acknowledged when its pack and its fact are out."""

import fcntl
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final
from uuid import uuid4

from fj_packs.pack import Defaults, Identity, Origin

from ingest_service.adapters.journal import FolderEntry, FolderJournal, FolderWriter, Limits
from ingest_service.adapters.sealed import SealedSegment, take
from ingest_service.ports import JournalStatus

ROOM: Final = 64 * 1024
"""Of a segment that will have one member, bytes; it grows with it."""
_PREFIX: Final = "direct-"
_OWNER: Final = "owner"

Ship = Callable[[SealedSegment], None]
"""Returns when pack and facts are committed; raises NotAccepted when nothing of the segment is left. Blocks."""


class DirectJournal:
    """See `ports.Journal` and `ports.JournalView`. One instance is one pack.

    What a killed process leaves in its folder was never acknowledged, and is removed by the next one.
    """

    def __init__(self, folder: Path, limits: Limits, ship: Ship, defaults: Callable[[Origin], Defaults]) -> None:
        self._whole = FolderJournal([folder], limits, _nobody)
        self._limits = replace(limits, segment_bytes=ROOM)
        self._ship = ship
        self._defaults = defaults
        _remove_orphans(folder)
        self._folder = folder / f"{_PREFIX}{uuid4()}"
        self._folder.mkdir()
        self._owner = os.open(self._folder / _OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        fcntl.flock(self._owner, fcntl.LOCK_EX)

    def writer(self, origin: Origin) -> "DirectWriter":
        """See `ports.Journal.writer`."""
        return DirectWriter(self, origin)

    def check_room(self) -> None:
        """See `ports.Journal.check_room`."""
        self._whole.check_room()

    def sweep(self) -> None:
        """See `ports.JournalView.sweep`: nothing stays open here."""

    def status(self) -> JournalStatus:
        """See `ports.JournalView.status`: segments that were received while the journal was what is waited for."""
        return self._whole.status()

    def begin(self, origin: Origin, identity: Identity, header: bytes) -> "DirectEntry":
        """An instance in a folder of its own."""
        folder = self._folder / str(uuid4())
        writer = FolderJournal([folder], self._limits, _nobody).writer(origin)
        try:
            return DirectEntry(self, folder, writer, writer.begin(identity, header))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def ship(self, folder: Path) -> None:
        """Ship the one segment of this folder. Raises NotAccepted."""
        segment = next(take([folder], self._defaults))
        try:
            self._ship(segment)
        finally:
            segment.release()


class DirectWriter:
    """See `ports.Writer`."""

    def __init__(self, journal: DirectJournal, origin: Origin) -> None:
        self._journal = journal
        self._origin = origin

    def begin(self, identity: Identity, header: bytes) -> "DirectEntry":
        """See `ports.Writer.begin`."""
        return self._journal.begin(self._origin, identity, header)

    def close(self) -> None:
        """See `ports.Writer.close`: all that it brought was shipped."""


class DirectEntry:
    """See `ports.Entry`."""

    def __init__(self, journal: DirectJournal, folder: Path, writer: FolderWriter, entry: FolderEntry) -> None:
        self._journal = journal
        self._folder = folder
        self._writer = writer
        self._entry = entry

    def write(self, *pieces: bytes | memoryview) -> None:
        """See `ports.Entry.write`."""
        self._entry.write(*pieces)

    def view(self) -> memoryview:
        """See `ports.Entry.view`."""
        return self._entry.view()

    def commit(self) -> None:
        """See `ports.Entry.commit`."""
        self._entry.commit()
        self._writer.close()
        try:
            self._journal.ship(self._folder)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def abandon(self) -> None:
        """See `ports.Entry.abandon`."""
        self._entry.abandon()
        shutil.rmtree(self._folder, ignore_errors=True)


def _nobody() -> None:
    """Whoever waits for a sealed segment here has it in hand already."""


def _remove_orphans(folder: Path) -> None:
    for orphan in folder.glob(f"{_PREFIX}*"):
        try:
            owner = os.open(orphan / _OWNER, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # its process is just being started, or another one was quicker
        try:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(orphan, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(owner)
