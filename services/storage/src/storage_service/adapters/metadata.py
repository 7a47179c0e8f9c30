"""Metadata of instances: made from headers, once per series kept as an object."""

import asyncio
import gzip
import json
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final
from uuid import uuid4

import structlog
from fj_objects import NoSuchObject, ObjectStore
from prometheus_client import Counter
from pydicom.uid import ExplicitVRBigEndian

from storage_service.adapters.coercing_json import coerced_array
from storage_service.adapters.dicom_json import to_json
from storage_service.adapters.headers import Header, Headers, aside
from storage_service.adapters.index import PostgresIndex
from storage_service.domain.coercion import Coercion
from storage_service.domain.errors import Gone, Unreadable
from storage_service.domain.metadata import BASE, with_base
from storage_service.domain.retrieval import Series, Stored

_gone: Final = Counter("storage_packs_gone", "Packs that the index knows and the object store does not")
_log: Final = structlog.get_logger(__name__)
AT_ONCE: Final = 4
"""Headers that are read side by side."""
REMEMBERED: Final = 64 * 1024 * 1024
"""Bytes of metadata kept in memory."""
PACKING: Final = 1
"""Level of compression of what somebody waits for."""


class MadeMetadata:
    """See `storage_service.ports.objects.Metadata`."""

    def __init__(self, index: PostgresIndex, headers: Headers, store: ObjectStore) -> None:
        self._index = index
        self._headers = headers
        self._store = store
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._kept_bytes = 0

    async def of_instance(self, stored: Stored) -> bytes:
        return await self._coerced(await self._make([stored]), stored.coercion)

    async def of_series(self, series: Series) -> bytes:
        return await self._coerced(await self._stored(series), series.coercion)

    async def _coerced(self, array: bytes, coercion: Coercion | None) -> bytes:
        return await asyncio.to_thread(coerced_array, array, coercion) if coercion else array

    async def _stored(self, series: Series) -> bytes:
        if series.described is not None and (kept := await self._load(series.described)) is not None:
            return kept
        return await self._make(await self._index.instances_of(series))

    async def packed(self, found: Sequence[Series], base: str) -> bytes:
        """See `Metadata.packed`."""
        key = "\n".join((base, *(f"{series.described} {series.coercion and series.coercion.at}" for series in found)))
        if (kept := self._known(key)) is not None:
            return kept
        arrays = [with_base(await self.of_series(series), base)[1:-1] for series in found]
        packed = await asyncio.to_thread(gzip.compress, b"[" + b",".join(arrays) + b"]", PACKING)
        self._keep(key, packed)
        return packed

    async def describe_next(self) -> bool:
        """Make and keep the metadata of one complete series. False when there is none left."""
        series = await self._index.next_undescribed()
        if series is None:
            return False
        instances = await self._index.instances_of(series)
        await self._headers.warm(
            instances
        )  # one read of each pack instead of one of each header, and who looks is near
        try:
            made = await self._make(instances)
        except Gone as error:
            _gone.inc()
            _log.error("a pack is not there", kind="metadata", error=str(error))
            return True  # its lease keeps it back for a while; others go on
        key = f"metadata/{uuid4()}.json.gz"
        await self._store.put(key, await asyncio.to_thread(gzip.compress, made, 6))
        if not await self._index.described(series, key, len(instances)):
            await self._store.delete(key)  # the study was removed meanwhile
        if series.metadata_key is not None:
            await self._store.delete(series.metadata_key)
        return True

    async def _load(self, key: str) -> bytes | None:
        if (kept := self._known(key)) is not None:
            return kept
        try:
            packed = await self._store.get(key)
        except NoSuchObject:
            return None  # it can be made again
        text = await asyncio.to_thread(gzip.decompress, packed)
        self._keep(key, text)
        return text

    def _known(self, key: str) -> bytes | None:
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
        return kept

    def _keep(self, key: str, text: bytes) -> None:
        self._kept[key] = text
        self._kept_bytes += len(text)
        while self._kept_bytes > REMEMBERED:
            _, dropped = self._kept.popitem(last=False)
            self._kept_bytes -= len(dropped)

    async def _make(self, instances: Sequence[Stored]) -> bytes:
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(stored: Stored) -> bytes:
            async with limit:
                return await self._one(stored)

        return b"[" + b",".join(await asyncio.gather(*map(one, instances))) + b"]"

    async def _one(self, stored: Stored) -> bytes:
        """One instance; where its data set cannot be read, what the index knows of it."""
        try:
            header = await self._headers.read(stored)
        except Unreadable:
            return _dump(_identity(stored))
        return await aside(header.pixel_offset, _described, header, stored)


def _described(header: Header, stored: Stored) -> bytes:
    address = (
        f"{BASE}/studies/{stored.study_instance_uid}/series/{stored.series_instance_uid}"
        f"/instances/{stored.sop_instance_uid}/bulkdata"
    )
    described = to_json(header.data_set, address, little=stored.transfer_syntax_uid != ExplicitVRBigEndian)
    described["00083002"] = {"vr": "UI", "Value": [stored.transfer_syntax_uid]}
    if header.pixel_tag is not None:
        key = f"{header.pixel_tag:08X}"
        described[key] = {"vr": header.pixel_vr, "BulkDataURI": f"{address}/{key}"}
    return _dump(described)


def _identity(stored: Stored) -> dict[str, Any]:
    uids = {
        "00080016": stored.sop_class_uid,
        "00080018": stored.sop_instance_uid,
        "0020000D": stored.study_instance_uid,
        "0020000E": stored.series_instance_uid,
    }
    return {tag: {"vr": "UI", "Value": [uid]} for tag, uid in uids.items()}


def _dump(described: dict[str, Any]) -> bytes:
    return json.dumps(described, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
