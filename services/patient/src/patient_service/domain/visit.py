"""Visits and accounts that go from one patient to another (HL7 v2.5.1 ch. 3 A45, A44): statements about a number.

All that was said of a number is kept; the newest by the sender's clock that nobody undid says whose it is. So the same
statements in any order, any number of times, give the same end.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid4

from fj_events import Identifier, VisitKind

from patient_service.domain.patient import News


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A visit or an account."""

    visit_id: UUID
    kind: VisitKind
    number: Identifier


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitNews:
    """Somebody says that a visit or account was entered for `prior` and is `holder`'s."""

    visit: Visit
    prior: News
    holder: News
    at: datetime
    """When it was moved, as the sender says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One statement about a visit or account."""

    prior_id: UUID
    holder_id: UUID
    at: datetime
    undone: bool = False
    statement_id: UUID = field(default_factory=uuid4, compare=False)
    """By which a person means it."""

    @property
    def order(self) -> tuple[datetime, UUID, UUID]:
        """Which of two statements about one number is the newer one; equal times are decided by the keys."""
        return self.at, self.holder_id, self.prior_id


class Standing(NamedTuple):
    """Whose a visit or account is."""

    patient_ids: tuple[UUID, ...]
    """All whose it has been."""
    holder: UUID | None
    """None where all was undone."""
    at: datetime


def last(moves: Collection[Move]) -> Move | None:
    """The statement that counts."""
    return max((move for move in moves if not move.undone), key=lambda move: move.order, default=None)


def standing(moves: Collection[Move]) -> Standing:
    """Whose it is, of at least one statement. Where all are undone, the last of them says when."""
    counted = [move for move in moves if not move.undone]
    newest = max(counted or moves, key=lambda move: move.order)
    patients = {patient for move in counted or moves for patient in (move.prior_id, move.holder_id)}
    return Standing(tuple(sorted(patients)), newest.holder_id if counted else None, newest.at)
