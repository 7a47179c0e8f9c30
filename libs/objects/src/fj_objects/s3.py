"""The data path: obstore (the Rust object_store crate) against any S3-compatible store."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store as Client

from fj_objects.errors import NoSuchObject, ObjectConflict, ObjectError, StoreUnavailable
from fj_objects.port import ByteRange, ObjectInfo
from fj_objects.settings import S3Settings

if TYPE_CHECKING:
    from obstore import GetOptions  # not importable at run time

PART_SIZE: Final = 16 * 1024 * 1024
PARTS_AT_ONCE: Final = 4
PIECE_SIZE: Final = 256 * 1024
DIGEST: Final = "sha256"
"""Name of the user metadata that holds the digest of the whole object."""


@contextmanager
def _named_errors(key: str) -> Iterator[None]:
    """Turn the client's errors into ours; only the key goes into the message."""
    try:
        yield
    except FileNotFoundError:
        raise NoSuchObject(key) from None
    except (BaseError, OSError) as reason:
        raise StoreUnavailable(key, reason) from reason


class S3Store:
    """`ObjectStore` on S3. `storage_class`: of objects that are put; None leaves it to the store."""

    def __init__(self, settings: S3Settings, storage_class: str | None = None) -> None:
        self._bucket = settings.bucket
        self._class: dict[str, str] = {"Storage-Class": storage_class} if storage_class else {}
        self._client = Client(
            settings.bucket,
            endpoint=settings.endpoint,
            access_key_id=settings.access_key,
            secret_access_key=settings.secret_key.get_secret_value(),
            region=settings.region,
            virtual_hosted_style_request=False,
            # The store compares this digest with what arrived (SeaweedFS ignores the one in the signature).
            checksum_algorithm="sha256",
            client_options={
                "allow_http": settings.endpoint.startswith("http://"),
                "timeout": timedelta(seconds=settings.timeout_s),
                "connect_timeout": timedelta(seconds=5),
            },
            retry_config={"max_retries": 5, "retry_timeout": timedelta(seconds=settings.retry_s)},
        )

    async def put_file(self, key: str, path: Path) -> ObjectInfo:
        """See `ObjectStore.put_file`."""
        size = await asyncio.to_thread(os.path.getsize, path)
        if size <= PART_SIZE:
            return await self.put(key, await asyncio.to_thread(path.read_bytes))
        digest = await asyncio.to_thread(_digest_of_file, path)
        stored = await self._find(key)
        if stored is None:
            # S3 has no conditional multipart upload: names are used once, so that asking first is enough.
            with _named_errors(key):
                await obstore.put_async(
                    self._client,
                    key,
                    path,
                    attributes={DIGEST: digest, **self._class},
                    use_multipart=True,
                    chunk_size=PART_SIZE,
                    max_concurrency=PARTS_AT_ONCE,
                )
            stored = await self.head(key)
        return _same(stored, size, digest)

    async def put(self, key: str, data: bytes) -> ObjectInfo:
        """See `ObjectStore.put`."""
        digest = hashlib.sha256(data).hexdigest()
        # What is there already may be from an earlier call of ours: the comparison tells.
        with _named_errors(key), suppress(AlreadyExistsError):
            await obstore.put_async(self._client, key, data, attributes={DIGEST: digest, **self._class}, mode="create")
        return _same(await self.head(key), len(data), digest)

    async def get(self, key: str) -> bytes:
        """See `ObjectStore.get`."""
        with _named_errors(key):
            result = await obstore.get_async(self._client, key)
            return bytes(await result.bytes_async())

    async def get_range(self, key: str, cut: ByteRange) -> bytes:
        """See `ObjectStore.get_range`."""
        return bytes(await self.view_range(key, cut))

    async def view_range(self, key: str, cut: ByteRange) -> memoryview:
        """See `ObjectStore.view_range`."""
        with _named_errors(key):
            data = await obstore.get_range_async(self._client, key, start=cut.offset, length=cut.length)
        view = memoryview(data)
        _require_whole(key, cut, view)
        return view

    async def get_ranges(self, key: str, cuts: Sequence[ByteRange]) -> list[bytes]:
        """See `ObjectStore.get_ranges`."""
        with _named_errors(key):
            found = await obstore.get_ranges_async(
                self._client, key, starts=[cut.offset for cut in cuts], lengths=[cut.length for cut in cuts]
            )
        for cut, data in zip(cuts, found, strict=True):
            _require_whole(key, cut, memoryview(data))
        return list(map(bytes, found))

    async def stream(self, key: str, cut: ByteRange | None = None) -> AsyncIterator[bytes]:
        """See `ObjectStore.stream`.

        One request may take `timeout_s`, all of a stream as long as it is long and its reader slow: where a request
        ends before it has given everything, the rest is asked for, unless it has given nothing; of the same object, or
        of none.
        """
        at, end = (0, None) if cut is None else (cut.offset, cut.offset + cut.length)
        wanted: GetOptions = {}
        while at != end:
            begun = at
            if end is not None:
                wanted["range"] = (at, end)
            try:
                with _named_errors(key):
                    result = await obstore.get_async(self._client, key, options=wanted)
                    end = result.meta["size"] if end is None else end
                    if tag := result.meta["e_tag"]:
                        wanted["if_match"] = tag
                    async for piece in result.stream(PIECE_SIZE):
                        at += len(piece)
                        yield bytes(piece)
                break
            except StoreUnavailable:
                if at == begun:
                    raise
        if cut is not None and at != end:
            raise ObjectError(
                f"object {key}: {cut.length} bytes asked for at {cut.offset}, {at - cut.offset} are there"
            )

    async def head(self, key: str) -> ObjectInfo:
        """See `ObjectStore.head`."""
        with _named_errors(key):
            # A HEAD whose answer carries the user metadata too, unlike `obstore.head_async`.
            result = await obstore.get_async(self._client, key, options={"head": True})
        meta = result.meta
        return ObjectInfo(self._bucket, key, meta["size"], meta["last_modified"], result.attributes.get(DIGEST))

    async def keys(self, prefix: str) -> list[str]:
        """See `ObjectStore.keys`."""
        with _named_errors(prefix):
            return sorted([meta["path"] async for page in obstore.list(self._client, prefix) for meta in page])

    async def delete(self, key: str) -> None:
        """See `ObjectStore.delete`."""
        with _named_errors(key):
            await obstore.delete_async(self._client, key)

    async def _find(self, key: str) -> ObjectInfo | None:
        try:
            return await self.head(key)
        except NoSuchObject:
            return None


def _same(stored: ObjectInfo, size: int, digest: str) -> ObjectInfo:
    if (stored.size, stored.sha256) != (size, digest):
        raise ObjectConflict(stored.key, f"{size} bytes, {digest}", f"{stored.size} bytes, {stored.sha256}")
    return stored


def _require_whole(key: str, cut: ByteRange, data: memoryview) -> None:
    if len(data) != cut.length:
        raise ObjectError(f"object {key}: {cut.length} bytes asked for at {cut.offset}, {len(data)} are there")


def _digest_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
