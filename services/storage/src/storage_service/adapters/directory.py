"""The directory of SOP Instance UIDs in PostgreSQL, and the work of listing in it what has come."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from typing import Final

from storage_service.adapters.manifests import OF_SERIES, Manifest, Manifests
from storage_service.adapters.sql import Database, Pool, Row, columns
from storage_service.domain.directory import (
    BITS,
    LEAST,
    LEVELS,
    TOGETHER,
    Pair,
    Volume,
    fingerprint,
    in_order,
    slices,
)
from storage_service.domain.manifest import VERSION, entries_of, uids_of, written

ASKED_AT_ONCE: Final = 200
READ_AT_ONCE: Final = 32
_UNLISTED: Final = "SELECT series_key FROM manifest WHERE NOT listed GROUP BY 1 ORDER BY max(manifest_key) DESC"
_PAGES: Final = f"""
SELECT f.mark, v.bits, v.base, v.width, p.entries
  FROM unnest($1::bigint[]) AS f (mark) CROSS JOIN directory_volume v
  JOIN directory_page p ON p.volume_key = v.volume_key AND p.page = (f.mark >> ({BITS} - v.bits))::int
"""
# One process at a time; the others have other things to do.
_ALONE: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('storage directory', 0))"
_WAITING: Final = "SELECT manifest_key, instances FROM manifest WHERE NOT listed ORDER BY manifest_key LIMIT $1"
_TAKE: Final = """
SELECT * FROM manifest WHERE manifest_key = ANY($1::bigint[]) ORDER BY manifest_key FOR UPDATE SKIP LOCKED
"""
_LISTED: Final = "UPDATE manifest SET listed = true WHERE manifest_key = ANY($1::bigint[])"
_WRITTEN: Final = """
UPDATE manifest SET entries = n.entries FROM unnest($1::bigint[], $2::bytea[]) AS n (key, entries)
 WHERE manifest_key = n.key
