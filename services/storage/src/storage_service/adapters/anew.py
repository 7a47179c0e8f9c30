"""Making the index anew: packs taken apart again, and the tables that it empties and fills."""

import asyncio
import hashlib
import mmap
import tempfile
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import BinaryIO, Final
from uuid import UUID

from fj_dicom import BadDataSet
from fj_events import InstancesStored, ObjectRef
from fj_objects import NoSuchObject, ObjectInfo, ObjectStore, StoreUnavailable
from fj_packs.pack import Contents, Defaults, Member, Origin, facts_of
from fj_packs.reading import BrokenSegment, read_heads, read_parts
from fj_packs.tar import walk

from storage_service.adapters import rejections
from storage_service.adapters.folding import add_instances
from storage_service.adapters.manifests import OF_STUDIES, fetch
from storage_service.adapters.moves import still_kept
from storage_service.adapters.sql import Pool
from storage_service.domain.errors import Away, Unreadable
from storage_service.domain.manifest import entries_of
from storage_service.domain.rejection import notes_of
from storage_service.ports.rebuilding import Known

FOLDER: Final = "packs"
"""Where `ingest` puts them in the bucket."""


class StoredToldPacks:
    """See `storage_service.ports.rebuilding.ToldPacks`. Takes as much temporary disk as the largest pack is long."""

    def __init__(self, stores: Sequence[ObjectStore], defaults: Callable[[Origin], Defaults], namespace: UUID) -> None:
        """`stores`: of all buckets in which packs may lie, the nearest first."""
        self._stores = stores
        self._where: dict[str, ObjectStore] = {}
        self._defaults = defaults
        self._namespace = namespace

    async def keys(self) -> list[str]:
        try:
            # A pack that is just being moved is there twice, the same.
            self._where = {key: store for store in self._stores for key in await store.keys(FOLDER)}
        except StoreUnavailable as error:
            raise Away("the object store does not answer") from error
        return sorted(self._where)  # named by time

    async def facts(self, key: str, known: Known) -> list[InstancesStored]:
        with tempfile.TemporaryFile() as file:
            stored = await self._fetch(key, file)
            content, parts = await asyncio.to_thread(_read, stored, file)
            facts: list[InstancesStored] = []
            told: set[tuple[str, str]] = set()
            for part in parts:
                # As `ingest` did: what came again is not told again, nor does it speak for its series.
                uids = [member.identity.sop_instance_uid for member in part.members]
                told.update(await known(part.study_instance_uid, uids))
                new = [member for member in part.members if _name(member) not in told]
                told.update(map(_name, new))
                heads = await asyncio.to_thread(read_heads, new, content, self._defaults(part.origin))
                facts += facts_of(stored, part.origin, new, heads, self._namespace)
            return facts

    async def _fetch(self, key: str, file: BinaryIO) -> ObjectRef:
        """Copy the pack; it must be what its writer left the digest of."""
        digest = hashlib.sha256()
        try:
            store = self._where[key]
            info = await store.head(key)
            async for piece in store.stream(key):
                await asyncio.to_thread(digest.update, piece)
                await asyncio.to_thread(file.write, piece)
        except NoSuchObject:
            raise Unreadable("it has gone") from None
        except StoreUnavailable as error:
            raise Away("the object store does not answer") from error
        return _verified(info, digest.hexdigest())


class PostgresEmptyIndex:
    """See `storage_service.ports.rebuilding.EmptyIndex`."""

    def __init__(self, pool: Pool, tables: Sequence[str]) -> None:
        self._pool = pool
        self._tables = tables

    async def clear(self) -> None:
        await self._pool.execute(f"TRUNCATE {', '.join(self._tables)}")

    async def known(self, study_instance_uid: str, sop_instance_uids: Collection[str]) -> Collection[tuple[str, str]]:
        asked = set(sop_instance_uids)
        return {
            (entry.sop_instance_uid, entry.sha256.hex())
            for row in await fetch(self._pool, OF_STUDIES, [study_instance_uid])
            for entry in entries_of(row["entries"])
            if entry.sop_instance_uid in asked
        }

    async def add(self, fact: InstancesStored) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            kept = await still_kept(connection, [fact])
            if kept:
                await add_instances(connection, kept, datetime.now(UTC))
            await rejections.expect(connection, notes_of(kept))


def _verified(info: ObjectInfo, sha256: str) -> ObjectRef:
    if info.sha256 != sha256:
        raise Unreadable("its bytes are not those that were stored")
    return ObjectRef(bucket=info.bucket, key=info.key, size=info.size, sha256=sha256)


def _read(stored: ObjectRef, file: BinaryIO) -> tuple[memoryview, list[Contents]]:
    try:
        segment = UUID(PurePosixPath(stored.key).stem)
        content = memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
        return content, read_parts(segment, list(walk(file)), content)
    except (ValueError, BrokenSegment, BadDataSet) as error:
        raise Unreadable(f"it cannot be read: {type(error).__name__}") from None


def _name(member: Member) -> tuple[str, str]:
    return member.identity.sop_instance_uid, member.sha256
