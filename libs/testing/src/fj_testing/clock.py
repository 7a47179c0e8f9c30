"""A clock that jumps, for processes whose time of day is to be wrong."""

from pathlib import Path
from typing import Final

_LIBRARY: Final = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


class Clock:
    """The time that a process is given: libfaketime reads this file at every look at the clock."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set("+0")

    def set(self, offset: str) -> None:
        """How far it is from ours from now on."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(offset)
        fresh.rename(self._file)

    @property
    def environment(self) -> dict[str, str]:
        """What makes a process look at this clock."""
        assert _LIBRARY is not None, "apt-get install libfaketime"
        return {
            "LD_PRELOAD": str(_LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",  # as a kernel does: only the time of day jumps
        }
