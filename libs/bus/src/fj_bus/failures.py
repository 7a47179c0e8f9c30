"""Three kinds of failure, three fates."""

import random
import time
from collections import deque
from enum import Enum, auto
from typing import Final

import asyncpg
from fj_events import BadEvent

from fj_bus.errors import BusError, Permanent, Stranger, Transient

_TRANSIENT: Final = (
    Transient,
    OSError,  # TimeoutError is one of them
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # see fj_bus.postgres.LOST
    asyncpg.TransactionRollbackError,  # deadlocks and serialization failures
    asyncpg.LockNotAvailableError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
)
_PERMANENT: Final = (Permanent, BadEvent)


class Kind(Enum):
    """Of a failure."""

    TRANSIENT = auto()
    """The world is not ready: repeat for as long as it takes."""
    PERMANENT = auto()
    """A dead letter now."""
    UNKNOWN = auto()
    """A few tries, then a dead letter."""


class CeilingReached(BusError):
    """Too many facts in a row, or too large a share of them, would have become dead letters."""


def kind_of(error: BaseException) -> Kind:
    """What kind of failure this is."""
    if isinstance(error, _TRANSIENT):
        return Kind.TRANSIENT
    return Kind.PERMANENT if isinstance(error, _PERMANENT) else Kind.UNKNOWN


def name_of(error: BaseException) -> str:
    """The class, for labels and headers."""
    return type(error).__qualname__


def detail_of(error: BaseException) -> str | None:
    """The text, where the class promises that no patient's data is in it."""
    free = isinstance(error, BadEvent | Stranger) or getattr(type(error), "phi_free", False) is True
    return str(error)[:500] if free else None


def backoff(attempt: int, first_s: float, max_s: float) -> float:
    """Seconds to wait after the n-th try: doubling, capped, jittered by half."""
    whole = min(first_s * 2.0 ** min(attempt - 1, 30), max_s)
    return whole * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing


class Pauses:
    """Between the lives of a part that begins anew whenever it loses its database or its broker."""

    def __init__(self, first_s: float, max_s: float) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._failures = 0
        self._began = time.monotonic()

    def next(self) -> float:
        """Seconds until the next life. After one that lasted, the pauses are short again."""
        now = time.monotonic()
        self._failures = 1 if now - self._began > self._max_s else self._failures + 1
        pause = backoff(self._failures, self._first_s, self._max_s)
        self._began = now + pause
        return pause


class Ceiling:
    """Watches the share of dead letters. Above it something is wrong with the consumer, not with the facts."""

    def __init__(self, run: int, ratio: float, window: int) -> None:
        self._run_max = run
        self._ratio = ratio
        self._window: deque[bool] = deque(maxlen=window)
        self._run = 0

    def good(self, count: int) -> None:
        """So many facts were handled."""
        self._run = 0
        self._window.extend([False] * min(count, self._window.maxlen or 0))

    def dead(self) -> None:
        """One more is about to be given up. Raises CeilingReached if it must not be."""
        whole = len(self._window) == self._window.maxlen
        share = (sum(self._window) + 1) / max(len(self._window), 1)
        if self._run + 1 >= self._run_max:
            raise CeilingReached(f"{self._run + 1} dead letters in a row")
        if whole and share > self._ratio:
            raise CeilingReached(f"{share:.0%} of the last {len(self._window)} facts are dead letters")
        self._run += 1
        self._window.append(True)
