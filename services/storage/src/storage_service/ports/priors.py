"""What fetching priors ahead needs."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from storage_service.domain.priors import Planned, Prior, PriorPack


class Kept(StrEnum):
    """What became of a pack that was to be fetched."""

    FETCHED = "fetched"
    THERE = "there"
    """Already."""
    NO_ROOM = "no_room"
    """Only what was used lately would have had to go for it."""
    FAILED = "failed"


class Priors(Protocol):
    """Exams that are near, and the earlier studies of their patients."""

    async def near(self, after: datetime, before: datetime) -> Mapping[str, datetime]:
        """The exams that are to begin between these moments, the next one first: when, by exam key."""

    async def planned(self, exam_key: str) -> Planned | None:
        """One of them."""

    async def of(self, exam: Planned) -> list[Prior]:
        """The studies of its patient that are here, without its own."""


class Ahead(Protocol):
    """The read cache, filled with what will be read."""

    async def fetch(self, pack: PriorPack) -> Kept:
        """Have a pack in the cache; what was received or read lately stays."""
