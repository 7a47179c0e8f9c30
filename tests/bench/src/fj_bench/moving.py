"""C-GET and C-MOVE of one study of 500 CT slices (526 KB): `storage`, from its read cache, beside Orthanc.

DCMTK asks and takes: `getscu --ignore`, and `movescu` with `storescp --ignore` as destination. Both are asked in turns,
with `TCP_NODELAY=1` at every end that is DCMTK's, after a round that is not counted: it fills our read cache and
everybody's page cache.
"""

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import psutil
import uvloop
from fj_testing import Feed, Services, eventually

from fj_bench.figure import Figure, at_least, shown
from fj_bench.ground import Ground
from fj_bench.receivers import PROMPT, Peer, echoes, orthanc, send, wait_until
from fj_bench.retrieval import CHANCE
from services.storage.tests.builders import Exam, Image, Packer, an_image

SLICES: Final = 500
IN_A_PACK: Final = 250
ROUNDS: Final = 5
TARGET: Final = 1.0
SINK: Final = "SINK"
WITHIN_S: Final = 60.0


def measure(site: Ground) -> Iterator[Figure]:
    """Both in turns."""
    with tempfile.TemporaryDirectory(prefix="fj-bench-", dir="/var/tmp") as name:
        folder, sink, exam = Path(name), site.free_port(), Exam()
        known = {"DicomModalities": {SINK: [SINK, "127.0.0.1", sink]}}
        with orthanc(site, folder / "orthanc", **known) as theirs, site.services() as services, _sink(sink):
            ours = uvloop.run(_filled(site, services, folder, exam, sink))
            send(theirs, [folder / "study"], PROMPT)
            for peer in (ours, theirs):
                _retrieve("C-GET", peer, exam)
                _retrieve("C-MOVE", peer, exam)
            for service in ("C-GET", "C-MOVE"):
                yield from _compared(service, ours, theirs, exam)


def _compared(service: str, ours: Peer, theirs: Peer, exam: Exam) -> Iterator[Figure]:
    for peer in (ours, theirs):
        peer.rates.clear()
        peer.costs.clear()
    for number in range(ROUNDS):
        for peer in (theirs, ours) if number % 2 else (ours, theirs):
            before = peer.spent()
            peer.rates.append(SLICES / _retrieve(service, peer, exam))
            peer.costs.append((peer.spent() - before) / SLICES)
    ratio = statistics.median(ours.rates) / statistics.median(theirs.rates)
    yield at_least(f"{service}, storage / Orthanc", ratio, TARGET, " ×", f"{ROUNDS} rounds, medians")
    for peer in (ours, theirs):
        yield shown(f"{service} from {peer.name}", statistics.median(peer.rates), note=peer.note)


def _retrieve(service: str, peer: Peer, exam: Exam) -> float:
    """Seconds that it takes. Raises RuntimeError when not all have come."""
    program = ["getscu", "--ignore"] if service == "C-GET" else ["movescu", "-aem", SINK]
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={exam.study_uid}"]
    command = [*program, "-S", "-v", "-aet", SINK, "-aec", peer.ae_title, *keys, "127.0.0.1", str(peer.port)]
    begun = time.perf_counter()
    done = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False, timeout=WITHIN_S)
    seconds = time.perf_counter() - begun
    if done.returncode:
        raise RuntimeError(f"{service} from {peer.name} ended with {done.returncode}: {done.stderr[-500:]}")
    return seconds


async def _filled(site: Ground, services: Services, folder: Path, exam: Exam, sink: int) -> Peer:
    """A running `storage` that has the study, whose files lie in `folder` too."""
    peers, port = folder / "peers.yaml", site.free_port()
    peers.write_text(f"{SINK}: {{host: 127.0.0.1, port: {sink}}}\n")
    settings: dict[str, str | int] = {
        "STORAGE_DIMSE_PORT": port,
        "STORAGE_QUIET_TIME": 5,
        "FJ_PEERS": str(peers),
        "STORAGE_CACHE_FOLDER": str(folder / "cache"),
    }
    storage = services.start("storage", "all", **settings)
    images = _slices(exam)
    (folder / "study").mkdir()
    for number, image in enumerate(images):
        (folder / "study" / f"{number:04}.dcm").write_bytes(image.file)
    packer = Packer.of(site.stack.s3())
    async with (
        Feed(site.stack.kafka(), services.topic_prefix) as feed,
        httpx.AsyncClient(base_url=storage.http) as http,
    ):
        for start in range(0, SLICES, IN_A_PACK):
            await feed.publish(await packer.ship(exam, images[start : start + IN_A_PACK]))
        await eventually(lambda: _count(http, exam, SLICES), within=WITHIN_S)
    return Peer("storage", "FJ_QR", port, (psutil.Process(storage.running.pid),))


async def _count(http: httpx.AsyncClient, exam: Exam, wanted: int) -> bool:
    found = (await http.get(f"/dicomweb/studies?StudyInstanceUID={exam.study_uid}")).json()
    return bool(found) and found[0]["00201208"]["Value"][0] == wanted


def _slices(exam: Exam) -> Sequence[Image]:
    """Noise: the pixels cannot be compressed by anyone on the way."""
    pixels = CHANCE.randbytes(512 * 512 * 2)
    images = exam.images(SLICES, Rows=512, Columns=512, PixelData=pixels)
    return [an_image(image.data_set) for image in images]


@contextmanager
def _sink(port: int) -> Iterator[None]:
    """DCMTK's `storescp`, which takes all and keeps nothing."""
    command = ["storescp", "--ignore", "--fork", "-aet", SINK, str(port)]
    running = subprocess.Popen(command, env=_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: echoes(SINK, port), WITHIN_S, "storescp answers")
        yield
    finally:
        running.terminate()
        running.wait(20)


def _environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], **PROMPT}
