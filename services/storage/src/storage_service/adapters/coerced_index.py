"""What the doors look up: instances with what they say now instead of what is stored."""

from dataclasses import replace

from storage_service.adapters.current import coercions
from storage_service.adapters.sql import Pool
from storage_service.domain.retrieval import Selection, Series, Stored
from storage_service.ports.index import Index, Selections


class CoercedIndex:
    """See `storage_service.ports.index.Index` and `Selections`.

    One question after the other: side by side they would take a task and a connection more, and that costs more.
    """

    def __init__(self, index: Index, selections: Selections, pool: Pool) -> None:
        self._index = index
        self._selections = selections
        self._pool = pool

    async def instances(
        self, study_instance_uid: str, series_instance_uid: str | None = None, sop_instance_uid: str | None = None
    ) -> list[Stored]:
        found = await self._index.instances(study_instance_uid, series_instance_uid, sop_instance_uid)
        known = await coercions(self._pool, [study_instance_uid])
        return [replace(stored, coercion=known[study_instance_uid]) for stored in found] if known else found

    async def series(self, study_instance_uid: str, series_instance_uid: str | None = None) -> list[Series]:
        found = await self._index.series(study_instance_uid, series_instance_uid)
        known = await coercions(self._pool, [study_instance_uid])
        return [replace(series, coercion=known[study_instance_uid]) for series in found] if known else found

    async def selected(self, selection: Selection) -> list[Stored]:
        found = await self._selections.selected(selection)
        known = await coercions(self._pool, {stored.study_instance_uid for stored in found})
        return [replace(stored, coercion=known.get(stored.study_instance_uid)) for stored in found] if known else found
