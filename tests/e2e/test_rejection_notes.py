"""Rejection notes (IHE IOCM, RAD-66) that arrive as images do: by C-STORE and by STOW-RS, through `ingest`."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest
from fj_testing import Services, eventually
from pydicom.uid import KeyObjectSelectionDocumentStorage

from services.ingest.tests.builders import Modality
from services.storage.tests.builders import Exam, Image
from services.storage.tests.integration.test_rejecting import QUALITY, SAFETY, a_code, a_note

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]
FILE: Final = {"Content-Type": "application/dicom"}


@dataclass
class Doors:
    """Those of `ingest`, by which images come, and of `storage`, which shows them."""

    images: Modality
    notes: Modality
    stow: httpx.AsyncClient
    archive: httpx.AsyncClient

    async def shows(self, exam: Exam, images: Sequence[Image]) -> None:
        async def shown() -> bool:
            found = (await self.archive.get(f"/dicomweb/studies/{exam.study_uid}/instances")).json()
            return {one["00080018"]["Value"][0] for one in found} == {image.uid for image in images}

        await eventually(shown, within=30)


@pytest.fixture
async def doors(services: Services, free_port: Callable[[], int], tmp_path: Path) -> AsyncIterator[Doors]:
    port, journal = free_port(), str(tmp_path / "journal")
    ingest = services.start("ingest", INGEST_DIMSE_PORT=port, INGEST_JOURNAL=journal, INGEST_SEGMENT_IDLE=1)
    storage = services.start("storage", STORAGE_QUIET_TIME=1, STORAGE_DIMSE_PORT=free_port())
    notes = Modality(port, sop_class=str(KeyObjectSelectionDocumentStorage))
    async with (
        httpx.AsyncClient(base_url=ingest.http, timeout=20) as stow,
        httpx.AsyncClient(base_url=storage.http, timeout=20) as archive,
    ):
        yield Doors(Modality(port), notes, stow, archive)


async def test_a_note_rejects_whether_it_comes_by_c_store_or_by_stow(doors: Doors) -> None:
    stored, stowed = Exam(), Exam()
    for exam in (stored, stowed):
        images = exam.images(3)
        await doors.images.store(*(image.data_set for image in images))
        await doors.shows(exam, images)
        note = a_note(exam, images[:1], a_code(SAFETY))
        if exam is stored:
            assert await doors.notes.store(note.data_set) == [0x0000]
        else:
            answer = await doors.stow.post("/dicomweb/studies", content=note.file, headers=FILE)
            assert answer.status_code == 200
        await doors.shows(exam, images[1:])
        (rejection,) = (await doors.archive.get(f"/api/storage/studies/{exam.study_uid}/rejections")).json()
        assert (rejection["rejection_id"], rejection["code"]) == (note.uid, SAFETY)


async def test_a_note_that_comes_before_its_images_by_another_door_counts(doors: Doors) -> None:
    exam = Exam()
    images = exam.images(2)
    note = a_note(exam, images[:1], a_code(QUALITY))
    answer = await doors.stow.post("/dicomweb/studies", content=note.file, headers=FILE)
    assert answer.status_code == 200
    assert await doors.images.store(*(image.data_set for image in images)) == [0x0000, 0x0000]
    await doors.shows(exam, [images[1], note])
