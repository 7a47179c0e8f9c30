"""Receiving for as long as one likes: the rate that shipping keeps up with, a burst above it, and what becomes of it.

*Sustained* is the rate of receiving at which the backlog, segments that are closed and not shipped, does not grow. Four
modalities send one study after the other, each in an association of its own, and begin the next one only while the
backlog is short: receiving is no quicker than shipping then, and shipping is never without work. In a *burst* nobody
waits for shipping. After it the modalities go on at half the sustained rate, and the backlog has to fall.
"""

import json
import os
import resource
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fj_bench.cost import cost_of
from fj_bench.figure import Figure, at_least, shown
from fj_bench.ground import Ground
from fj_bench.receivers import PROMPT, Peer, ingest, orthanc, write_series

MODALITIES: Final = 4
SLICES: Final = 50
"""Of a study."""
SIDE: Final = 512
MB: Final = 1e6
BACKLOG: Final = 200 * MB
"""Above it no study is begun, where the sustained rate is looked for: 8 studies."""
WARM_S: Final = 10.0
SUSTAINED_S: Final = 60.0
BURST_S: Final = 60.0
ROOM: Final = 20_000 * MB
"""What a burst leaves free on the disk: a minute of it is 30 GB. Where there is less, it ends early and says when."""
SETTLE_S: Final = 1.0
"""After the burst's last association: its segments are closed and seen then."""
AFTER_S: Final = 30.0
SUSTAINED: Final = 2.0
LOOK_S: Final = 0.05
LOOKING: Final = 1 / 30
"""At most this part of the time: looking at 200 segments took from the receivers what it was to measure."""
CLOSED: Final = frozenset({"sealed", "sending"})


def measure(site: Ground) -> Iterator[Figure]:
    """Orthanc's rate first, then ours in the three situations, on the same disk."""
    with tempfile.TemporaryDirectory(prefix="fj-bench-", dir="/var/tmp") as name:
        folder = Path(name)
        write_series(folder / "study", SLICES, SIDE)
        with orthanc(site, folder / "orthanc") as peer, _sending(peer, folder / "study", lambda: True) as sent:
            theirs, _ = _rate(sent, BURST_S)
        shutil.rmtree(folder / "orthanc")
        with ingest(site, folder / "journal", "all", "receiver") as (ours, processes):
            pids = {f"ingest {number}": process.running.pid for number, process in enumerate(processes, 1)}
            with _watching(f"{processes[0].http}/api/ingest/journal") as journal:
                bench = _Bench(ours, folder / "study", journal, pids | site.pids("seaweedfs"))
                yield from bench.figures(theirs)


@dataclass(slots=True)
class _Sent:
    """What was acknowledged."""

    studies: list[float] = field(default_factory=list)
    """When each was; several threads append."""

    @property
    def count(self) -> int:
        """Instances."""
        return len(self.studies) * SLICES


@dataclass(slots=True)
class _Journal:
    """What the journal holds that is closed, bytes."""

    backlog: int = 0


