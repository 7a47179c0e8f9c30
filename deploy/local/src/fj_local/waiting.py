"""Waiting with a deadline."""

import time
from collections.abc import Callable


class TooLate(TimeoutError):
    """What was waited for did not happen within its deadline."""


def wait_until(happened: Callable[[], bool], within: float, what: str, every: float = 0.05) -> None:
    """Return as soon as `happened()` is true. Raises TooLate after `within` seconds."""
    deadline = time.monotonic() + within
    while not happened():
        if time.monotonic() >= deadline:
            message = f"{what}: not within {within:g} s"
            raise TooLate(message)
        time.sleep(every)
