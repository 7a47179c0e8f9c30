"""A disk that can be nearly full without anybody else's work standing still."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_MIB: Final = 1024 * 1024
_MARGIN: Final = 32 * _MIB


class Disk:
    """What is free above `free_min` can be taken and given back."""

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder
        stat = os.statvfs(folder)
        self.free_min: Final = stat.f_bavail * stat.f_frsize - _MARGIN
        """For a service that is to stop before less than this is free."""
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Leave less free than `free_min`."""
        with self._filler.open("wb") as opened:
            os.posix_fallocate(opened.fileno(), 0, _MARGIN + 16 * _MIB)

    def make_room(self) -> None:
        """As it was before."""
        self._filler.unlink()


@contextmanager
def own_disk() -> Iterator[Disk]:
    """One in memory, where nobody else takes or gives room meanwhile."""
    folder = Path(tempfile.mkdtemp(prefix="fj-full-disk-", dir="/dev/shm"))
    try:
        yield Disk(folder)
    finally:
        shutil.rmtree(folder)
