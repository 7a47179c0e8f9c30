"""An `ingest` to be broken, the `storage` behind it, and what its senders were told."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx
from fj_testing import Log, ServiceProcess, eventually
from pydicom import Dataset

from services.ingest.tests.builders import Modality, a_uid, an_instance
from services.ingest.tests.conversation import Caller
from tests.failure.aftermath import aftermath

PIXELS = 100_000
"""Of an instance, in bytes: a pack of one is longer than what a torn connection lets through."""


def a_study(count: int = 3, pixels: int = PIXELS) -> list[Dataset]:
    """Images of one series."""
    study = a_uid()[:60]
    return [an_instance(study, f"{study}.1", pixels=pixels) for _ in range(count)]


@dataclass
class Archive:
    """What a sender and an operator see of the two services."""

    ingest: ServiceProcess
    port: int
    journal: Path
    database: str
    """Of `ingest`."""
    storage: httpx.AsyncClient
    log: Log
    acknowledged: dict[str, Dataset] = field(default_factory=dict)

    @property
    def modality(self) -> Modality:
        return Modality(self.port)

    def segments(self) -> list[str]:
        """What the files of the journal say of their state."""
        return [path.suffix for path in self.journal.iterdir() if path.suffix not in {".spare", ".fresh"}]

    async def sends(self, *images: Dataset) -> None:
        """All of them are acknowledged."""
        assert await self.modality.store(*images) == [0x0000] * len(images)
        self._note(images)

    async def sends_by(self, caller: Caller, *images: Dataset) -> None:
        """The same, over an association that is there already."""
        for image in images:
            assert await asyncio.to_thread(caller.stores, image) == 0x0000
        self._note(images)

    async def begins(self, caller: Caller, image: Dataset) -> None:
        """Half of an image, which is in the journal when this returns."""
        await asyncio.to_thread(caller.begins, image)
        pixels = bytes(image.PixelData[:256])
        await eventually(lambda: any(pixels in path.read_bytes() for path in self.journal.glob("*.open")))

    async def ships(self, within: float = 30) -> None:
        """Nothing is on its way any more: the journal is empty, and every fact of what was in it is on the log."""

        async def shipped() -> bool:
            return not self.segments() and not await self._unpublished()

        await eventually(shipped, within=within, what="journal and outbox are empty")

    async def nothing_is_lost(self, nowhere: Sequence[Dataset] = ()) -> None:
        """See `aftermath`."""
        await self.ships()
        await aftermath(list(self.acknowledged.values()), self.storage, self.log, nowhere)

    async def dies_and_comes_back(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """kill -9, and started again."""
        self.ingest.kill()
        meanwhile()
        await asyncio.to_thread(self.ingest.start)

    async def _unpublished(self) -> int:
        connection = await asyncpg.connect(self.database)
        try:
            count: int = await connection.fetchval("SELECT count(*) FROM bus.outbox")
            return count
        finally:
            await connection.close()

    def _note(self, images: Sequence[Dataset]) -> None:
        """Once, however often it was sent."""
        self.acknowledged |= {image.SOPInstanceUID: image for image in images}
