"""What came before its order, as an operator sees it; what could not be done, and what a person says of it.

The facts are those of `operator-events`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from fj_events import Identifier, WorkGivenUp, WorkKind, WorkSettled, WorkSettledAs

EARLY_MAX: Final = 50
"""Wishes that wait for one order; what comes on top is refused as about an unknown order."""
ROOM: Final = "order"


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyEntry:
    """One message that waits, or that could not be done."""

    wish_id: int
    control: str
    placer_order_number: Identifier
    site: str
    received_at: datetime
    refused: str | None
    """Why it was not done; None while it waits."""


def given_up(entry: EarlyEntry, order_id: UUID | None = None) -> WorkGivenUp:
    """It could not be done when its order came, or that did not come: a person has to look."""
    number = entry.placer_order_number
    return WorkGivenUp(
        site=entry.site,
        work_id=_work_id(entry),
        room=ROOM,
        kind=WorkKind.EARLY_CHANGE,
        about=str(order_id) if order_id else None,
        reason=f"{entry.control} of {number.value} ({number.issuer}): {entry.refused}",
        address=f"/api/{ROOM}/early/{entry.wish_id}",
    )


def settled(entry: EarlyEntry, settled_as: WorkSettledAs, reason: str | None) -> WorkSettled:
    """A person has said what becomes of it, or it is forgotten."""
    return WorkSettled(
        site=entry.site,
        work_id=_work_id(entry),
        room=ROOM,
        kind=WorkKind.EARLY_CHANGE,
        settled_as=settled_as,
        reason=reason,
    )


def _work_id(entry: EarlyEntry) -> str:
    return f"{ROOM}.{WorkKind.EARLY_CHANGE}.{entry.wish_id}"
