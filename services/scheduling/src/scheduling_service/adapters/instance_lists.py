"""Lists of instances that are too long for an event, as immutable objects named by their content."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Final

from fj_bus import Transient
from fj_events import ObjectRef
from fj_objects import ObjectStore, StoreUnavailable

FOLDER: Final = "instance-lists"


class StoredInstanceLists:
    """See `scheduling_service.ports.InstanceLists`."""

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store = store
        self._bucket = bucket

    async def put(self, lists: Mapping[str, Sequence[str]]) -> ObjectRef:
        data = json.dumps(lists, separators=(",", ":")).encode()
        digest = hashlib.sha256(data).hexdigest()
        key = f"{FOLDER}/{digest}.json"
        try:
            await self._store.put(key, data)
        except StoreUnavailable as reason:
            raise Transient(f"the list of instances {key} cannot be stored") from reason
        return ObjectRef(bucket=self._bucket, key=key, size=len(data), sha256=digest)
