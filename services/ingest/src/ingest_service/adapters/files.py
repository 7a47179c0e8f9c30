"""Files of the journal's folder: their names say their state, a lock says that somebody has them in hand."""

import contextlib
import ctypes
import fcntl
import os
import secrets
import time
from enum import StrEnum
from pathlib import Path
from typing import Final
from uuid import UUID


class State(StrEnum):
    """The suffix of a segment's file."""

    OPEN = "open"
    """Being written; where the lock is free, its writer died and it has to be recovered."""
    SEALED = "tar"
    """Complete, waiting to be shipped."""
    SENDING = "sending"
    """Its upload may have begun."""


FRESH: Final = ".fresh"
"""The suffix of a file that its writer has not taken in hand yet: it is no segment before it has its name."""
FRESH_SECONDS_MAX: Final = 60.0
"""After which a fresh file is one whose writer died in that moment; nothing acknowledged can be in it."""

SPARE: Final = ".spare"
"""The suffix of a file whose segment was shipped. The next one is written over it: blocks that hold data already are
synced without a commit of the file system's own journal, in half the time (measured on ext4)."""
SPARES_MAX: Final = 8
SPARE_MIN: Final = 16 * 1024 * 1024
"""A shorter file is not worth keeping, bytes."""

_TIME_SHIFT: Final = 80
_SYNC_FILE_RANGE_WRITE: Final = 2
_sync_file_range: Final = ctypes.CDLL(None).sync_file_range
_sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


def new_segment_id() -> UUID:
    """A name that was never used and never will be, in order of time (UUID version 7, RFC 9562)."""
    bits = time.time_ns() // 1_000_000 << _TIME_SHIFT | 7 << 76 | secrets.randbits(12) << 64
    return UUID(int=bits | 0b10 << 62 | secrets.randbits(62))


def opened_at(segment: UUID) -> float:
    """When the segment was opened, seconds since the epoch."""
    return (segment.int >> _TIME_SHIFT) / 1000


def path_of(folder: Path, segment: UUID, state: State) -> Path:
    """Where a segment in this state lies."""
    return folder / f"{segment}.{state}"


def parse(path: Path) -> tuple[UUID, State] | None:
    """Which segment a file is; None for what is none."""
    suffix = path.suffix.removeprefix(".")
    try:
        return UUID(path.stem), State(suffix)
    except ValueError:
        return None


def lock(path: Path) -> int | None:
    """Open the file and take it in hand; None when it is gone or another process has it."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever had it before may have renamed or removed it after we opened it.
        current = path.stat()
        same = os.fstat(descriptor)
        if (current.st_ino, current.st_dev) == (same.st_ino, same.st_dev):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def take_spare(folder: Path, path: Path) -> int | None:
    """The largest spare file, in hand and with this name from now on; None where there is none."""
    for spare in _spares(folder):
        file = lock(spare)
        if file is None:
            continue  # another process was quicker, or has not let go of it yet
        try:
            os.utime(file)
            spare.rename(path)
        except FileNotFoundError:
            os.close(file)
        else:
            return file
    return None


def keep_as_spare(path: Path) -> None:
    """A segment is forgotten; its file is written over by another one, unless it is short or there are enough."""
    if path.stat().st_size < SPARE_MIN:
        path.unlink()
        return
    path.rename(path.with_suffix(SPARE))
    drop_spares(path.parent, SPARES_MAX)


def drop_spares(folder: Path, but: int = 0) -> None:
    """Remove all spare files but the largest ones."""
    for spare in _spares(folder)[but:]:
        spare.unlink(missing_ok=True)


def _spares(folder: Path) -> list[Path]:
    sized = []
    for path in folder.glob(f"*{SPARE}"):
        with contextlib.suppress(FileNotFoundError):
            sized.append((path.stat().st_size, path))
    return [path for _, path in sorted(sized, reverse=True)]


def sweep_fresh(folder: Path) -> None:
    """Remove what writers left that died before their segment had its name."""
    for path in folder.glob(f"*{FRESH}"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > FRESH_SECONDS_MAX:
                path.unlink()


def begin_writing(file: int, offset: int, length: int) -> None:
    """Have the system begin to write this to the disk (sync_file_range(2)); a hint, what is durable a sync says."""
    _sync_file_range(file, offset, length, _SYNC_FILE_RANGE_WRITE)


def unlock(descriptor: int) -> None:
    """Let another process have the file. Closing alone would not: a memory map holds a duplicate of the descriptor."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make creations, renames and removals in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
