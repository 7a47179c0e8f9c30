"""Packs as files on a local disk.

A cache file is a whole pack, behind it the digest of each of its blocks, and a footer that says which pack it is. It is
written under another name and renamed when it is whole; every read is compared with the digests of the blocks that it
touches. So a file that was torn, cut or damaged is found by whoever reads it first, removed, and never served.
"""

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from struct import Struct, iter_unpack
from typing import IO, Final
from uuid import uuid4

import numpy as np
from fj_objects import ByteRange
from prometheus_client import Counter
from xxhash import xxh3_64, xxh3_64_intdigest

BLOCK: Final = 64 * 1024
"""Bytes that are compared together."""
_FOOTER: Final = Struct("<8s20sQ")
"""Mark, name of the pack, its size."""
_MARK: Final = b"FJPACK01"
_DIGEST: Final = Struct("<Q")
_PART: Final = ".part"
_ABANDONED_SECONDS: Final = 3600
_TOUCH_SECONDS: Final = 60
_damaged: Final = Counter("storage_cache_damaged", "Cache files that were removed because they were damaged")


class NotInMemory(Exception):
    """The disk has to be asked first, which takes time."""


class NoRoom(Exception):
    """Only what is in use would have to go."""


class _Damaged(Exception):
    pass


class CacheFolder:
    """A folder of packs with a bound in bytes; what was not used for longest goes first. Processes may share it."""

    def __init__(self, path: Path, most: int) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._path = path
        self.most: Final = most
        self._lock: int | None = None
        """The folder, opened and locked."""

    def alone(self) -> bool:
        """Whether this process is the one, of those that share the folder, that does what one of them should do.

        It is so until it ends.
        """
        if self._lock is None:
            folder = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(folder)
                return False
            self._lock = folder
        return True

    def holds(self, bucket: str, key: str) -> bool:
        """Whether the pack is here."""
        return (self._path / _name(bucket, key).hex()).exists()

    def forget(self, bucket: str, key: str) -> None:
        """The pack is not here any more; who reads in it may finish."""
        (self._path / _name(bucket, key).hex()).unlink(missing_ok=True)

    def read(self, bucket: str, key: str, cut: ByteRange, *, wait: bool) -> memoryview | None:
        """A cut of a pack; None where it is not here. Without `wait` raises NotInMemory rather than ask the disk."""
        name = _name(bucket, key)
        path = self._path / name.hex()
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            return _verified(file, name, cut, 0 if wait else os.RWF_NOWAIT)
        except (_Damaged, OSError):
            _damaged.inc()
            path.unlink(missing_ok=True)
            return None
        finally:
            os.close(file)

    @contextmanager
    def writing(self, bucket: str, key: str, size: int, *, idle: float = 0) -> Iterator["PackFile"]:
        """A new pack, which is kept if it is finished. Raises OSError, such as where the disk is full.

        With `idle` it only takes the place of packs that nobody has used for so many seconds, and is itself, but for
        these, the first to go until it is read. Raises NoRoom.
        """
        name = _name(bucket, key)
        whole = size + _blocks(size) * _DIGEST.size + _FOOTER.size
        self._make_room(whole, idle)
        temporary = self._path / f"{name.hex()}.{uuid4().hex}{_PART}"
        try:
            with temporary.open("xb") as file:
                os.posix_fallocate(file.fileno(), 0, whole)  # a full disk says so now
                yield PackFile(file, name, size, temporary, self._path / name.hex())
            if idle and self.holds(bucket, key):
                used = time.time() - idle / 2
                os.utime(self._path / name.hex(), (used, used))
        finally:
            temporary.unlink(missing_ok=True)

    def _make_room(self, size: int, idle: float) -> None:
        with (self._path / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = []
            for entry in os.scandir(self._path):
                with suppress(FileNotFoundError):
                    stat = entry.stat()
                    found.append((stat.st_mtime, stat.st_size, entry.path))
            left = sum(stored for _, stored, _ in found) + size
            going = []
            for used, stored, path in sorted(found):
                # Another process may be writing the young ones.
                kept = path.endswith((_PART, "/lock")) and used > time.time() - _ABANDONED_SECONDS
                if left > self.most and not kept and used <= time.time() - idle:
                    going.append(path)
                    left -= stored
            if idle and left > self.most:
                raise NoRoom
            for path in going:
                Path(path).unlink(missing_ok=True)


class PackFile:
    """A pack that is being written."""

    def __init__(self, file: IO[bytes], name: bytes, size: int, temporary: Path, path: Path) -> None:
        self._file, self._name, self._size = file, name, size
        self._temporary, self._path = temporary, path
        self._digests: list[int] = []
        self._block, self._in_block = xxh3_64(), 0
        self._sha256 = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """The next bytes."""
        self._file.write(data)
        self._sha256.update(data)
        view, place = memoryview(data), 0
        while place < len(view):
            step = min(BLOCK - self._in_block, len(view) - place)
            self._block.update(view[place : place + step])
            place, self._in_block = place + step, self._in_block + step
            if self._in_block == BLOCK:
                self._end_block()

    def finish(self, sha256: str | None) -> bool:
        """Keep it, if it is whole and has this hash (None: whatever it is)."""
        if self._in_block:
            self._end_block()
        if sha256 not in {None, self._sha256.hexdigest()} or len(self._digests) != _blocks(self._size):
            return False
        self._file.write(b"".join(map(_DIGEST.pack, self._digests)))
        self._file.write(_FOOTER.pack(_MARK, self._name, self._size))
        self._file.flush()
        self._temporary.rename(self._path)
        return True

    def _end_block(self) -> None:
        self._digests.append(self._block.intdigest())
        self._block, self._in_block = xxh3_64(), 0


def _name(bucket: str, key: str) -> bytes:
    return hashlib.sha1(f"{bucket}/{key}".encode(), usedforsecurity=False).digest()


def _blocks(size: int) -> int:
    return -(-size // BLOCK)


def _verified(file: int, name: bytes, cut: ByteRange, flags: int) -> memoryview:
    stat = os.fstat(file)
    mark, named, size = _FOOTER.unpack(_read(file, _FOOTER.size, stat.st_size - _FOOTER.size, flags))
    if (mark, named) != (_MARK, name) or stat.st_size != size + _blocks(size) * _DIGEST.size + _FOOTER.size:
        raise _Damaged
    first, behind = cut.offset // BLOCK, _blocks(cut.offset + cut.length)
    table = _read(file, (behind - first) * _DIGEST.size, size + first * _DIGEST.size, flags)
    begin = first * BLOCK
    data = _read(file, min(behind * BLOCK, size) - begin, begin, flags)
    for number, (digest,) in enumerate(iter_unpack(_DIGEST.format, table)):
        if xxh3_64_intdigest(data[number * BLOCK : (number + 1) * BLOCK]) != digest:
            raise _Damaged
    if stat.st_mtime < time.time() - _TOUCH_SECONDS:
        os.utime(file)  # what is used stays
    return data[cut.offset - begin : cut.offset - begin + cut.length]


def _read(file: int, length: int, offset: int, flags: int) -> memoryview:
    if offset < 0 or length < 0:
        raise _Damaged
    buffer = np.empty(length, np.uint8).data  # unlike a bytearray, not filled with zeros first
    try:
        got = os.preadv(file, [buffer], offset, flags)
    except OSError:
        if flags:
            raise NotInMemory from None
        raise
    if got != length:
        raise NotInMemory if flags else _Damaged
    return buffer