"""
_VOLUME: Final = """
INSERT INTO directory_volume (level, bits, base, width) VALUES ($1, $2, $3, $4) RETURNING volume_key
"""
_PAGE: Final = "INSERT INTO directory_page SELECT $1, * FROM unnest($2::int[], $3::bytea[])"
_LEVEL: Final = "SELECT * FROM directory_volume WHERE level = $1 ORDER BY volume_key LIMIT $2"
_SLICE: Final = "SELECT page, entries FROM directory_page WHERE volume_key = $1 AND page BETWEEN $2 AND $3"
_FILLED: Final = "UPDATE directory_volume SET instances = $2 WHERE volume_key = $1"
_FORGET: Final = "DELETE FROM directory_volume WHERE volume_key = ANY($1::bigint[])"


class Directory:
    """Finds manifests by SOP Instance UID alone."""

    def __init__(self, pool: Pool, manifests: Manifests) -> None:
        self._pool = pool
        self._manifests = manifests

    async def manifests_with(self, sop_instance_uids: Collection[str]) -> list[Manifest]:
        """The manifests that have one of them as current."""
        wanted = set(sop_instance_uids)
        found: dict[int, Manifest] = {}
        # Listing takes a manifest out of the first and into the second: in this order none is missed. It may
        # be replaced at any time, but not its series.
        async for manifests in self._unlisted():
            found.update({one.manifest_key: one for one in manifests if one.has_any(wanted)})
        listed = await self._manifests.find(OF_SERIES, await self._series_with(sorted(wanted)))
        found.update({one.manifest_key: one for one in listed if one.has_any(wanted)})
        return list(found.values())

    async def _unlisted(self) -> AsyncIterator[list[Manifest]]:
        keys = [row["series_key"] for row in await self._pool.fetch(_UNLISTED)]
        for begin in range(0, len(keys), READ_AT_ONCE):
            yield await self._manifests.find(OF_SERIES, keys[begin : begin + READ_AT_ONCE])

    async def _series_with(self, uids: Sequence[str]) -> list[int]:
        """Series that may have one of them."""
        found: set[int] = set()
        for begin in range(0, len(uids), ASKED_AT_ONCE):
            marks = [fingerprint(uid) for uid in uids[begin : begin + ASKED_AT_ONCE]]
            for row in await self._pool.fetch(_PAGES, marks):
                found.update(_volume(row).series(row["mark"], row["entries"]))
        return sorted(found)


class PostgresListing:
    """Lists in the directory what has come."""

    def __init__(self, pool: Pool, least: int = LEAST, together: int = TOGETHER) -> None:
        self._pool = pool
        self._least = least
        self._together = together

    async def list_next(self) -> bool:
        """Make one volume; False where there is too little for one."""
        async with self._pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval(_ALONE):
                return False
            if await _list(connection, self._least):
                return True
            for level in range(1, LEVELS):
                volumes = await connection.fetch(_LEVEL, level, self._together)
                if len(volumes) == self._together:
                    await _join(connection, level + 1, volumes)
                    return True
        return False


async def _list(db: Database, least: int) -> bool:
    """A volume of the first level, from manifests."""
    keys, instances = [], 0
    for row in await db.fetch(_WAITING, least):
        keys.append(row["manifest_key"])
        instances += row["instances"]
        if instances >= least:
            break
    if instances < least:
        return False
    rows = await db.fetch(_TAKE, keys)
    if not rows:
        return False  # somebody is removing them
    pairs, anew = await asyncio.to_thread(_read, rows)
    series = [row["series_key"] for row in rows]
    await _write(db, 1, Volume.of(len(pairs), min(series), max(series)), _once(pairs))
    await db.execute(_LISTED, [row["manifest_key"] for row in rows])
    if anew:
        await db.execute(_WRITTEN, *columns(list(anew.items()), 2))
    return True


async def _once(pairs: Sequence[Pair]) -> AsyncIterator[Sequence[Pair]]:
    yield pairs


def _read(rows: Iterable[Row]) -> tuple[Sequence[Pair], dict[int, bytes]]:
    """What manifests list; and those that a migration has left in another layout, in the present one, by key."""
    pairs, anew = [], {}
    for row in rows:
        data = row["entries"]
        pairs += [(fingerprint(uid), row["series_key"]) for uid in uids_of(data)]
        if data[0] != VERSION:
            anew[row["manifest_key"]] = written(entries_of(data))
    return in_order(pairs), anew


async def _join(db: Database, level: int, rows: Sequence[Row]) -> None:
    """One volume of several, a slice after the other."""
    volumes = [(row["volume_key"], _volume(row)) for row in rows]
    instances = sum(row["instances"] for row in rows)
    first, last = min(row["base"] for row in rows), max(volume.last for _, volume in volumes)

    async def parts() -> AsyncIterator[Sequence[Pair]]:
        for begin, end in slices(instances):
            pages = [
                (volume, await db.fetch(_SLICE, key, volume.page(begin), volume.page(end - 1)))
                for key, volume in volumes
            ]
            yield await asyncio.to_thread(_merged, pages)

    await _write(db, level, Volume.of(instances, first, last), parts())
    await db.execute(_FORGET, [key for key, _ in volumes])


def _merged(volumes: Iterable[tuple[Volume, Iterable[Row]]]) -> Sequence[Pair]:
    return in_order(
        pair for volume, pages in volumes for row in pages for pair in volume.read(row["page"], row["entries"])
    )


async def _write(db: Database, level: int, volume: Volume, parts: AsyncIterator[Sequence[Pair]]) -> None:
    key = await db.fetchval(_VOLUME, level, volume.bits, volume.base, volume.width)
    instances = 0
    async for pairs in parts:
        instances += len(pairs)
        pages = await asyncio.to_thread(list, volume.pages(pairs))
        await db.execute(_PAGE, key, *columns(pages, 2))
    await db.execute(_FILLED, key, instances)


def _volume(row: Row) -> Volume:
    return Volume(row["bits"], row["base"], row["width"])
