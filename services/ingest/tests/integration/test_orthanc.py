"""Orthanc moves a study to us (C-MOVE, PS3.4 C.4.2): what it kept is what we have."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pydicom
import pytest
from fj_testing import orthanc
from pydicom import Dataset

from services.ingest.tests.builders import CT, a_uid, an_instance, part10
from services.ingest.tests.doors import World

pytestmark = pytest.mark.servers
COUNT = 5


@pytest.fixture
def department_port(free_port: Callable[[], int]) -> int:
    """Where the department's archive takes associations."""
    return free_port()


@pytest.fixture
async def department(
    dimse_port: int, department_port: int, free_port: Callable[[], int], tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """An archive that knows ours as a destination."""
    async with orthanc(tmp_path, free_port(), ("FJ_STORE", "127.0.0.1", dimse_port), department_port) as http:
        yield http


async def moves(port: int, study: str) -> str:
    """Ask the archive to move a study to us; what DCMTK's movescu says of it."""
    asking = ["-S", "-aet", "FJ_STORE", "-aec", "ORTHANC", "-aem", "FJ_STORE", "127.0.0.1", str(port)]
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}"]
    asked = await asyncio.create_subprocess_exec(
        "movescu", "-v", *asking, *keys, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(asked.communicate(), 60)
    assert asked.returncode == 0, said
    return said.decode()


def read(file: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(file))


async def kept_by(department: httpx.AsyncClient) -> dict[str, Dataset]:
    """What the archive gives out over HTTP, by SOP Instance UID."""
    found = (await department.get("/instances")).json()
    files = [read((await department.get(f"/instances/{one}/file")).content) for one in found]
    return {str(file.SOPInstanceUID): file for file in files}


async def test_what_orthanc_moves_to_us_is_what_it_was_given(
    world: World, department: httpx.AsyncClient, department_port: int
) -> None:
    study, series = a_uid(), a_uid()
    images = {one.SOPInstanceUID: one for one in (an_instance(study, series, pixels=128) for _ in range(COUNT))}
    for image in images.values():
        assert (await department.post("/instances", content=part10(image))).status_code == 200
    assert "Success" in await moves(department_port, study)
    [fact] = await world.facts(study)
    assert {one["sop_instance_uid"] for one in fact["instances"]} == set(images)
    got = [read(await world.file_of(fact, nth)) for nth in range(COUNT)]
    kept = await kept_by(department)
    for one in got:
        assert one.file_meta.MediaStorageSOPClassUID == CT
        assert one.PixelData == images[one.SOPInstanceUID].PixelData
        assert one == images[one.SOPInstanceUID] == kept[str(one.SOPInstanceUID)]
