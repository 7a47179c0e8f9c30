"""Objects that nothing names any more, until they are deleted."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from fj_objects import ObjectStore, StoreUnavailable

from storage_service.adapters.cache_files import CacheFolder
from storage_service.adapters.sql import Database, Pool, columns
from storage_service.domain.errors import Away

RESERVED: Final = timedelta(days=1)
_PUT: Final = """
INSERT INTO doomed_object (bucket, key, due_at) SELECT n.*, $3 FROM unnest($1::text[], $2::text[]) AS n
ON CONFLICT DO NOTHING
"""
# Whoever claims it has the time of the lease; if that process dies, another one deletes it then. What the index has is
# not deleted: it was made anew from the packs, and the pack was still there.
_CLAIM: Final = """
UPDATE doomed_object SET due_at = $1 + interval '5 minutes', deleting = true
 WHERE (bucket, key) IN (
       SELECT bucket, key FROM doomed_object d
        WHERE due_at <= $1 AND NOT EXISTS (SELECT FROM pack p WHERE p.bucket = d.bucket AND p.key = d.key)
        ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING bucket, key
"""
_RESERVE: Final = """
INSERT INTO doomed_object (bucket, key, due_at) VALUES ($1, $2, $3)
ON CONFLICT (bucket, key) DO UPDATE SET due_at = excluded.due_at WHERE NOT doomed_object.deleting
"""
_SPARE: Final = "DELETE FROM doomed_object WHERE bucket = $1 AND key = $2"


class PostgresDoomed:
    """See `storage_service.ports.keeping.Doomed`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def claim(self, now: datetime, most: int) -> list[tuple[str, str]]:
        return [(row["bucket"], row["key"]) for row in await self._pool.fetch(_CLAIM, now, most)]

    async def deleted(self, bucket: str, key: str) -> None:
        await self._pool.execute(_SPARE, bucket, key)


def delete_from(
    store: Callable[[str], ObjectStore], cache: CacheFolder | None = None
) -> Callable[[str, str], Awaitable[None]]:
    """See `storage_service.expiring.Deleting.delete`. What `cache` has of it goes, too."""

    async def delete(bucket: str, key: str) -> None:
        if cache is not None:
            await asyncio.to_thread(cache.forget, bucket, key)
        try:
            await store(bucket).delete(key)
        except StoreUnavailable as error:
            raise Away("the object store does not answer") from error

    return delete


async def put(db: Database, objects: Sequence[tuple[str, str]], due_at: datetime) -> None:
    """Have these deleted then, once this is committed."""
    await db.execute(_PUT, *columns(objects, 2), due_at)


async def reserve(db: Database, bucket: str, key: str, now: datetime) -> bool:
    """An object is about to be put there, and is deleted in a day unless it is spared; False while one is deleted."""
    return await db.execute(_RESERVE, bucket, key, now + RESERVED) == "INSERT 0 1"


async def spare(db: Database, bucket: str, key: str) -> None:
    """It is named now."""
    await db.execute(_SPARE, bucket, key)
