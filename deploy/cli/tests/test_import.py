"""`filmjacket import` into a running `ingest`: everything that is DICOM arrives, once, and the rest is told."""

import os
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from fj_dicom import file_header, write
from fj_local.commands import installed
from fj_testing import Log, ServiceProcess, Services
from pydicom import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

pytestmark = pytest.mark.servers
DIRECTORY = "1.2.840.10008.1.3.10"


def a_file(study: str, pixels: int = 1000) -> bytes:
    """A small CT slice of a made up patient."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, f"{study}.1"
    dataset.PatientID = "P1"
    dataset.add_new("PixelData", "OW", bytes(pixels))
    header = file_header(dataset.SOPClassUID, dataset.SOPInstanceUID, ExplicitVRLittleEndian, "TESTS")
    return header + write(dataset, ExplicitVRLittleEndian)


@pytest.fixture(scope="module")
def ingest(
    services: Services, free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory
) -> ServiceProcess:
    journal = tmp_path_factory.mktemp("journal")
    return services.start("ingest", INGEST_DIMSE_PORT=free_port(), INGEST_JOURNAL=str(journal))


@dataclass
class Import:
    """The command, with a home of its own."""

    home: Path
    root: str

    def __call__(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [installed("filmjacket", "filmjacket"), "import", "--to", self.root, *map(str, arguments)]
        environment = os.environ | {"FJ_HOME": str(self.home), "COLUMNS": "200"}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=50)


@pytest.fixture
def run(tmp_path: Path, ingest: ServiceProcess) -> Import:
    return Import(tmp_path / "home", f"{ingest.http}/dicomweb")


def an_archive(folder: Path, study: str) -> None:
    """Two slices and a text in a folder, three slices and a DICOMDIR in a zip beside them."""
    (folder / "deep" / "er").mkdir(parents=True)
    for name in ("a.dcm", "b"):
        (folder / "deep" / "er" / name).write_bytes(a_file(study))
    (folder / "deep" / "readme.txt").write_text("This is no image.")
    with zipfile.ZipFile(folder / "old.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"IM/{number}", a_file(study))
        archive.writestr("DICOMDIR", file_header(DIRECTORY, "1.2.3", ExplicitVRLittleEndian, "TESTS") + bytes(100))


async def stored(log: Log, study: str, count: int) -> None:
    """Wait until so many instances were told, and look that there are no more."""

    def told(bodies: list[dict[str, list[object]]]) -> int:
        return sum(len(body["instances"]) for body in bodies)

    await log.wait_for("instance-events", where=lambda record: record.key == study)
    bodies = [record.body for record in await log.read("instance-events") if record.key == study]
    assert told(bodies) == count


async def test_folders_and_zips_arrive_and_what_is_no_image_is_told(run: Import, tmp_path: Path, log: Log) -> None:
    folder = tmp_path / "archive"
    an_archive(folder, "1.2.8.1")
    done = run(folder / "deep", folder / "old.zip", "--user", "Tess", "--parallel", "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "5 stored, 0 were stored before, 2 skipped, 0 failed"
    assert "readme.txt: is no DICOM file" in done.stderr
    assert "old.zip/DICOMDIR: is a DICOMDIR" in done.stderr
    await stored(log, "1.2.8.1", 5)
    again = run(folder / "deep", folder / "old.zip")
    assert again.stdout.strip() == "0 stored, 5 were stored before, 2 skipped, 0 failed"
    forgotten = run(folder / "deep", folder / "old.zip", "--state", tmp_path / "empty")
    assert forgotten.stdout.strip() == "5 stored, 0 were stored before, 2 skipped, 0 failed"
    await stored(log, "1.2.8.1", 5)


def test_without_a_terminal_a_plain_line_says_now_and_then_how_far_it_is(run: Import, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    image = a_file("1.2.8.4", pixels=3_000_000)
    (folder / "image").write_bytes(image)
    told = [line for line in run(folder, "--tell-every", "0").stderr.splitlines() if line.startswith("so far ")]
    on_the_way = "so far 0 stored, 0 were stored before, 0 skipped, 0 failed; "
    assert {f"{on_the_way}1.0 MB sent", f"{on_the_way}2.1 MB sent"} <= set(told)
    assert told[-1] == "so far 1 stored, 0 were stored before, 0 skipped, 0 failed; 3.0 MB sent"
    again = run(folder, "--tell-every", "0").stderr.splitlines()
    assert again == ["so far 0 stored, 1 were stored before, 0 skipped, 0 failed; 0 bytes sent"]
    assert run(folder, "--state", tmp_path / "none").stderr == ""


def test_what_is_refused_is_named_and_the_exit_code_says_so(run: Import, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    (folder / "good").write_bytes(a_file("1.2.8.2"))
    (folder / "cut").write_bytes(a_file("1.2.8.2")[:-100])
    done = run(folder)
    assert done.returncode == 2
    assert "cut: the data set is cut short" in done.stderr
    assert "1 stored, 0 were stored before, 0 skipped, 1 failed" in done.stdout
    (folder / "cut").write_bytes(a_file("1.2.8.2"))
    mended = run(folder)
    assert mended.returncode == 0
    assert "1 stored, 1 were stored before" in mended.stdout


async def test_an_archive_that_does_not_answer_stops_the_import_and_it_goes_on_later(
    run: Import, tmp_path: Path, log: Log, ingest: ServiceProcess, free_port: Callable[[], int]
) -> None:
    folder = tmp_path / "archive"
    an_archive(folder, "1.2.8.3")
    state = ("--state", tmp_path / "state")
    nobody = Import(run.home, f"http://127.0.0.1:{free_port()}/dicomweb")
    lost = nobody(folder / "old.zip", "--patience", "0.5", *state)
    assert lost.returncode == 1
    assert "goes on where it stopped" in lost.stderr
    assert run(folder / "old.zip", *state).stdout.startswith("3 stored, 0 were")
    assert run(folder, folder / "old.zip", *state).stdout.startswith("2 stored, 3 were stored before, 3 skipped")
    await stored(log, "1.2.8.3", 5)


def test_a_path_that_is_not_there_is_told_in_words(run: Import, tmp_path: Path) -> None:
    done = run(tmp_path / "nowhere")
    assert done.returncode == 1
    assert "there is no" in done.stderr
    assert "Traceback" not in done.stderr
