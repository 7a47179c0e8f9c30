"""What is known about the packs' integrity, in PostgreSQL; and their bytes past every cache."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Final

from fj_bus import Tx
from fj_events import Damage, ObjectRef, StudyDamaged, StudyRestored, StudyVerificationAsked
from fj_objects import ByteRange, NoSuchObject, ObjectError, ObjectStore, StoreUnavailable

from storage_service.adapters.manifests import fetch
from storage_service.adapters.postgres import PostgresStudies
from storage_service.adapters.sql import Database, Pool
from storage_service.domain.errors import Away, Gone
from storage_service.domain.exceptional import ExceptionKind, of_damage
from storage_service.domain.integrity import Finding, Kept, Overview, Pack, damage_of
from storage_service.domain.manifest import entries_of

# Whoever claims it has the time of the lease; if that process dies, another one looks at it then.
_CLAIM: Final = """
UPDATE pack SET leased_until = $1 + interval '1 hour'
 WHERE pack_key = (SELECT pack_key FROM pack WHERE verified_at <= $2 AND coalesce(leased_until, '-infinity') <= $1
                    ORDER BY verified_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING pack_key AS key, bucket, pack.key AS object, size, sha256, damage
"""
_STUDIES: Final = """
SELECT DISTINCT r.study_instance_uid, r.site FROM manifest m JOIN series e USING (series_key)
  JOIN study_route r USING (study_instance_uid) WHERE m.pack_key = $1 ORDER BY 1
"""
_RECORD: Final = "UPDATE pack SET verified_at = $2, leased_until = NULL, damage = $3 WHERE pack_key = $1"
_STILL_DAMAGED: Final = """
SELECT EXISTS (SELECT FROM series e JOIN manifest m USING (series_key) JOIN pack p USING (pack_key)
                WHERE e.study_instance_uid = $1 AND p.damage IS NOT NULL)
"""
_AGAIN: Final = """
UPDATE pack SET verified_at = '-infinity', leased_until = NULL
 WHERE pack_key IN (SELECT pack_key FROM series JOIN manifest USING (series_key) WHERE study_instance_uid = $1)
"""
_SITE: Final = "SELECT site FROM study_route WHERE study_instance_uid = $1"
_OVERVIEW: Final = """
SELECT count(*) AS packs, coalesce(sum(size), 0)::bigint AS bytes, count(damage) AS damaged_packs,
       count(*) FILTER (WHERE verified_at = '-infinity') AS asked_for,
       min(nullif(verified_at, '-infinity')) AS longest_ago
  FROM pack
"""


class PostgresArchive:
    """See `storage_service.ports.integrity.Archive`."""

    def __init__(self, pool: Pool, unit: Callable[..., AbstractAsyncContextManager[Tx]]) -> None:
        self._pool = pool
        self._unit = unit

    async def claim(self, now: datetime, before: datetime) -> Pack | None:
        row = await self._pool.fetchrow(_CLAIM, now, before)
        if row is None:
            return None
        stored = ObjectRef(bucket=row["bucket"], key=row["object"], size=row["size"], sha256=row["sha256"])
        return Pack(row["key"], stored, Damage(row["damage"]) if row["damage"] else None)

    async def contents(self, pack: Pack) -> Sequence[Kept]:
        found = [
            Kept(row["study_instance_uid"], entry.sop_instance_uid, *entry.data, entry.sha256)
            for row in await fetch(self._pool, "m.pack_key = $1", pack.key)
            for entry in entries_of(row["entries"])
        ]
        return sorted(found, key=lambda kept: kept.offset)

    async def record(self, pack: Pack, finding: Finding, now: datetime) -> None:
        async with self._unit() as tx:
            await tx.connection.execute(_RECORD, pack.key, now, finding.damage)
            if finding.damage == pack.damage:
                return  # told already, or nothing to tell
            studies = PostgresStudies(tx.connection, tx.emit)
            for row in await tx.connection.fetch(_STUDIES, pack.key):
                site, uid = row["site"], row["study_instance_uid"]
                damaged: StudyDamaged | None = damage_of(pack, finding, site, uid, now)
                if damaged is not None:
                    await studies.report(damaged, of_damage(damaged))
                elif not await _is_damaged(tx.connection, uid):
                    studies.emit(StudyRestored(site=site, study_instance_uid=uid, found_at=now))
                    await studies.resolve(uid, ExceptionKind.DAMAGED_STUDY)

    async def overview(self) -> Overview:
        row = await self._pool.fetchrow(_OVERVIEW)
        return Overview(**dict(row or {}))

    async def look_again(self, study_instance_uid: str, actor: str) -> int:
        async with self._unit(actor) as tx:
            done = await tx.connection.execute(_AGAIN, study_instance_uid)
            packs = int(done.rpartition(" ")[2])
            if packs:
                site = await tx.connection.fetchval(_SITE, study_instance_uid)
                tx.emit(StudyVerificationAsked(site=site, study_instance_uid=study_instance_uid, number_of_packs=packs))
        return packs


async def _is_damaged(db: Database, study_instance_uid: str) -> bool:
    found: bool = await db.fetchval(_STILL_DAMAGED, study_instance_uid)
    return found


def reader(store: Callable[[str], ObjectStore]) -> Callable[[ObjectRef, int, int], AsyncIterator[bytes]]:
    """See `storage_service.verifying.Verifying.read`: from the object store itself, whatever a cache holds."""

    async def read(stored: ObjectRef, offset: int, length: int) -> AsyncIterator[bytes]:
        cut = ByteRange(offset, length) if length else None
        try:
            async for piece in store(stored.bucket).stream(stored.key, cut):
                yield piece
        except NoSuchObject:
            raise Gone(f"pack {stored.key} is not there") from None
        except StoreUnavailable as error:
            # A cut beyond the end of what is left is refused like this too; asking for its size tells them apart.
            if cut is None or (await _size(store(stored.bucket), stored.key)) >= offset + length:
                raise Away("the object store does not answer") from error
        except ObjectError:
            return  # it ends before the cut does

    return read


async def _size(store: ObjectStore, key: str) -> int:
    try:
        return (await store.head(key)).size
    except NoSuchObject:
        raise Gone(f"pack {key} is not there") from None
    except StoreUnavailable as error:
        raise Away("the object store does not answer") from error
