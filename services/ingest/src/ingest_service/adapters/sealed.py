"""Segments that wait to be shipped: found, recovered where their writer died, read."""

import asyncio
import mmap
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog
from fj_packs import tar
from fj_packs.pack import Contents, Defaults, Member, Origin, SeriesHead
from fj_packs.reading import read_about, read_contents, read_heads

from ingest_service.adapters import files
from ingest_service.adapters.files import State

PACKS: Final = "packs"
"""Where packs lie in the bucket."""

log = structlog.get_logger(__name__)


class SealedSegment:
    """See `ports.Segment`. Holds the file's lock until `delete` or `release`."""

    def __init__(
        self, path: Path, segment: UUID, state: State, file: int, defaults: Callable[[Origin], Defaults]
    ) -> None:
        self.id = segment
        self.key = f"{PACKS}/{segment}.tar"
        self.path = path
        self._state = state
        self._file: int | None = file
        self._defaults = defaults

    @property
    def sending(self) -> bool:
        """See `ports.Segment.sending`."""
        return self._state is State.SENDING

    async def contents(self) -> Contents:
        """See `ports.Segment.contents`. Raises fj_packs.reading.BrokenSegment, fj_dicom.BadDataSet."""
        return await asyncio.to_thread(lambda: self._contents)

    async def heads(self, members: Sequence[Member]) -> Mapping[str, SeriesHead]:
        """See `ports.Segment.heads`."""
        return await asyncio.to_thread(self._heads, members)

    async def mark_sending(self) -> None:
        """See `ports.Segment.mark_sending`."""
        if self._state is not State.SENDING:
            await asyncio.to_thread(self._rename, State.SENDING)

    async def delete(self) -> None:
        """See `ports.Segment.delete`."""
        await asyncio.to_thread(self._delete)

    def recover(self) -> bool:
        """Make a segment whose writer died a sealed one; False, and no file left, when no member is whole.

        Goes member by member and stops at the first whose digest does not hold: what follows was not acknowledged.
        """
        members, end = 0, 0
        content = self._content() if self._found else memoryview(b"")
        for found in self._found:
            # Only the first member is no instance: any other without a digest has lost its extended header.
            if not (tar.matches(found, self.id, content) if end else self._begins_with(found, content)):
                break
            members += end > 0
            end = found.end
        log.info("segment recovered", segment=str(self.id), members=members, bytes=end)
        if not members:
            self._delete()
            return False
        os.ftruncate(self._held, end)
        os.pwrite(self._held, tar.END, end)
        os.fsync(self._held)
        self._rename(State.SEALED)
        del self._found  # what did not hold is gone
        return True

    def _begins_with(self, found: tar.Found, content: memoryview) -> bool:
        """Whether this is our first member: after a power cut it can be that of a segment which had the file before."""
        try:
            read_about(self.id, _bytes_of(found, content))
        except (ValueError, KeyError, TypeError):
            return False
        return True

    def release(self) -> None:
        """Let go of the lock; allowed twice."""
        file, self._file = self._file, None
        if file is not None:
            files.unlock(file)

    @cached_property
    def _found(self) -> list[tar.Found]:
        with open(self._held, "rb", closefd=False) as file:
            return list(tar.walk(file))

    @cached_property
    def _contents(self) -> Contents:
        return read_contents(self.id, self._found, self._content())

    def _heads(self, members: Sequence[Member]) -> Mapping[str, SeriesHead]:
        return read_heads(members, self._content(), self._defaults(self._contents.origin))

    def _delete(self) -> None:
        files.keep_as_spare(self.path)
        files.sync_folder(self.path.parent)
        self.release()

    @property
    def _held(self) -> int:
        if self._file is None:
            raise RuntimeError(f"segment {self.id} was let go of")
        return self._file

    def _content(self) -> memoryview:
        """The file; unmapped when the last slice of it is gone."""
        return memoryview(mmap.mmap(self._held, 0, prot=mmap.PROT_READ))

    def _rename(self, state: State) -> None:
        path = files.path_of(self.path.parent, self.id, state)
        self.path.rename(path)
        files.sync_folder(path.parent)
        self.path, self._state = path, state


def _bytes_of(found: tar.Found, content: memoryview) -> bytes:
    return bytes(content[found.offset : found.offset + found.length])


def take(folders: Sequence[Path], defaults: Callable[[Origin], Defaults]) -> Iterator[SealedSegment]:
    """Every segment that can be shipped now, the oldest first, locked; whoever takes one releases it."""
    for folder in folders:
        files.sweep_fresh(folder)
    # Their names are in order of time.
    for path in sorted((path for folder in folders for path in folder.iterdir()), key=lambda path: path.name):
        known = files.parse(path)
        if known is None or (file := files.lock(path)) is None:
            continue
        segment = SealedSegment(path, *known, file, defaults)
        try:
            ready = known[1] is not State.OPEN or segment.recover()
        except OSError as error:
            log.warning("segment cannot be recovered", segment=str(segment.id), error=type(error).__name__)
            ready = False
        if ready:
            yield segment
        else:
            segment.release()
