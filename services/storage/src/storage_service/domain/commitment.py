"""Storage commitment: what is asked, what is found, when to go on (PS3.4 Annex J)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Final

FIRST_PAUSE: Final = timedelta(seconds=1)
LONGEST_PAUSE: Final = timedelta(hours=1)


class Reason(IntEnum):
    """Failure Reason (0008,1197); 0: committed."""

    COMMITTED = 0
    PROCESSING_FAILURE = 0x0110
    """It is here, and its bytes are not what they were."""
    NO_SUCH_OBJECT_INSTANCE = 0x0112
    CLASS_INSTANCE_CONFLICT = 0x0119


class State(StrEnum):
    """Of a request."""

    ARRIVING = "ARRIVING"
    """Not all of its facts are here."""
    WAITING = "WAITING"
    """It is to be examined, perhaps again."""
    ANSWERED = "ANSWERED"
    """The result is fixed; the sender does not know it yet."""
    DELIVERED = "DELIVERED"
    ABANDONED = "ABANDONED"
    """The sender could not be told for days."""
    CANCELLED = "CANCELLED"
    """A person says that the sender need not be told."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An instance as the sender names it."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class Part:
    """What one fact asks, and once it is known what became of each reference."""

    references: tuple[Reference, ...]
    reasons: tuple[Reason, ...] = ()

    def with_reasons(self) -> Iterator[tuple[Reference, Reason]]:
        """Each reference with its reason."""
        return zip(self.references, self.reasons, strict=True)


@dataclass(frozen=True, slots=True)
class Commitment:
    """A request, all of it."""

    transaction_uid: str
    calling_ae_title: str
    site: str
    requested_at: datetime
    state: State
    attempts: int
    parts: tuple[Part, ...]

    @property
    def results(self) -> list[tuple[Reference, Reason]]:
        """Of every reference."""
        return [result for part in self.parts for result in part.with_reasons()]


@dataclass(frozen=True, slots=True)
class Overview:
    """A request as operators see it."""

    transaction_uid: str
    calling_ae_title: str
    site: str
    requested_at: datetime
    state: State
    references: int
    failed: int
    attempts: int
    due_at: datetime | None
    answered_at: datetime | None
    closed_at: datetime | None
    last_error: str | None


def pause(attempts: int) -> timedelta:
    """How long to wait after so many attempts: twice as long each time, an hour at most."""
    return min(FIRST_PAUSE * (1 << min(attempts, 20)), LONGEST_PAUSE)
