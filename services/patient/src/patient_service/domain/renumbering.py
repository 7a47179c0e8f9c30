"""Visits and accounts that get another number (HL7 v2.5.1 ch. 3 A50, A49): statements about the number before.

As with moves: all that was said of a number is kept, and the newest by the sender's clock that nobody undid holds.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from fj_events import Identifier

from patient_service.domain.visit import Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Renumbering:
    """One statement about a number: which one its visit or account got in its place."""

    patient_id: UUID
    patient_ids: frozenset[UUID]
    """All numbers by which the message names the patient, `patient_id` too."""
    number: Identifier
    at: datetime
    undone: bool = False
    statement_id: UUID = field(default_factory=uuid4, compare=False)
    """By which a person means it."""

    @property
    def order(self) -> tuple[datetime, str, str, UUID]:
        """Which of two statements about one number is the newer one; equal times are decided by what they say."""
        return self.at, self.number.value, self.number.issuer, self.patient_id


@dataclass(frozen=True, slots=True, kw_only=True)
class RenumberNews:
    """Somebody says that a visit or account has another number now. `visit`: by the one before."""

    visit: Visit
    site: str
    renumbering: Renumbering


def last(said: Collection[Renumbering]) -> Renumbering | None:
    """The statement that counts."""
    return max((each for each in said if not each.undone), key=lambda each: each.order, default=None)


def newest(said: Collection[Renumbering]) -> Renumbering:
    """The newest of at least one statement, undone or not: of whom and since when others are told."""
    return last(said) or max(said, key=lambda each: each.order)
