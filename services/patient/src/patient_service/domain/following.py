"""Which rooms answer for a number as its last merge or unmerge says."""

from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from fj_events import TOPICS, PatientFollowed

ROOMS: Final = frozenset(TOPICS[PatientFollowed.topic].producers)
"""All that have to follow: those that say so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """How far the rooms are with one fact about one number."""

    patient_id: UUID
    fact_id: UUID
    """The fact that they follow, the last one of this number."""
    site: str
    survivor_id: UUID
    """Whose the number is by that fact; itself after an unmerge."""
    rooms: frozenset[str] = frozenset()
    completed: bool = False
    """Every room has followed, and it was said."""


def followed(known: Following, room: str) -> Following:
    """After one more room."""
    rooms = known.rooms | {room}
    return replace(known, rooms=rooms, completed=known.completed or rooms >= ROOMS)
