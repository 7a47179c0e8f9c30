"""`FJ_CACHE`: what was fetched once for all stacks of this user."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


def cache() -> Path:
    """`FJ_CACHE`, by default `filmjacket` below `$XDG_CACHE_HOME` or `~/.cache`."""
    chosen = os.environ.get("FJ_CACHE")
    if chosen:
        return Path(chosen).resolve()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "filmjacket"


@contextlib.contextmanager
def fetching(folder: Path) -> Iterator[None]:
    """One process at a time fills this folder of the cache."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
