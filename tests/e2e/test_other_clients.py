"""What sites have already as clients of the whole: DCMTK, pynetdicom's applications, dicomweb-client, Orthanc."""

import asyncio
import io
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pydicom
import pytest
import pytest_asyncio
from dicomweb_client.api import DICOMwebClient
from fj_simulators import Clinic, Exam, an_exam
from fj_simulators.procedure_steps import Performed
from fj_testing import orthanc
from pydicom.dataset import Dataset

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]


async def run(*command: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)


async def succeeds(*command: str) -> str:
    done = await run(*command)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


async def acquired(clinic: Clinic, exam: Exam, folder: Path, slices: int = 3) -> tuple[Performed, list[str]]:
    """Images of an ordered exam, as files that nobody has sent yet."""
    await clinic.ehr.registers(exam)
    await clinic.ehr.orders(exam)
    made = clinic.modality.acquires(await clinic.on_worklist(exam), slices, 64)
    files = [folder / f"{number}.dcm" for number in range(slices)]
    for file, image in zip(files, made.images, strict=True):
        image.save_as(file, enforce_file_format=True)
    return made, [str(file) for file in files]


def sent(made: Performed) -> dict[str, bytes]:
    return {str(image.SOPInstanceUID): image.PixelData for image in made.images}


def pixels(images: list[Dataset]) -> dict[str, bytes]:
    return {str(image.SOPInstanceUID): image.PixelData for image in images}


async def test_dcmsend_sends_a_folder_of_files(clinic: Clinic, tmp_path: Path) -> None:
    exam = an_exam()
    made, _ = await acquired(clinic, exam, tmp_path)
    door = [clinic.doors.host, str(clinic.doors.images)]
    await succeeds("dcmsend", "-aec", "FJ_STORE", "+sd", *door, str(tmp_path))
    await clinic.until(exam, "available")
    answer = await clinic.http.get(f"/dicomweb/studies/{made.study_instance_uid}/instances")
    assert {one["00080018"]["Value"][0] for one in answer.json()} == set(sent(made))


async def test_termscu_stops_nothing(clinic: Clinic) -> None:
    doors = clinic.doors
    for title, port in (("FJ_STORE", doors.images), ("FJ_QR", doors.queries), ("FJ_MWL", doors.worklist)):
        door = ["-aec", title, doors.host, str(port)]
        await run("termscu", *door)
        await succeeds("echoscu", *door)


async def test_pynetdicoms_applications_send_find_and_get(clinic: Clinic, tmp_path: Path) -> None:
    exam, files_of, got = an_exam(), tmp_path / "sent", tmp_path / "got"
    files_of.mkdir()
    got.mkdir()
    made, files = await acquired(clinic, exam, files_of)
    host, doors = clinic.doors.host, clinic.doors

    async def application(name: str, *arguments: str) -> str:
        return await succeeds(sys.executable, "-m", "pynetdicom", name, *arguments)

    await application("echoscu", host, str(doors.images), "-aec", "FJ_STORE")
    await application("storescu", host, str(doors.images), *files, "-aec", "FJ_STORE")
    await clinic.until(exam, "available")
    query = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={made.study_instance_uid}"]
    to = [host, str(doors.queries), "-aec", "FJ_QR", "-S"]
    found = await application("findscu", *to, *query, "-k", "AccessionNumber=")
    assert exam.accession_number in found
    await application("getscu", *to, *query, "-od", str(got))
    assert pixels([pydicom.dcmread(file) for file in got.iterdir()]) == sent(made)


async def test_dicomweb_client_searches_and_reads(clinic: Clinic) -> None:
    exam = an_exam()
    made = await clinic.plays(exam, slices=3)
    client = DICOMwebClient(f"{clinic.doors.http}/dicomweb")
    study = made.study_instance_uid

    def read() -> None:
        [found] = client.search_for_studies(search_filters={"AccessionNumber": exam.accession_number})
        assert found["0020000D"]["Value"] == [study]
        [series] = client.search_for_series(study)
        series_uid = series["0020000E"]["Value"][0]
        listed = client.search_for_instances(study, series_uid, limit=2, offset=1)
        assert len(listed) == 2
        assert pixels(client.retrieve_study(study)) == sent(made)
        assert len(client.retrieve_series_metadata(study, series_uid)) == 3
        image = made.images[0]
        one = client.retrieve_instance(study, series_uid, image.SOPInstanceUID)
        assert one.PixelData == image.PixelData
        assert client.retrieve_instance_frames(study, series_uid, image.SOPInstanceUID, [1]) == [image.PixelData]
        shown = client.retrieve_instance_rendered(study, series_uid, image.SOPInstanceUID, media_types=("image/png",))
        assert shown.startswith(b"\x89PNG")

    await asyncio.to_thread(read)


@pytest_asyncio.fixture
async def department(clinic: Clinic, free_port: Callable[[], int], tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A department's archive that knows ours."""
    async with orthanc(tmp_path, free_port(), ("FJ_STORE", clinic.doors.host, clinic.doors.images)) as http:
        yield http


async def test_orthanc_forwards_its_study_to_us(clinic: Clinic, department: httpx.AsyncClient, tmp_path: Path) -> None:
    exam = an_exam()
    made, _ = await acquired(clinic, exam, tmp_path)
    kept = set[str]()
    for image in made.images:
        part10 = io.BytesIO()
        image.save_as(part10, enforce_file_format=True)
        kept.add((await department.post("/instances", content=part10.getvalue())).json()["ParentStudy"])
    [study] = kept
    told = await department.post("/modalities/filmjacket/store", json={"Resources": [study], "Synchronous": True})
    assert told.json()["FailedInstancesCount"] == 0
    await clinic.until(exam, "available")
    client = DICOMwebClient(f"{clinic.doors.http}/dicomweb")
    got = await asyncio.to_thread(client.retrieve_study, made.study_instance_uid)
    assert pixels(got) == sent(made)
