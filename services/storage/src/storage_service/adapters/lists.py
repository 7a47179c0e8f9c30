"""Lists of instances that lie in the object store because they are too long for an event (law 7)."""

import hashlib
import json
from collections.abc import Callable

from fj_bus import Permanent, Transient
from fj_events import ObjectRef
from fj_objects import NoSuchObject, ObjectStore, StoreUnavailable


class StoredLists:
    """See `storage_service.ports.studies.InstanceLists`. `store` gives the object store of a bucket."""

    def __init__(self, store: Callable[[str], ObjectStore]) -> None:
        self._store = store

    async def read(self, ref: ObjectRef) -> tuple[str, ...]:
        try:
            data = await self._store(ref.bucket).get(ref.key)
        except NoSuchObject:
            raise Permanent(f"object {ref.key}, which a fact names, is not there") from None
        except StoreUnavailable as error:
            raise Transient("the object store does not answer") from error
        if hashlib.sha256(data).hexdigest() != ref.sha256:
            raise Permanent(f"object {ref.key} does not have the hash that its fact says")
        series: dict[str, list[str]] = json.loads(data)
        return tuple(uid for uids in series.values() for uid in uids)
