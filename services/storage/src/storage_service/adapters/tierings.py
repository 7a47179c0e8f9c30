"""Packs on their way to another bucket, in PostgreSQL; and their bytes from one object store to the other."""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Final

from fj_bus import Tx
from fj_events import Fact, ObjectRef
from fj_objects import NoSuchObject, ObjectConflict, ObjectStore, StoreUnavailable

from storage_service.adapters import doomed, moves
from storage_service.adapters.copying import fetch_pack
from storage_service.adapters.keepings import RETAINED, lock_known, retained
from storage_service.adapters.sql import Pool
from storage_service.domain.errors import Away, Gone, Unreadable
from storage_service.domain.tiering import Movable, Tier

PAGE: Final = 200
_PAGE: Final = f"""
SELECT p.pack_key, p.bucket, p.key, p.size, p.sha256, r.*
  FROM pack p JOIN ({RETAINED}) AS r USING (study_instance_uid)
 WHERE p.pack_key > $1 AND p.bucket <> $2 AND p.damage IS NULL ORDER BY p.pack_key LIMIT {PAGE}
"""
_BEGIN: Final = """
UPDATE pack SET moving_until = $3::timestamptz + interval '1 hour'
 WHERE pack_key = $1 AND bucket = $2 AND coalesce(moving_until, '-infinity') <= $3
"""
_MOVE: Final = """
UPDATE pack SET bucket = $4, moving_until = NULL WHERE pack_key = $1 AND bucket = $2 AND key = $3
"""
_SUSPECT: Final = (
    "UPDATE pack SET verified_at = '-infinity', leased_until = NULL, moving_until = NULL WHERE pack_key = $1"
)


class PostgresTierings:
    """See `storage_service.ports.tiering.Tierings`."""

    def __init__(self, pool: Pool, unit: Callable[[], AbstractAsyncContextManager[Tx]]) -> None:
        self._pool = pool
        self._unit = unit

    async def packs(self, farthest: str) -> AsyncIterator[Movable]:
        last = 0
        while rows := await self._pool.fetch(_PAGE, last, farthest):
            for row in rows:
                values = dict(row)
                names = ("bucket", "key", "size", "sha256")
                pack_key, stored = values.pop("pack_key"), ObjectRef(**{name: values.pop(name) for name in names})
                yield Movable(pack_key, stored, retained(values))
            last = rows[-1]["pack_key"]

    async def begin(self, pack: Movable, to: str, now: datetime) -> bool:
        async with self._pool.acquire() as connection, connection.transaction():
            if await connection.execute(_BEGIN, pack.pack_key, pack.stored.bucket, now) != "UPDATE 1":
                return False
            return await doomed.reserve(connection, to, pack.stored.key, now)

    async def moved(self, pack: Movable, to: ObjectRef, fact: Fact, deletion_at: datetime) -> bool:
        before = pack.stored
        async with self._unit() as tx:
            await lock_known(tx.connection, [pack.study.study_instance_uid])
            where = (pack.pack_key, before.bucket, before.key, to.bucket)
            if await tx.connection.execute(_MOVE, *where) != "UPDATE 1":
                return False
            await doomed.spare(tx.connection, to.bucket, to.key)
            await doomed.put(tx.connection, [(before.bucket, before.key)], deletion_at)
            await moves.put_moved(tx.connection, before, to)
            tx.emit(fact)
        return True

    async def suspect(self, pack: Movable) -> None:
        await self._pool.execute(_SUSPECT, pack.pack_key)


def copies(
    source: Callable[[str], ObjectStore], target: Callable[[str, str | None], ObjectStore]
) -> Callable[[ObjectRef, Tier], Awaitable[ObjectRef]]:
    """See `storage_service.moving.Moving.copy`. Takes as much temporary disk as the pack is long."""

    async def copy(stored: ObjectRef, tier: Tier) -> ObjectRef:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "pack"
            try:
                await fetch_pack(source(stored.bucket), stored, file)
                info = await target(tier.bucket, tier.storage_class).put_file(stored.key, file)
            except NoSuchObject:
                raise Gone(f"pack {stored.key} is not there") from None
            except ObjectConflict:
                raise Unreadable(f"other bytes have the name of pack {stored.key} in {tier.bucket}") from None
            except StoreUnavailable as error:
                raise Away("the object store does not answer") from error
        return ObjectRef(bucket=info.bucket, key=info.key, size=info.size, sha256=stored.sha256)

    return copy
