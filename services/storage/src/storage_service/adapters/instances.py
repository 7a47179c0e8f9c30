"""Searches for instances: SQL chooses the series, their manifests have the instances."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final

from asyncpg import Record

from storage_service.adapters.directory import Directory
from storage_service.adapters.hiding import hidden_in, shown
from storage_service.adapters.manifests import OF_SERIES, Manifests
from storage_service.adapters.search import PostgresSearches, series_statement, values_of
from storage_service.adapters.sql import Database, Pool
from storage_service.domain.manifest import Entry
from storage_service.domain.search import AnyOf, Found, Level, Search

AT_ONCE: Final = 16
"""Series that are looked into together."""
_OF_ENTRY: Final[Mapping[str, Callable[[Entry], object]]] = {
    "SOPClassUID": lambda entry: entry.sop_class_uid,
    "SOPInstanceUID": lambda entry: entry.sop_instance_uid,
    "InstanceNumber": lambda entry: entry.instance_number,
    "NumberOfFrames": lambda entry: entry.number_of_frames,
    "Rows": lambda entry: entry.rows,
    "Columns": lambda entry: entry.columns,
    "AvailableTransferSyntaxUID": lambda entry: entry.transfer_syntax_uid,
}


class AllSearches:
    """See `storage_service.ports.index.Searches`."""

    def __init__(self, pool: Pool, manifests: Manifests, directory: Directory) -> None:
        self._pool = pool
        self._manifests = manifests
        self._directory = directory
        self._others = PostgresSearches(pool)

    async def search(self, search: Search) -> Found:
        """One page, newest studies first."""
        if search.level is not Level.INSTANCE:
            return await self._others.search(search)
        sql, values = series_statement(search, await self._series_keys(search))
        found: list[Mapping[str, object]] = []
        skip = search.offset
        async with self._pool.acquire() as connection, connection.transaction():
            async for row, entries in self._looked_into(connection, sql, values):
                fitting = [entry for entry in entries if _fits(entry, search)]
                skipped, skip = fitting[:skip], max(0, skip - len(fitting))
                room = search.limit + 1 - len(found)
                found += [_values(row, entry, search) for entry in fitting[len(skipped) :][:room]]
                if len(found) > search.limit:
                    break
        return Found(tuple(found[: search.limit]), more=len(found) > search.limit)

    async def _looked_into(
        self, db: Database, sql: str, values: list[object]
    ) -> AsyncIterator[tuple[Record, list[Entry]]]:
        """Series after series, with what is shown of each, in order."""
        cursor = await db.cursor(sql, *values)
        while rows := await cursor.fetch(AT_ONCE):
            keys = [row["series_key"] for row in rows]
            manifests = await self._manifests.find(OF_SERIES, keys, db=db)
            hidden = await hidden_in(db, manifests)
            for row in rows:
                own = [manifest for manifest in manifests if manifest.series_key == row["series_key"]]
                yield row, sorted((entry for one in own for entry in shown(one, hidden)), key=_in_order)

    async def _series_keys(self, search: Search) -> list[int] | None:
        """Where instances are named and neither their study nor their series is."""
        uids = {
            condition.attribute.keyword: condition.values
            for condition in search.conditions
            if isinstance(condition, AnyOf)
        }
        if "SOPInstanceUID" not in uids or {"StudyInstanceUID", "SeriesInstanceUID"} & uids.keys():
            return None
        named = [str(uid) for uid in uids["SOPInstanceUID"]]
        return sorted({manifest.series_key for manifest in await self._directory.manifests_with(named)})


def _fits(entry: Entry, search: Search) -> bool:
    return all(
        isinstance(condition, AnyOf) and _OF_ENTRY[condition.attribute.keyword](entry) in condition.values
        for condition in search.conditions
        if condition.attribute.level is Level.INSTANCE
    )


def _values(row: Record, entry: Entry, search: Search) -> Mapping[str, object]:
    of_series = [attribute.keyword for attribute in search.fields if attribute.level < Level.INSTANCE]
    of_entry = {attribute.keyword for attribute in search.fields} - set(of_series)
    return {**values_of(row, of_series), **{keyword: _OF_ENTRY[keyword](entry) for keyword in of_entry}}


def _in_order(entry: Entry) -> tuple[object, ...]:
    return entry.instance_number is None, entry.instance_number or 0, entry.sop_instance_uid
