"""When studies were last retrieved from: noted at the doors, kept now and then."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from storage_service.adapters.sql import Pool
from storage_service.domain.retrieval import Selection, Series, Stored
from storage_service.ports.index import Index, Selections

# To the hour: who scrolls through a study writes a row once. Of one that was removed meanwhile nothing is left behind.
_PUT: Final = """
INSERT INTO study_access (study_instance_uid, accessed_at)
SELECT study_instance_uid, $2 FROM study_route WHERE study_instance_uid = ANY($1::text[]) ORDER BY 1
ON CONFLICT (study_instance_uid) DO UPDATE SET accessed_at = excluded.accessed_at
 WHERE study_access.accessed_at < excluded.accessed_at - interval '1 hour'
"""


class Accesses:
    """Studies that were retrieved from since the last `keep`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._noted: set[str] = set()

    def note(self, study_instance_uids: Iterable[str]) -> None:
        """Somebody retrieves of these."""
        self._noted.update(study_instance_uids)

    async def keep(self) -> None:
        """Write down what was noted. A process that is killed has lost the last seconds of it."""
        noted, self._noted = self._noted, set()
        if noted:
            await self._pool.execute(_PUT, sorted(noted), datetime.now(UTC))


class WatchedIndex:
    """See `storage_service.ports.index.Index` and `Selections`: the index as the doors see it, where looking counts."""

    def __init__(self, index: Index, selections: Selections, accesses: Accesses) -> None:
        self._index = index
        self._selections = selections
        self._accesses = accesses

    async def instances(
        self, study_instance_uid: str, series_instance_uid: str | None = None, sop_instance_uid: str | None = None
    ) -> list[Stored]:
        found = await self._index.instances(study_instance_uid, series_instance_uid, sop_instance_uid)
        self._accesses.note([study_instance_uid] if found else [])
        return found

    async def series(self, study_instance_uid: str, series_instance_uid: str | None = None) -> list[Series]:
        found = await self._index.series(study_instance_uid, series_instance_uid)
        self._accesses.note([study_instance_uid] if found else [])
        return found

    async def selected(self, selection: Selection) -> list[Stored]:
        found = await self._selections.selected(selection)
        self._accesses.note(stored.study_instance_uid for stored in found)
        return found
