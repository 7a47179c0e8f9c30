"""Looking instances up: which are there and where they lie."""

from typing import Final

from storage_service.adapters.hiding import hidden
from storage_service.adapters.sql import Pool
from storage_service.domain.retrieval import Selection, Series, Stored

_ALL: Final = """
SELECT e.study_instance_uid, e.series_instance_uid, i.sop_instance_uid, i.sop_class_uid, i.transfer_syntax_uid,
       p.bucket, p.key AS pack, i.pack_offset AS offset, i.length, i.data_offset
  FROM series e JOIN instance i USING (series_key) JOIN pack p USING (pack_key)
 WHERE e.study_instance_uid = $1 AND i.revision = 0
"""
_INSTANCES: Final = f"{_ALL} AND NOT {hidden()}"
_BY_NAME: Final = f"{_ALL} AND NOT {hidden(by_name=True)}"
_SELECTED: Final = {
    "patient_numbers": "e.study_instance_uid IN"
    " (SELECT study_instance_uid FROM study WHERE patient_number = ANY(current_numbers({})))",
    "study_instance_uids": "e.study_instance_uid = ANY({})",
    "series_instance_uids": "e.series_instance_uid = ANY({})",
    "sop_instance_uids": "i.sop_instance_uid = ANY({})",
}
_ORDER: Final = " ORDER BY e.series_number, e.series_instance_uid, i.instance_number, i.sop_instance_uid"
_SERIES: Final = """
SELECT series_key, number_of_instances, metadata_key, metadata_instances FROM series
 WHERE study_instance_uid = $1 AND ($2::text IS NULL OR series_instance_uid = $2) AND number_of_instances > 0
 ORDER BY series_number, series_instance_uid
"""
_OF_SERIES_KEY: Final = _INSTANCES.replace("e.study_instance_uid = $1", "e.series_key = $1")
# The lease lets a second process try again what the first one did not finish.
_UNDESCRIBED: Final = """
UPDATE series SET metadata_leased_until = now() + interval '5 minutes'
 WHERE series_key = (
       SELECT e.series_key FROM series e JOIN study_route r USING (study_instance_uid)
        WHERE e.metadata_instances IS DISTINCT FROM e.number_of_instances AND r.available_at IS NOT NULL
          AND e.number_of_instances > 0
          AND (e.metadata_leased_until IS NULL OR e.metadata_leased_until < now())
        LIMIT 1 FOR UPDATE OF e SKIP LOCKED)
RETURNING series_key, number_of_instances, metadata_key, metadata_instances
"""
# Without the lease something was rejected or restored since: it is described anew.
_DESCRIBED: Final = """
UPDATE series SET metadata_key = $2, metadata_leased_until = NULL,
       metadata_instances = CASE WHEN metadata_leased_until IS NOT NULL THEN $3::int END
 WHERE series_key = $1
"""


class PostgresIndex:
    """See `storage_service.ports.index.Index`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def instances(
        self, study_instance_uid: str, series_instance_uid: str | None = None, sop_instance_uid: str | None = None
    ) -> list[Stored]:
        sql, values = _BY_NAME if sop_instance_uid else _INSTANCES, [study_instance_uid]
        for column, uid in (("e.series_instance_uid", series_instance_uid), ("i.sop_instance_uid", sop_instance_uid)):
            if uid is not None:
                values.append(uid)
                sql += f" AND {column} = ${len(values)}"
        return [Stored(**row) for row in await self._pool.fetch(sql + _ORDER, *values)]

    async def selected(self, selection: Selection) -> list[Stored]:
        keys = {name: list(values) for name in _SELECTED if (values := getattr(selection, name))}
        if not keys:
            return []
        wheres = [_SELECTED[name].format(f"${place}::text[]") for place, name in enumerate(keys, 1)]
        shown = _BY_NAME if selection.sop_instance_uids else _INSTANCES
        sql = shown.replace("e.study_instance_uid = $1", " AND ".join(wheres))
        return [Stored(**row) for row in await self._pool.fetch(sql + _ORDER, *keys.values())]

    async def series(self, study_instance_uid: str, series_instance_uid: str | None = None) -> list[Series]:
        return [Series(**row) for row in await self._pool.fetch(_SERIES, study_instance_uid, series_instance_uid)]

    async def instances_of(self, series: Series) -> list[Stored]:
        return [Stored(**row) for row in await self._pool.fetch(_OF_SERIES_KEY + _ORDER, series.series_key)]

    async def next_undescribed(self) -> Series | None:
        row = await self._pool.fetchrow(_UNDESCRIBED)
        return Series(**row) if row else None

    async def described(self, series: Series, key: str, instances: int) -> None:
        await self._pool.execute(_DESCRIBED, series.series_key, key, instances)
