"""What an import has stored, so that it goes on where it was stopped."""

import threading
from pathlib import Path
from typing import Self


class Done:
    """A text file with the key of each stored file on a line of its own; appended to, never rewritten.

    It saves reading and sending: without it, what was stored before is recognized by the archive, and stored once.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._known = set(path.read_text(encoding="ascii").split()) if path.exists() else set[str]()
        self._file = path.open("a", encoding="ascii")
        self._guard = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __contains__(self, key: str) -> bool:
        return key in self._known

    def add(self, keys: list[str]) -> None:
        """These are stored. For any thread."""
        with self._guard:
            self._known.update(keys)
            # A line that a kill has cut is no key, and costs a file that is sent again.
            self._file.write("".join(f"\n{key}" for key in keys))
            self._file.flush()
