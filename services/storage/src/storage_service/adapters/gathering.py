"""What came piece by piece, put together in PostgreSQL."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Final

from fj_bus import Tx
from fj_events import ObjectRef

from storage_service.adapters import doomed, manifests, moves
from storage_service.adapters.joining import key_of
from storage_service.adapters.keepings import lock_known
from storage_service.adapters.manifests import OF_STUDIES
from storage_service.adapters.sql import Database, Pool
from storage_service.adapters.thinnings import shifted
from storage_service.domain.joining import Joined, Joint, Piece, joints, told
from storage_service.domain.manifest import Entry, entries_of
from storage_service.domain.thinning import Held, Rewrite

AT_ONCE: Final = 1000
"""Manifests that are looked at for studies."""
_DUE: Final = f"""
SELECT DISTINCT study_instance_uid FROM (
    SELECT e.study_instance_uid
      FROM manifest m JOIN series e USING (series_key) JOIN study_route r USING (study_instance_uid)
     WHERE NOT m.gathered AND r.available_at <= $1 AND coalesce(r.heard_at, r.available_at) <= $1
       AND r.retired_at IS NULL
       AND NOT EXISTS (SELECT FROM pack p WHERE p.study_instance_uid = e.study_instance_uid AND p.moving_until > now())
     ORDER BY m.manifest_key LIMIT {AT_ONCE}) AS told
 LIMIT $2
"""
_TAKE: Final = """
DELETE FROM manifest m USING series e
 WHERE m.series_key = e.series_key AND e.study_instance_uid = $1 AND NOT m.gathered
RETURNING m.series_key, m.pack_key, m.entries, m.listed
"""
_PACKS: Final = "SELECT pack_key, bucket, key, size, sha256, damage FROM pack WHERE study_instance_uid = $1"
_FREE: Final = """
SELECT pack_key FROM pack WHERE pack_key = ANY($1::bigint[]) AND coalesce(moving_until, '-infinity') <= $2 FOR UPDATE
"""
_LEASE: Final = "UPDATE pack SET moving_until = $2::timestamptz + interval '1 hour' WHERE pack_key = ANY($1::bigint[])"
_PUT: Final = """
INSERT INTO pack (bucket, key, size, sha256, study_instance_uid) VALUES ($1, $2, $3, $4, $5) RETURNING pack_key
"""
_FORGET: Final = "DELETE FROM pack WHERE pack_key = ANY($1::bigint[])"
_SITE: Final = "SELECT site FROM study_route WHERE study_instance_uid = $1"


class PostgresPieces:
    """See `storage_service.ports.gathering.Pieces`."""

    def __init__(self, pool: Pool, unit: Callable[[], AbstractAsyncContextManager[Tx]]) -> None:
        self._pool = pool
        self._unit = unit

    async def due(self, before: datetime, most: int) -> list[str]:
        return [row["study_instance_uid"] for row in await self._pool.fetch(_DUE, before, most)]

    async def begin(self, study_instance_uid: str, now: datetime) -> list[Joint] | None:
        async with self._unit() as tx:
            db = tx.connection
            await lock_known(db, [study_instance_uid])
            planned = joints(await _pieces(db, study_instance_uid))
            keys = [key for one in planned for key in one.pack_keys]
            if len(await db.fetch(_FREE, keys, now)) < len(keys):
                return None
            await db.execute(_LEASE, keys, now)
            free = [await doomed.reserve(db, one.packs[0].stored.bucket, key_of(one), now) for one in planned]
            return planned if all(free) else None

    async def joined(
        self, study_instance_uid: str, joints_: Sequence[Joint], made: Sequence[Joined], deletion_at: datetime
    ) -> bool:
        async with self._unit() as tx:
            db = tx.connection
            await lock_known(db, [study_instance_uid])
            if joints(await _pieces(db, study_instance_uid)) != list(joints_):
                return False
            site = await db.fetchval(_SITE, study_instance_uid)
            for joint, joined in zip(joints_, made, strict=True):
                await _replace(db, study_instance_uid, joint, joined, deletion_at)
                for fact in told(site, study_instance_uid, joint, joined):
                    tx.emit(fact)
            await gather(db, study_instance_uid)
        return True

    async def gather(self, study_instance_uid: str) -> None:
        async with self._unit() as tx:
            await lock_known(tx.connection, [study_instance_uid])
            await gather(tx.connection, study_instance_uid)


async def gather(db: Database, study_instance_uid: str) -> None:
    """The study is locked. What comes later is told beside what was gathered, and gathered then."""
    given: dict[tuple[int, int], list[Entry]] = defaultdict(list)
    unlisted: set[tuple[int, int]] = set()
    for row in await db.fetch(_TAKE, study_instance_uid):
        key = row["series_key"], row["pack_key"]
        given[key] += entries_of(row["entries"])
        if not row["listed"]:
            unlisted.add(key)
    await manifests.put(db, given, given.keys() - unlisted, gathered=True)


async def _pieces(db: Database, study_instance_uid: str) -> list[Piece]:
    """The packs of a study; the same, however their manifests came."""
    held: dict[int, dict[tuple[int, str], list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for row in await manifests.fetch(db, OF_STUDIES, [study_instance_uid]):
        held[row["pack_key"]][row["series_key"], row["series_instance_uid"]] += entries_of(row["entries"])
    pieces = []
    for key, bucket, name, size, sha256, damage in await db.fetch(_PACKS, study_instance_uid):
        stored = ObjectRef(bucket=bucket, key=name, size=size, sha256=sha256)
        kept = tuple(Held(*series, tuple(sorted(entries, key=_place))) for series, entries in sorted(held[key].items()))
        pieces.append(Piece(Rewrite(key, stored, kept, ()), sound=damage is None))
    return pieces


def _place(entry: Entry) -> tuple[int, int]:
    return entry.offset, entry.revision


async def _replace(db: Database, study_instance_uid: str, joint: Joint, joined: Joined, deletion_at: datetime) -> None:
    to = joined.pack
    pack_key: int = await db.fetchval(_PUT, to.bucket, to.key, to.size, to.sha256, study_instance_uid)
    entries: dict[tuple[int, int], list[Entry]] = defaultdict(list)
    for pack, (begins, ranges) in zip(joint.packs, joined.parts, strict=True):
        for held in pack.kept:
            entries[held.series_key, pack_key] += [shifted(entry, ranges, begins) for entry in held.entries]
        await moves.put_moved(db, pack.stored, to, ranges, begins)
    await manifests.replace(db, joint.pack_keys, entries)
    await doomed.spare(db, to.bucket, to.key)
    await db.execute(_FORGET, joint.pack_keys)
    await doomed.put(db, [(pack.stored.bucket, pack.stored.key) for pack in joint.packs], deletion_at)
