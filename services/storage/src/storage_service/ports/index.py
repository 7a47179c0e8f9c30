"""What is here, and what it is asked."""

from typing import Protocol

from storage_service.domain.retrieval import Selection, Series, Stored
from storage_service.domain.search import Found, Search


class Searches(Protocol):
    """Questions to the index."""

    async def search(self, search: Search) -> Found:
        """One page of results, the newest studies first."""


class Index(Protocol):
    """Which instances are here and where they lie."""

    async def instances(
        self, study_instance_uid: str, series_instance_uid: str | None = None, sop_instance_uid: str | None = None
    ) -> list[Stored]:
        """The current instances of a study, a series, or one, by number; empty where there are none."""

    async def series(self, study_instance_uid: str, series_instance_uid: str | None = None) -> list[Series]:
        """The series of a study, or one of them; empty where there are none."""


class Selections(Protocol):
    """Which instances somebody asks for."""

    async def selected(self, selection: Selection) -> list[Stored]:
        """The current instances, by number; none where nothing is selected by."""
