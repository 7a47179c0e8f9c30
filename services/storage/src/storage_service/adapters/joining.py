"""Several packs written as one, in the object store."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from uuid import UUID

from fj_events import ObjectRef
from fj_objects import NoSuchObject, ObjectConflict, ObjectInfo, ObjectStore, StoreUnavailable
from fj_packs.reading import BrokenSegment
from fj_packs.rewriting import Chosen, append, joint
from fj_packs.tar import END

from storage_service.adapters.copying import fetch_pack
from storage_service.adapters.thinnings import PIECES, compare, shifted
from storage_service.domain.errors import Away, Gone, Unreadable
from storage_service.domain.joining import Joined, Joint
from storage_service.domain.thinning import Range, Rewrite


def key_of(one: Joint) -> str:
    """Where the new pack lies: of the same packs always there."""
    name = joint(map(_chosen, one.packs))
    path = PurePosixPath(one.packs[0].stored.key)
    return str(path.with_name(f"{name}{path.suffix}"))


def joiner(store: Callable[[str], ObjectStore]) -> Callable[[Joint], Awaitable[Joined]]:
    """See `storage_service.gathering.Gathering.join`. Takes temporary disk for the new pack and one of the old ones."""

    async def join(one: Joint) -> Joined:
        packs = store(one.packs[0].stored.bucket)
        with tempfile.TemporaryDirectory() as folder:
            old, new = Path(folder) / "old", Path(folder) / "new"
            try:
                parts = await _write(one, packs, old, new)
                info = await packs.put_file(key_of(one), new)
            except NoSuchObject:
                raise Gone("one of the packs that are to be joined is not there") from None
            except ObjectConflict:
                raise Unreadable(f"other bytes have the name {key_of(one)}") from None
            except BrokenSegment as reason:
                raise Unreadable(str(reason)) from None
            except StoreUnavailable as error:
                raise Away("the object store does not answer") from error
        return Joined(_ref(info), tuple(parts))

    return join


async def _write(one: Joint, packs: ObjectStore, old: Path, new: Path) -> list[tuple[int, tuple[Range, ...]]]:
    """Write the new file, and read it again: every instance has the hash of its receipt."""
    parts: list[tuple[int, tuple[Range, ...]]] = []
    name = UUID(PurePosixPath(key_of(one)).stem)
    with new.open("x+b") as into:
        for pack in one.packs:
            await fetch_pack(packs, pack.stored, old)
            parts.append(await asyncio.to_thread(_append, pack, old, into, None if parts else name))
        await asyncio.to_thread(_end, one, parts, into)
    return parts


def _append(pack: Rewrite, old: Path, into: BinaryIO, name: UUID | None) -> tuple[int, tuple[Range, ...]]:
    begins = into.tell()
    with old.open("rb") as file:
        ranges = append(file, _chosen(pack), into, name)
    if len(ranges) > PIECES:
        raise Unreadable("what is kept of a pack is in too many pieces")
    return begins, tuple(ranges)


def _end(one: Joint, parts: list[tuple[int, tuple[Range, ...]]], into: BinaryIO) -> None:
    into.write(END)
    for pack, (begins, ranges) in zip(one.packs, parts, strict=True):
        for held in pack.kept:
            for entry in held.entries:
                compare(into, shifted(entry, ranges, begins))


def _chosen(pack: Rewrite) -> Chosen:
    return Chosen(UUID(PurePosixPath(pack.stored.key).stem), pack.offsets)


def _ref(info: ObjectInfo) -> ObjectRef:
    if info.sha256 is None:
        raise Unreadable("the new pack has no digest")
    return ObjectRef(bucket=info.bucket, key=info.key, size=info.size, sha256=info.sha256)
