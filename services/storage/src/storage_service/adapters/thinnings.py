"""Packs that are written anew without some of their instances: in PostgreSQL, and in the object store."""

import asyncio
import hashlib
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final
from uuid import UUID

from fj_events import ObjectRef
from fj_objects import NoSuchObject, ObjectConflict, ObjectStore, StoreUnavailable
from fj_packs.reading import BrokenSegment
from fj_packs.rewriting import moved, rewrite, successor

from storage_service.adapters import doomed, hiding, manifests, moves
from storage_service.adapters.copying import fetch_pack
from storage_service.adapters.manifests import OF_STUDIES
from storage_service.adapters.sql import Database, columns
from storage_service.domain.errors import Away, Gone, Unreadable
from storage_service.domain.manifest import Entry, entries_of
from storage_service.domain.thinning import Held, Range, Rewrite, Said, Sentence, plan

PIECES: Final = 5_000
"""Ranges that a fact about a pack may name (law 7)."""
_SAID: Final = """
SELECT x.series_instance_uid, x.sop_instance_uid, x.rejection_id, x.code, x.rejected_at FROM rejected x
 WHERE x.study_instance_uid = $1 AND x.settled_at IS NULL AND NOT EXISTS (
       SELECT FROM retirement t WHERE t.study_instance_uid = $1 AND t.retirement_id::text = x.rejection_id)
"""
_PACKS: Final = "SELECT pack_key, bucket, key, size, sha256 FROM pack WHERE study_instance_uid = $1 ORDER BY pack_key"
_PUT: Final = """
INSERT INTO pack (bucket, key, size, sha256, study_instance_uid)
SELECT $2, $3, $4, $5, study_instance_uid FROM pack WHERE pack_key = $1 RETURNING pack_key
"""
_SETTLE: Final = """
UPDATE rejected x SET settled_at = now()
  FROM unnest($2::text[], $3::text[], $4::text[]) AS named (series_instance_uid, sop_instance_uid, rejection_id)
 WHERE x.study_instance_uid = $1 AND x.series_instance_uid = named.series_instance_uid
   AND x.sop_instance_uid = named.sop_instance_uid AND x.rejection_id = named.rejection_id
"""


