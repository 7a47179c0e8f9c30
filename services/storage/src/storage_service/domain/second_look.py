"""Studies that are compared once more with what is known of patient and order (decision 17), each in its turn."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from storage_service.domain.commitment import pause

ATTEMPTS_MAX: Final = 12
"""Within an hour or two; then a person has to look."""


@dataclass(frozen=True, slots=True)
class SecondLook:
    """One study, as it was claimed."""

    study_instance_uid: str
    attempts: int
    """With this one."""
    leased_until: datetime
    """Nobody else looks before. It is another moment as soon as the study is marked anew."""


@dataclass(frozen=True, slots=True)
class Overview:
    """One that is still to be done, as operators see it."""

    study_instance_uid: str
    attempts: int
    due_at: datetime | None
    """None where it was given up."""
    last_error: str | None
    """The class of the last failure."""
    given_up_at: datetime | None


def next_turn(look: SecondLook, now: datetime) -> datetime | None:
    """When a study whose look failed is looked at again; None where it is given up."""
    return now + pause(look.attempts) if look.attempts < ATTEMPTS_MAX else None
