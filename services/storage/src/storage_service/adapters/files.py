"""Whole Part 10 files, in the transfer syntax that is asked for."""

import asyncio
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from fj_dicom import UNCOMPRESSED, file_header
from pydicom import Dataset
from pydicom.uid import ExplicitVRBigEndian

from storage_service.adapters.codecs import (
    DECODED,
    CannotCode,
    Description,
    decode,
    encode,
    native,
    photometric_decoded,
)
from storage_service.adapters.coerced import CoercedPacks
from storage_service.adapters.headers import Headers
from storage_service.adapters.lossy import LOSSY, encode_lossy
from storage_service.adapters.pixels import StoredPixels
from storage_service.adapters.transcoding import READABLE, WRITABLE, Transcoder, with_loss
from storage_service.domain.errors import NotConverted
from storage_service.domain.retrieval import Stored

MOST: Final = 512 * 1024 * 1024
"""Bytes of a file that is taken into memory to be converted."""


class StoredFiles:
    """See `storage_service.ports.objects.Files`. As many are converted at once as there are processors."""

    def __init__(self, packs: CoercedPacks, headers: Headers, pixels: StoredPixels) -> None:
        self._packs = packs
        self._headers = headers
        self._pixels = pixels
        self._limit = asyncio.Semaphore(os.cpu_count() or 1)

    def convertible(self, syntax: str, wanted: str) -> bool:
        """See `Files.convertible`."""
        return syntax == wanted or (syntax in READABLE and (wanted in WRITABLE or wanted in LOSSY))

    async def file(self, stored: Stored, wanted: str) -> bytes | None:
        """See `Files.file`."""
        if stored.length > MOST or not self.convertible(stored.transfer_syntax_uid, wanted):
            return None
        async with self._limit:
            return await asyncio.to_thread(_converted, stored, await self._packs.whole(stored), wanted)

    async def frames(self, stored: Stored, numbers: Sequence[int], wanted: str) -> AsyncGenerator[bytes, None]:
        """See `Files.frames`."""
        found = await self._pixels.frames(stored, numbers)
        data_set = (await self._headers.read(stored)).data_set
        async with aclosing(found.data) as frames:
            async for frame in frames:
                async with self._limit:
                    yield await asyncio.to_thread(_recoded, data_set, bytes(frame), stored.transfer_syntax_uid, wanted)


def _converted(stored: Stored, data: bytes, wanted: str) -> bytes | None:
    if wanted in LOSSY:
        made = with_loss(data[stored.data_offset :], stored.transfer_syntax_uid, wanted)
        return file_header(stored.sop_class_uid, made[0], wanted, "") + made[1] if made else None
    found = Transcoder().convert(data[stored.data_offset :], stored.transfer_syntax_uid, [wanted])
    if found is None:
        return None
    return file_header(stored.sop_class_uid, stored.sop_instance_uid, wanted, "") + found[1]


def _recoded(data_set: Dataset, frame: bytes, syntax: str, wanted: str) -> bytes:
    try:
        image = Description.of(data_set)
        if syntax in DECODED:
            samples = decode(frame, syntax, image)
            image = replace(image, photometric=photometric_decoded(syntax, image))
        else:
            samples = native(frame, image, big_endian=syntax == ExplicitVRBigEndian)
        if wanted in UNCOMPRESSED:
            return samples.tobytes()
        return (encode_lossy if wanted in LOSSY else encode)(samples, wanted, image)
    except CannotCode as reason:
        raise NotConverted(f"It is stored as {syntax} and cannot be had as {wanted}: {reason}") from None
