"""An application built on dcmjs-dimse, the DICOM library of the web's world, as modality and as workstation."""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
from fj_local.cache import cache, fetching
from fj_simulators import Clinic, an_exam

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]
PACKAGE: Final = "dcmjs-dimse@0.3.3"
SCRIPT: Final = Path(__file__).with_name("dcmjs_dimse.cjs")
Answers: TypeAlias = dict[str, Any]
Client: TypeAlias = Callable[..., Awaitable[Answers]]


@pytest.fixture(scope="module")
def modules() -> Path:
    """Where node finds the library; fetched once."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm cannot be had here, and dcmjs-dimse comes with it")
    folder = cache() / PACKAGE.replace("@", "-")
    with fetching(folder):
        if not (folder / "done").exists():
            command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]
            subprocess.run([*command, str(folder), PACKAGE], check=True, stdin=subprocess.DEVNULL, timeout=300)
            (folder / "done").touch()
    return folder / "node_modules"


@pytest.fixture
def client(clinic: Clinic, modules: Path) -> Client:
    doors = clinic.doors
    ports = {"FJ_STORE": doors.images, "FJ_QR": doors.queries, "FJ_MWL": doors.worklist}

    async def act(name: str, called: str, **further: Any) -> Answers:
        told = json.dumps({"host": doors.host, "port": ports[called], "called": called, **further})
        node = await asyncio.create_subprocess_exec(
            "node", SCRIPT, name, told, env={**os.environ, "NODE_PATH": str(modules)}, stdout=subprocess.PIPE
        )
        output, _ = await asyncio.wait_for(node.communicate(), 60)
        assert node.returncode == 0
        answers: Answers = json.loads(output)
        return answers

    return act


async def test_an_exam_is_found_on_the_worklist_sent_found_again_and_brought_back(
    clinic: Clinic, client: Client, tmp_path: Path
) -> None:
    for called in ("FJ_STORE", "FJ_QR", "FJ_MWL"):
        assert (await client("echo", called))["statuses"] == [0]
    exam = an_exam()
    await clinic.ehr.registers(exam)
    await clinic.ehr.orders(exam)
    entry = await clinic.on_worklist(exam)
    [listed] = (await client("worklist", "FJ_MWL", accession=exam.accession_number))["found"]
    assert listed["AccessionNumber"] == exam.accession_number

    made = clinic.modality.acquires(entry, slices=3)
    files = [tmp_path / f"{number}.dcm" for number in range(3)]
    for file, image in zip(files, made.images, strict=True):
        image.save_as(file, enforce_file_format=True)
    await clinic.modality.starts(made, entry)
    stored = await client("store", "FJ_STORE", files=[str(file) for file in files])
    assert stored["statuses"] == [0, 0, 0]
    await clinic.modality.completes(made)
    await clinic.until(exam, "available")

    [found] = (await client("find", "FJ_QR", accession=exam.accession_number))["found"]
    assert found["StudyInstanceUID"] == made.study_instance_uid
    brought = await client("get", "FJ_QR", study=made.study_instance_uid)
    assert brought["statuses"] == [0]
    assert brought["received"] == {
        image.SOPInstanceUID: hashlib.sha256(image.PixelData).hexdigest() for image in made.images
    }
