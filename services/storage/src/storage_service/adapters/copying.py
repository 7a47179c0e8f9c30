"""Whole packs out of the object store, compared with the hash of their upload."""

import asyncio
import hashlib
from pathlib import Path

from fj_events import ObjectRef
from fj_objects import ObjectStore

from storage_service.domain.errors import Unreadable


async def fetch_pack(store: ObjectStore, stored: ObjectRef, path: Path) -> None:
    """Copy a pack into a file; it must be what was stored. Raises Unreadable, fj_objects.ObjectError."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        async for piece in store.stream(stored.key):
            await asyncio.to_thread(digest.update, piece)
            await asyncio.to_thread(file.write, piece)
    if digest.hexdigest() != stored.sha256:
        raise Unreadable("its bytes are not those that were stored")
