"""What came before its order, as an operator sees it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fj_events import Identifier

EARLY_MAX: Final = 50
"""Wishes that wait for one order; what comes on top is refused as about an unknown order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyEntry:
    """One message that waits, or that could not be done."""

    control: str
    placer_order_number: Identifier
    site: str
    received_at: datetime
    refused: str | None
    """Why it was not done; None while it waits."""
