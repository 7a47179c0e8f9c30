"""Those who receive images side by side, and what is sent to them."""

import json
import os
import secrets
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psutil
from fj_dicom import file_header, write
from fj_testing import ServiceProcess
from pydicom import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from fj_bench.ground import Ground

READY_S: Final = 60.0
PROMPT: Final = {"TCP_NODELAY": "1"}
"""What makes DCMTK, and Orthanc which is built on it, send at once."""
EXPLICIT: Final = str(ExplicitVRLittleEndian)
POSTGRESQL_PLUGIN: Final = Path("/usr/share/orthanc/plugins/libOrthancPostgreSQLIndex.so")


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody who receives."""

    name: str
    ae_title: str
    port: int
    processes: tuple[psutil.Process, ...]
    http: str = ""
    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)

    @property
    def note(self) -> str:
        """Spread, and processor time of one instance where it is known: storescp's children are not counted."""
        spread = f"{min(self.rates):.0f} to {max(self.rates):.0f}/s"
        cost = statistics.median(self.costs) * 1000 if self.costs else 0
        return f"{spread}, {cost:.2f} ms of processor time each" if cost > 0.1 else spread

    @property
    def memory(self) -> int:
        """Resident bytes of its largest process."""
        return max(process.memory_info().rss for process in self.processes)

    def spent(self) -> float:
        """Processor time so far, seconds."""
        return sum(sum(process.cpu_times()[:2]) for process in self.processes)


def write_series(folder: Path, slices: int, side: int, frames: int = 1) -> None:
    """A CT series as files; the pixels cannot be compressed by anyone on the way."""
    folder.mkdir(parents=True)
    study, series = generate_uid(), generate_uid()
    for number in range(slices):
        dataset = Dataset()
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
        dataset.StudyDate, dataset.Modality, dataset.AccessionNumber = "20260302", "CT", "BENCH"
        dataset.PatientName, dataset.PatientID = "Bench^Mark", "BENCH"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
        dataset.InstanceNumber = number + 1
        dataset.Rows = dataset.Columns = side
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit, dataset.PixelRepresentation = 15, 0
        if frames > 1:
            dataset.NumberOfFrames = frames
        dataset.add_new("PixelData", "OW", secrets.token_bytes(2 * side * side * frames))
        header = file_header(CTImageStorage, dataset.SOPInstanceUID, EXPLICIT, "BENCH")
        (folder / f"{number:04}.dcm").write_bytes(header + write(dataset, EXPLICIT))


def send(peer: Peer, folders: Sequence[Path], environment: Mapping[str, str]) -> float:
    """Seconds until every `storescu`, one for each folder, has ended well."""
    return max(send_each(peer, folders, environment))


def send_each(peer: Peer, folders: Sequence[Path], environment: Mapping[str, str]) -> list[float]:
    """For each folder the seconds that its `storescu` took, all of them at once."""
    begun = time.perf_counter()
    senders = [
        subprocess.Popen(
            ["storescu", "-aec", peer.ae_title, "+sd", "127.0.0.1", str(peer.port), str(folder)],
            env={"PATH": os.environ["PATH"], **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for folder in folders
    ]
    took: dict[int, float] = {}
    while len(took) < len(senders):
        for number, sender in enumerate(senders):
            if number not in took and sender.poll() is not None:
                took[number] = time.perf_counter() - begun
        time.sleep(0.002)
    codes = [sender.returncode for sender in senders]
    if any(codes):
        raise RuntimeError(f"storescu to {peer.name} ended with {codes}")
    return [took[number] for number in range(len(senders))]


def wait_until(check: Callable[[], bool], within: float, what: str) -> None:
    """Raises RuntimeError when it does not become true."""
    deadline = time.monotonic() + within
    while not check():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {within:g} s")
        time.sleep(0.05)


def echoes(ae_title: str, port: int) -> bool:
    """Whether somebody answers there."""
    command = ["echoscu", "-aec", ae_title, "127.0.0.1", str(port)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@contextmanager
def orthanc(site: Ground, folder: Path, *plugins: str, **further: object) -> Iterator[Peer]:
    """Orthanc as it comes, with folders and ports of its own and `further` settings."""
    program = shutil.which("Orthanc")
    if program is None:
        raise SystemExit("Orthanc is needed to compare with: apt-get install orthanc, and stop the service")
    port, http_port = site.free_port(), site.free_port()
    settings = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "DicomPort": port,
        "HttpPort": http_port,
        "DicomAet": "ORTHANC",
        "Plugins": plugins,
        **further,
    }
    folder.mkdir()
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(
            [program, str(folder / "orthanc.json")], env={**os.environ, **PROMPT}, stdout=log, stderr=log
        )
    try:
        wait_until(lambda: echoes("ORTHANC", port), READY_S, "Orthanc answers")
        yield Peer("Orthanc", "ORTHANC", port, (psutil.Process(running.pid),), f"http://127.0.0.1:{http_port}")
    finally:
        running.terminate()
        running.wait(20)


@contextmanager
def orthanc_on_postgresql(site: Ground, folder: Path) -> Iterator[Peer]:
    """Orthanc with its index in a database of our PostgreSQL, its files on the same disk."""
    if not POSTGRESQL_PLUGIN.is_file():
        raise SystemExit("Orthanc's PostgreSQL plugin is needed to compare with: apt-get install orthanc-postgresql")
    dsn = urlsplit(site.database())
    index = {
        "EnableIndex": True,
        "EnableStorage": False,
        "Host": dsn.hostname,
        "Port": dsn.port,
        "Database": dsn.path.strip("/"),
        "Username": dsn.username,
        "Password": dsn.password,
    }
    with orthanc(site, folder, str(POSTGRESQL_PLUGIN), PostgreSQL=index) as peer:
        yield replace(peer, name="Orthanc on PostgreSQL")


@contextmanager
def storescp(site: Ground, folder: Path) -> Iterator[Peer]:
    """DCMTK's receiver, a process for each association: it writes files, syncs nothing and knows nothing of them."""
    folder.mkdir()
    port = site.free_port()
    running = subprocess.Popen(
        ["storescp", "--fork", "--quiet", "-aet", "STORESCP", "-od", str(folder), str(port)],
        env={**os.environ, **PROMPT},
    )
    try:
        wait_until(lambda: echoes("STORESCP", port), READY_S, "storescp answers")
        yield Peer("storescp --fork", "STORESCP", port, (psutil.Process(running.pid),))
    finally:
        running.terminate()
        running.wait(20)


@contextmanager
def ingest(site: Ground, folder: Path, *roles: str) -> Iterator[tuple[Peer, list[ServiceProcess]]]:
    """Processes of `ingest` that share a port and a journal, with these roles."""
    port = site.free_port()
    with site.services() as services:
        services.create_topics()
        settings: dict[str, str | int] = {"INGEST_DIMSE_PORT": port, "INGEST_JOURNAL": str(folder)}
        started = [services.start("ingest", role, **settings) for role in roles]
        processes = tuple(psutil.Process(process.running.pid) for process in started)
        yield Peer("ingest", "FJ_STORE", port, processes), started