@dataclass(frozen=True, slots=True)
class _Bench:
    ours: Peer
    study: Path
    journal: _Journal
    pids: dict[str, int]

    def figures(self, theirs: float) -> Iterator[Figure]:
        size = sum(file.stat().st_size for file in self.study.iterdir()) / SLICES
        rate, note = self._sustained(size)
        told = f"{rate:.0f}/s, {rate * size / MB:.0f} MB/s; Orthanc {theirs:.0f}/s; {note}"
        yield at_least(f"sustained for {SUSTAINED_S:.0f} s / Orthanc", rate / theirs, SUSTAINED, " ×", told)
        with _sending(self.ours, self.study, lambda: True) as sent:
            burst, lasted = _rate(sent, BURST_S, lambda: shutil.disk_usage(self.study).free > ROOM)
        left = self.journal.backlog
        note = f"Orthanc {theirs:.0f}/s; {left / MB:,.0f} MB wait to be shipped then"
        yield shown(f"burst of {lasted:.0f} s", burst, note=note)
        falls, received = self._after(rate / 2)
        note = f"{received:.0f}/s are received meanwhile, for {AFTER_S:.0f} s"
        what = "backlog after the burst falls by"
        yield Figure(what, f"{falls / MB:.1f} MB/s", "> 0", 1.0 if falls > 0 else 0.0, note)

    def _sustained(self, size: float) -> tuple[float, str]:
        """Instances that were shipped in a second, and what one took of the processors."""
        with _sending(self.ours, self.study, lambda: self.journal.backlog < BACKLOG) as sent:
            time.sleep(WARM_S)
            before, waiting, children = sent.count, self.journal.backlog, _of_children()
            with cost_of(**self.pids) as cost:
                time.sleep(SUSTAINED_S)
            received, grown = sent.count - before, self.journal.backlog - waiting
            cost.seconds["senders"] = _of_children() - children
        shipped = received - grown / size
        return shipped / SUSTAINED_S, f"processor time of an instance: {cost.per(received)}"

    def _after(self, pace: float) -> tuple[float, float]:
        """By how many bytes a second the backlog falls, and how many instances a second are received meanwhile."""
        time.sleep(SETTLE_S)
        begun, left = time.monotonic(), self.journal.backlog
        begin = threading.Lock()
        taken = 0

        def may() -> bool:
            nonlocal taken
            with begin:
                if taken * SLICES > (time.monotonic() - begun) * pace:
                    return False
                taken += 1
                return True

        with _sending(self.ours, self.study, may) as sent:
            received, _ = _rate(sent, AFTER_S)
        return (left - self.journal.backlog) / (time.monotonic() - begun), received


def _rate(sent: _Sent, seconds: float, may: Callable[[], bool] = lambda: True) -> tuple[float, float]:
    """Instances a second, and how long that was looked at: no longer than it `may`."""
    before, begun = sent.count, time.monotonic()
    while (lasted := time.monotonic() - begun) < seconds and may():
        time.sleep(min(1.0, seconds - lasted))
    return (sent.count - before) / lasted, lasted


def _of_children() -> float:
    """Processor time of the senders that have ended, seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def _sending(peer: Peer, study: Path, may: Callable[[], bool]) -> Iterator[_Sent]:
    """Modalities that send studies, each with UIDs of its own, and ask before each whether they may."""
    sent, over, failed = _Sent(), threading.Event(), list[int]()
    address = ["-aec", peer.ae_title, "127.0.0.1", str(peer.port)]
    new = ["+IR", str(SLICES), "+IS", "1"]

    def send() -> None:
        while not over.is_set():
            if not may():
                over.wait(LOOK_S)
                continue
            storing = ["storescu", *new, "+sd", *address, str(study)]
            environment = {"PATH": os.environ["PATH"], **PROMPT}
            done = subprocess.run(storing, env=environment, capture_output=True, check=False)
            if done.returncode:
                failed.append(done.returncode)
                return
            sent.studies.append(time.monotonic())

    modalities = [threading.Thread(target=send) for _ in range(MODALITIES)]
    for modality in modalities:
        modality.start()
    try:
        yield sent
    finally:
        over.set()
        for modality in modalities:
            modality.join()
    if failed:
        raise RuntimeError(f"storescu to {peer.name} ended with {failed}")


@contextmanager
def _watching(url: str) -> Iterator[_Journal]:
    """Looks at the journal all the time."""
    journal, over = _Journal(), threading.Event()

    def look() -> None:
        took = 0.0
        while not over.wait(max(LOOK_S, took / LOOKING)):
            begun = time.monotonic()
            with urllib.request.urlopen(url) as answer:  # noqa: S310 - our own process on loopback
                segments = json.load(answer)["segments"]
            journal.backlog = sum(segment["bytes"] for segment in segments if segment["state"] in CLOSED)
            took = time.monotonic() - begun

    watching = threading.Thread(target=look)
    watching.start()
    try:
        yield journal
    finally:
        over.set()
        watching.join()
