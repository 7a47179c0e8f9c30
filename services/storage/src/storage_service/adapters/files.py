"""Whole Part 10 files, in the transfer syntax that is asked for."""

import asyncio
import os
from typing import Final

from fj_dicom import file_header
from fj_objects import ByteRange

from storage_service.adapters.packs import StoredPacks
from storage_service.adapters.transcoding import READABLE, WRITABLE, Transcoder
from storage_service.domain.retrieval import Stored

MOST: Final = 512 * 1024 * 1024
"""Bytes of a file that is taken into memory to be converted."""


class StoredFiles:
    """See `storage_service.ports.Files`. As many are converted at once as there are processors."""

    def __init__(self, packs: StoredPacks, transcoder: Transcoder) -> None:
        self._packs = packs
        self._transcoder = transcoder
        self._limit = asyncio.Semaphore(os.cpu_count() or 1)

    def convertible(self, syntax: str, wanted: str) -> bool:
        """See `Files.convertible`."""
        return syntax == wanted or (syntax in READABLE and wanted in WRITABLE)

    async def file(self, stored: Stored, wanted: str) -> bytes | None:
        """See `Files.file`."""
        own = stored.transfer_syntax_uid
        if own != wanted and (stored.length > MOST or not self.convertible(own, wanted)):
            return None
        async with self._limit:
            data = await self._packs.read(stored, ByteRange(0, stored.length))
            return data if own == wanted else await asyncio.to_thread(self._converted, stored, data, wanted)

    def _converted(self, stored: Stored, data: bytes, wanted: str) -> bytes | None:
        found = self._transcoder.convert(data[stored.data_offset :], stored.transfer_syntax_uid, [wanted])
        if found is None:
            return None
        return file_header(stored.sop_class_uid, stored.sop_instance_uid, wanted, "") + found[1]