class PostgresThinnings:
    """See `storage_service.ports.thinning.Thinnings`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def plan(self, study_instance_uid: str, sentence: Sentence) -> list[Rewrite]:
        rejections = await said(self._db, study_instance_uid)
        if not any(sentence.takes(one) for one in rejections):
            return []
        return plan(await _packs(self._db, study_instance_uid), rejections, sentence)

    async def reserve(self, rewrite: Rewrite, now: datetime) -> bool:
        return await doomed.reserve(self._db, rewrite.stored.bucket, _next(rewrite.stored.key), now)

    async def replace(self, rewrite: Rewrite, to: ObjectRef, ranges: Sequence[Range], deletion_at: datetime) -> None:
        place = (to.bucket, to.key, to.size, to.sha256)
        pack_key: int = await self._db.fetchval(_PUT, rewrite.pack_key, *place)
        entries = {
            (held.series_key, pack_key): [shifted(entry, ranges) for entry in held.entries] for held in rewrite.kept
        }
        await manifests.replace(self._db, [rewrite.pack_key], entries)
        await doomed.spare(self._db, to.bucket, to.key)
        await moves.put_moved(self._db, rewrite.stored, to, ranges)
        await self._leave(rewrite, deletion_at)

    async def drop(self, rewrite: Rewrite, deletion_at: datetime) -> None:
        await manifests.replace(self._db, [rewrite.pack_key], {})
        await moves.put_removed(self._db, [(rewrite.stored.bucket, rewrite.stored.key)])
        await self._leave(rewrite, deletion_at)

    async def settle(self, study_instance_uid: str, sentence: Sentence) -> int:
        named = [one for one in await said(self._db, study_instance_uid) if sentence.takes(one)]
        rows = [(one.series_instance_uid, one.sop_instance_uid, one.rejection_id) for one in named]
        await self._db.execute(_SETTLE, study_instance_uid, *columns(rows, 3))
        await hiding.count_shown(self._db, [study_instance_uid])
        return sum(len(held.entries) for _, _, all_ in await _packs(self._db, study_instance_uid) for held in all_)

    async def _leave(self, rewrite: Rewrite, deletion_at: datetime) -> None:
        await self._db.execute("DELETE FROM pack WHERE pack_key = $1", rewrite.pack_key)
        await doomed.put(self._db, [(rewrite.stored.bucket, rewrite.stored.key)], deletion_at)


async def said(db: Database, study_instance_uid: str) -> list[Said]:
    """The rejections of a study that may remove something yet."""
    return [Said(**row) for row in await db.fetch(_SAID, study_instance_uid)]


async def _packs(db: Database, study_instance_uid: str) -> list[tuple[int, ObjectRef, list[Held]]]:
    held: dict[int, list[Held]] = {}
    for row in await manifests.fetch(db, f"{OF_STUDIES} ORDER BY m.manifest_key", [study_instance_uid]):
        part = Held(row["series_key"], row["series_instance_uid"], tuple(entries_of(row["entries"])))
        held.setdefault(row["pack_key"], []).append(part)
    return [
        (key, ObjectRef(bucket=bucket, key=name, size=size, sha256=sha256), held.get(key, []))
        for key, bucket, name, size, sha256 in await db.fetch(_PACKS, study_instance_uid)
    ]


def shifted(entry: Entry, ranges: Sequence[Range], begins: int = 0) -> Entry:
    """As it lies in a new pack that has these ranges of the old one, from there on. Raises Unreadable."""
    offset = moved(entry.offset, ranges, begins)
    if offset is None:
        raise Unreadable("an instance that is kept is not in the new pack")
    return entry._replace(offset=offset)


def writer(store: Callable[[str], ObjectStore]) -> Callable[[Rewrite], Awaitable[tuple[ObjectRef, list[Range]]]]:
    """See `storage_service.thinning.Thinning.write`. Takes temporary disk for the pack, twice."""

    async def write(one: Rewrite) -> tuple[ObjectRef, list[Range]]:
        stored, packs = one.stored, store(one.stored.bucket)
        with tempfile.TemporaryDirectory() as folder:
            old, new = Path(folder) / "old", Path(folder) / "new"
            try:
                await fetch_pack(packs, stored, old)
                ranges = await asyncio.to_thread(_rewrite, one, old, new)
                info = await packs.put_file(_next(stored.key), new)
            except NoSuchObject:
                raise Gone(f"pack {stored.key} is not there") from None
            except ObjectConflict:
                raise Unreadable(f"other bytes have the name that follows pack {stored.key}") from None
            except StoreUnavailable as error:
                raise Away("the object store does not answer") from error
        if info.sha256 is None:
            raise Unreadable("the new pack has no digest")
        return ObjectRef(bucket=info.bucket, key=info.key, size=info.size, sha256=info.sha256), ranges

    return write


def _rewrite(one: Rewrite, old: Path, new: Path) -> list[Range]:
    """Write the new file, and read it again: every instance that is kept has the hash of its receipt."""
    segment = UUID(PurePosixPath(one.stored.key).stem)
    try:
        with old.open("rb") as pack, new.open("x+b") as into:
            ranges = rewrite(pack, segment, one.offsets, into)
            if len(ranges) > PIECES:
                raise Unreadable("what is kept of it is in too many pieces")
            for held in one.kept:
                for entry in held.entries:
                    compare(into, shifted(entry, ranges))
    except BrokenSegment as reason:
        raise Unreadable(str(reason)) from None
    return ranges


def compare(file: BinaryIO, entry: Entry) -> None:
    """Its bytes are those that were received, or else Unreadable."""
    offset, length = entry.data
    file.seek(offset)
    if hashlib.sha256(file.read(length)).digest() != entry.sha256:
        raise Unreadable("an instance has other bytes than were received")


def _next(key: str) -> str:
    path = PurePosixPath(key)
    return str(path.with_name(f"{successor(UUID(path.stem))}{path.suffix}"))
