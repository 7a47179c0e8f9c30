"""The memory of large answers: what one of them needed serves the next."""

import ctypes
from typing import Final

_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
"""As malloc.h numbers them (mallopt(3))."""
KEPT: Final = 64 * 1024 * 1024
"""Bytes that are free and not given back, of each arena: the reads of two long answers."""
LARGEST: Final = 32 * 1024 * 1024
"""Bytes up to which a piece of memory comes out of an arena; the most that may be set."""


def keep_memory() -> None:
    """Let the C library keep what it is given back, where it can.

    By itself it returns the memory of a read of some MiB to the kernel, which clears it page by page for the next:
    a third of the processor time of a series that comes straight from the object store.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # not every C library has it
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, KEPT)
        mallopt(_MMAP_THRESHOLD, LARGEST)
