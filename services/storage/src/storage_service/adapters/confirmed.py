"""The index without studies of which it is in doubt whose they are, for those who may not see these."""

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from storage_service.adapters.sql import Pool
from storage_service.domain.retrieval import Selection, Series, Stored
from storage_service.domain.search import Found, Search
from storage_service.ports.index import Index, Searches, Selections

_UNCONFIRMED: Final = """
SELECT study_instance_uid FROM study_route WHERE study_instance_uid = ANY($1::text[]) AND contradicted_by IS NOT NULL
"""


class ConfirmedIndex:
    """See `storage_service.ports.index.Index` and `Selections`."""

    def __init__(self, index: Index, selections: Selections, pool: Pool) -> None:
        self._index = index
        self._selections = selections
        self._pool = pool

    async def instances(
        self, study_instance_uid: str, series_instance_uid: str | None = None, sop_instance_uid: str | None = None
    ) -> list[Stored]:
        if await self._unconfirmed([study_instance_uid]):
            return []
        return await self._index.instances(study_instance_uid, series_instance_uid, sop_instance_uid)

    async def series(self, study_instance_uid: str, series_instance_uid: str | None = None) -> list[Series]:
        if await self._unconfirmed([study_instance_uid]):
            return []
        return await self._index.series(study_instance_uid, series_instance_uid)

    async def selected(self, selection: Selection) -> list[Stored]:
        found = await self._selections.selected(selection)
        hidden = await self._unconfirmed({stored.study_instance_uid for stored in found})
        return [stored for stored in found if stored.study_instance_uid not in hidden]

    async def _unconfirmed(self, study_instance_uids: Collection[str]) -> frozenset[str]:
        rows = await self._pool.fetch(_UNCONFIRMED, list(study_instance_uids))
        return frozenset(row["study_instance_uid"] for row in rows)


class ConfirmedSearches:
    """See `storage_service.ports.index.Searches`."""

    def __init__(self, searches: Searches) -> None:
        self._searches = searches

    async def search(self, search: Search) -> Found:
        return await self._searches.search(replace(search, confirmed_only=True))
