"""Which rooms answer for a number as its last merge or link says, and for a visit as its last move does."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple
from uuid import UUID

from fj_events import TOPICS, PatientFollowed, VisitKind

ROOMS: Final = frozenset(TOPICS[PatientFollowed.topic].producers)
"""All that have to follow: those that say so."""
LINK_ROOMS: Final = frozenset({"ehr_sync", "portal"})
"""All that answer for a person with several numbers, and so have to follow links."""
_ORDER: Final = "order"
"""Follows a move of a visit itself; the others follow the orders that it changes."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFollowing:
    """How far the rooms are with the last fact that says which person a number stands for."""

    patient_id: UUID
    fact_id: UUID
    site: str
    enterprise_id: UUID
    rooms: frozenset[str] = frozenset()
    completed: bool = False
    """Every room that answers for persons has followed, and it was said."""


def link_followed(known: LinkFollowing, room: str) -> LinkFollowing:
    """After one more room."""
    rooms = known.rooms | {room}
    return replace(known, rooms=rooms, completed=known.completed or rooms >= LINK_ROOMS)


class Follower(NamedTuple):
    """A room that has followed an order to the patient of its visit."""

    fact_id: UUID
    """The `order.changed` that told it."""
    room: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitFollowing:
    """How far the rooms are with the last fact about one visit or account, and with the orders that any of them moved.

    Those of earlier facts count too: a fact may change no order while a room has not heard yet what the one before did.
    """

    visit_id: UUID
    kind: VisitKind
    fact_id: UUID
    """The fact that they follow, the last one of this visit."""
    site: str
    patient_id: UUID | None
    """Whose the visit is by that fact."""
    ordered: bool = False
    """`order` has said which of its orders went along."""
    followers: frozenset[Follower] = frozenset()
    completed: bool = False
    """Every room has followed, and it was said."""

    @property
    def rooms(self) -> frozenset[str]:
        """All that have said something of it."""
        return frozenset({_ORDER, *(each.room for each in self.followers)})


def visit_followed(known: VisitFollowing, room: str, fact_id: UUID, changes: Iterable[UUID]) -> VisitFollowing:
    """After a room has followed this fact. `changes`, of `order`: the facts by which the others hear of its orders."""
    if room == _ORDER:
        ordered = known.ordered or fact_id == known.fact_id
        said = {Follower(change, _ORDER) for change in changes}
    else:
        ordered, said = known.ordered, {Follower(fact_id, room)}
    now = replace(known, ordered=ordered, followers=known.followers | said)
    return replace(now, completed=now.completed or (ordered and not _lacking(now)))


def _lacking(known: VisitFollowing) -> bool:
    moved = (each.fact_id for each in known.followers if each.room == _ORDER)
    return any(Follower(fact_id, room) not in known.followers for fact_id in moved for room in ROOMS)
