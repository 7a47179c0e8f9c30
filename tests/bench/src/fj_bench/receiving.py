"""Receiving: `ingest` beside Orthanc (SQLite, as it comes) in one run, on one disk, everything durable.

Four `storescu` send CT slices of 526 KB with `TCP_NODELAY=1` at both ends, to each in turns; then an untouched
`storescu` sends small objects, which shows the stall of 44 ms that delayed acknowledgements cause.
"""

import json
import os
import secrets
import shutil
import statistics
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
from fj_dicom import file_header, write
from fj_testing import ServiceProcess
from pydicom import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from fj_bench.figure import Figure, at_least, shown
from fj_bench.ground import Ground

SLICES: Final = 100
ASSOCIATIONS: Final = 4
ROUNDS: Final = 7
SIDE: Final = 512
SMALL_SIDE: Final = 140
SMALL: Final = 200
TARGET: Final = 1.0
STALL: Final = 40.0
"""Instances per second; with the 44 ms stall it would be 20 to 23."""
READY_S: Final = 60.0
PROMPT: Final = {"TCP_NODELAY": "1"}
"""What makes DCMTK, and Orthanc which is built on it, send at once."""
EXPLICIT: Final = str(ExplicitVRLittleEndian)


def measure(site: Ground) -> Iterator[Figure]:
    """Both in turns, then ours with shipping."""
    with tempfile.TemporaryDirectory(prefix="fj-bench-", dir="/var/tmp") as name:
        folder = Path(name)
        series = [folder / "series" / str(number) for number in range(ASSOCIATIONS)]
        for one in series:
            write_series(one, SLICES, SIDE)
        theirs, ours = burst(site, folder, series)
        ratio = statistics.median(ours.rates) / statistics.median(theirs.rates)
        yield at_least(
            f"ingest / Orthanc, {ASSOCIATIONS} associations", ratio, TARGET, " ×", f"{ROUNDS} rounds, medians"
        )
        for peer in (ours, theirs):
            yield shown(f"instances into {peer.name}", statistics.median(peer.rates), note=peer.note)
        size = f"{2 * SMALL_SIDE**2 // 1000} KB"
        yield at_least(f"{size}, storescu untouched", ours.untouched[0], STALL, note="with the 44 ms stall: 20 to 23/s")
        yield shown(f"{size}, storescu untouched, Orthanc", theirs.untouched[0])
        received, shipped = sustained(site, folder, series)
        yield shown("received while shipping", received, note=f"in the object store and told {shipped:.0f}/s")


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
    untouched: list[float] = field(default_factory=list)

    @property
    def note(self) -> str:
        """Spread, and processor time of one instance."""
        low, high = min(self.rates), max(self.rates)
        return f"{low:.0f} to {high:.0f}/s, {statistics.median(self.costs) * 1000:.2f} ms of processor time each"

    def spent(self) -> float:
        """Processor time so far, seconds."""
        return sum(sum(process.cpu_times()[:2]) for process in self.processes)


def write_series(folder: Path, slices: int, side: int) -> None:
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
        dataset.add_new("PixelData", "OW", secrets.token_bytes(2 * side * side))
        header = file_header(CTImageStorage, dataset.SOPInstanceUID, EXPLICIT, "BENCH")
        (folder / f"{number:04}.dcm").write_bytes(header + write(dataset, EXPLICIT))


def send(peer: Peer, folders: Sequence[Path], environment: Mapping[str, str]) -> float:
    """Seconds until every `storescu`, one for each folder, has ended well."""
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
    codes = [sender.wait() for sender in senders]
    if any(codes):
        raise RuntimeError(f"storescu to {peer.name} ended with {codes}")
    return time.perf_counter() - begun


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
def ingest(site: Ground, folder: Path, *roles: str) -> Iterator[tuple[Peer, list[ServiceProcess]]]:
    """Processes of `ingest` that share a port and a journal, with these roles."""
    port = site.free_port()
    with site.services() as services:
        services.create_topics()
        settings: dict[str, str | int] = {"INGEST_DIMSE_PORT": port, "INGEST_JOURNAL": str(folder)}
        started = [services.start("ingest", role, **settings) for role in roles]
        processes = tuple(psutil.Process(process.running.pid) for process in started)
        yield Peer("ingest", "FJ_STORE", port, processes), started


def burst(site: Ground, folder: Path, series: Sequence[Path]) -> tuple[Peer, Peer]:
    """Both in turns, receiving only; between the rounds our journal is emptied, as nobody ships."""
    journal = folder / "burst"
    count = sum(len(list(one.iterdir())) for one in series)
    with orthanc(site, folder / "orthanc") as theirs, ingest(site, journal, "receiver", "receiver") as (ours, _):
        for number in range(ROUNDS):
            # In turns, and in turns first: what the one leaves to be written back is the other's burden.
            for peer in (theirs, ours) if number % 2 else (ours, theirs):
                before = peer.spent()
                peer.rates.append(count / send(peer, series, PROMPT))
                peer.costs.append((peer.spent() - before) / count)
                for segment in journal.glob("*.tar"):
                    segment.rename(segment.with_suffix(".spare"))  # as the shipper leaves it
        small = folder / "small"
        write_series(small, SMALL, SMALL_SIDE)
        for peer in (theirs, ours):
            peer.untouched.append(SMALL / send(peer, [small], {}))
    return theirs, ours


def segments(url: str) -> int:
    """How many the journal holds."""
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - our own process on loopback
        return len(json.load(answer)["segments"])


def sustained(site: Ground, folder: Path, series: Sequence[Path]) -> tuple[float, float]:
    """Instances per second received, and shipped as packs with their facts in the outbox, from the same start."""
    count = sum(len(list(one.iterdir())) for one in series)
    with ingest(site, folder / "sustained", "all", "receiver") as (ours, processes):
        begun = time.perf_counter()
        received = send(ours, series, PROMPT)
        url = f"{processes[0].http}/api/ingest/journal"
        wait_until(lambda: not segments(url), 300, "the journal is empty")
        return count / received, count / (time.perf_counter() - begun)
