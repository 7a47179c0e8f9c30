"""Looking instances up: which are there and where they lie."""

from collections.abc import Collection
from typing import Final

from storage_service.adapters.current import COERCED, coercion_of
from storage_service.adapters.directory import Directory
from storage_service.adapters.hiding import hidden_in
from storage_service.adapters.manifests import OF_SERIES, Manifest, Manifests
from storage_service.adapters.sql import CURRENT_NUMBERS, Pool, Row
from storage_service.domain.manifest import Entry
from storage_service.domain.retrieval import Selection, Series, Stored

_OF_STUDY: Final = "e.study_instance_uid = $1"
_OF_ONE_SERIES: Final = f"{_OF_STUDY} AND e.series_instance_uid = $2"
_SELECTED: Final = {
    "patient_numbers": "e.study_instance_uid IN"
    f" (SELECT study_instance_uid FROM study WHERE patient_number = ANY({CURRENT_NUMBERS}))",
    "study_instance_uids": "e.study_instance_uid = ANY({})",
    "series_instance_uids": "e.series_instance_uid = ANY({})",
}
_SERIES: Final = f"""
SELECT e.series_key, e.number_of_instances, e.metadata_key, e.metadata_instances, {COERCED}
  FROM series e LEFT JOIN coercion c USING (study_instance_uid)
 WHERE e.study_instance_uid = $1 AND ($2::text IS NULL OR e.series_instance_uid = $2) AND e.number_of_instances > 0
 ORDER BY e.series_number, e.series_instance_uid
"""
# The lease lets a second process try again what the first one did not finish. PostgreSQL thinks that nearly all series
# are not described, and would go through all studies to find one of the few: the order is that of the index of those,
# and their studies are looked up behind it.
UNDESCRIBED: Final = """
UPDATE series SET metadata_leased_until = now() + interval '5 minutes'
 WHERE series_key = (
       SELECT e.series_key FROM series e
        WHERE e.metadata_instances IS DISTINCT FROM e.number_of_instances AND e.number_of_instances > 0
          AND (e.metadata_leased_until IS NULL OR e.metadata_leased_until < now())
          AND (SELECT r.available_at FROM study_route r WHERE r.study_instance_uid = e.study_instance_uid) IS NOT NULL
        ORDER BY e.study_instance_uid LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING series_key, number_of_instances, metadata_key, metadata_instances
"""
# Without the lease something was rejected or restored since: it is described anew.
_DESCRIBED: Final = """
UPDATE series SET metadata_key = $2, metadata_leased_until = NULL,
       metadata_instances = CASE WHEN metadata_leased_until IS NOT NULL THEN $3::int END
 WHERE series_key = $1
"""


class PostgresIndex:
    """See `storage_service.ports.index.Index` and `Selections`."""

    def __init__(self, pool: Pool, manifests: Manifests, directory: Directory) -> None:
        self._pool = pool
        self._manifests = manifests
        self._directory = directory

    async def instances(
        self, study_instance_uid: str, series_instance_uid: str | None = None, sop_instance_uid: str | None = None
    ) -> list[Stored]:
        if series_instance_uid is None:
            found = await self._manifests.find(_OF_STUDY, study_instance_uid)
        else:
            found = await self._manifests.find(_OF_ONE_SERIES, study_instance_uid, series_instance_uid)
        return await self._shown(found, [sop_instance_uid] if sop_instance_uid is not None else [])

    async def selected(self, selection: Selection) -> list[Stored]:
        named = selection.sop_instance_uids
        keys = {name: list(values) for name in _SELECTED if (values := getattr(selection, name))}
        wheres = [_SELECTED[name].format(f"${place}::text[]") for place, name in enumerate(keys, 1)]
        asked: list[object] = [*keys.values()]
        if named and not (selection.study_instance_uids or selection.series_instance_uids):
            asked.append(sorted({manifest.series_key for manifest in await self._directory.manifests_with(named)}))
            wheres.append(f"e.series_key = ANY(${len(asked)}::bigint[])")
        if not wheres:
            return []
        return await self._shown(await self._manifests.find(" AND ".join(wheres), *asked), named)

    async def _shown(self, found: Collection[Manifest], named: Collection[str] = ()) -> list[Stored]:
        """What is not hidden of manifests, in order; of those that are named by their own UID, fewer are hidden."""
        hidden = await hidden_in(self._pool, found)
        places = [
            (manifest, entry)
            for manifest in found
            for entry in (manifest.named(named) if named else manifest.content.current.values())
            if not hidden.hides(*manifest.uids, entry.sop_instance_uid, by_name=bool(named))
        ]
        return [manifest.stored(entry) for manifest, entry in sorted(places, key=_in_order)]

    async def series(self, study_instance_uid: str, series_instance_uid: str | None = None) -> list[Series]:
        rows = await self._pool.fetch(_SERIES, study_instance_uid, series_instance_uid)
        return [_series(row) for row in rows]

    async def instances_of(self, series: Series) -> list[Stored]:
        return await self._shown(await self._manifests.find(OF_SERIES, [series.series_key]))

    async def next_undescribed(self) -> Series | None:
        row = await self._pool.fetchrow(UNDESCRIBED)
        return Series(**row) if row else None

    async def described(self, series: Series, key: str, instances: int) -> bool:
        return await self._pool.execute(_DESCRIBED, series.series_key, key, instances) == "UPDATE 1"


def _series(row: Row) -> Series:
    key, number, metadata_key, described = list(row.values())[:4]
    return Series(key, number, metadata_key, described, coercion_of(row))


def _in_order(place: tuple[Manifest, Entry]) -> tuple[object, ...]:
    """By series and number; what has no number comes last."""
    manifest, entry = place
    return (
        *(manifest.series_number is None, manifest.series_number or 0, manifest.series_instance_uid),
        *(entry.instance_number is None, entry.instance_number or 0, entry.sop_instance_uid),
    )
