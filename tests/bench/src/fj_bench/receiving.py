"""Receiving: `ingest` beside Orthanc and DCMTK's storescp in one run, on one disk.

`ingest` and Orthanc as they are set for production; storescp syncs nothing. `storescu` sends CT slices of 526 KB with
`TCP_NODELAY=1` at both ends, to each in turns; then an untouched `storescu` shows the stall of 44 ms that delayed
acknowledgements cause, and more and larger senders show how `ingest` alone behaves.
"""

import itertools
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from fj_bench.figure import Figure, at_least, shown
from fj_bench.ground import Ground
from fj_bench.receivers import (
    PROMPT,
    Peer,
    ingest,
    orthanc,
    orthanc_on_postgresql,
    send,
    send_each,
    storescp,
    write_series,
)

SLICES: Final = 500
"""Of each sender, where peers are compared: starting `storescu` takes as long as twenty slices."""
SLICES_IN_CROWD: Final = 200
ROUNDS: Final = 7
SIDE: Final = 512
SMALL_SIDE: Final = 140
UNTOUCHED: Final = 120
"""Instances that an untouched storescu sends: six seconds with the stall."""
FRAMES: Final = 100
"""Of a multi-frame object of 52 MB."""
CINES: Final = 3
CROWD: Final = (1, 2, 4, 8, 16)
MIB: Final = 1024**2
BARS: Final = {
    (4, "Orthanc"): 2.5,
    (4, "Orthanc on PostgreSQL"): 6.0,
    (4, "storescp --fork"): 1.0,
    (1, "Orthanc"): 3.0,
}
"""Ratio of the rates, by associations and peer."""
STEADY: Final = 0.95
"""Of the total with fewer associations, and of the fair share: what nothing but chance takes is 5 % at most."""
CROWD_ROUNDS: Final = 7
"""Two receivers get two senders evenly in one round of two, four of them in three of eight (ingest decision 12)."""
STALL: Final = 10.0
GIGABYTE: Final = 1000.0
IDLE_MIB: Final = 150.0
LOADED_MIB: Final = 400.0


def measure(site: Ground) -> Iterator[Figure]:
    """All in turns, then ours alone."""
    with tempfile.TemporaryDirectory(prefix="fj-bench-", dir="/var/tmp") as name:
        folder = Path(name)
        series = [folder / "series" / str(number) for number in range(CROWD[-1])]
        for one in series:
            write_series(one, SLICES_IN_CROWD, SIDE)
        long = [folder / "long" / str(number) for number in range(4)]
        for one in long:
            write_series(one, SLICES, SIDE)
        with ExitStack() as running:
            ours, _ = running.enter_context(ingest(site, folder / "burst", "receiver", "receiver"))
            others = [
                running.enter_context(orthanc(site, folder / "orthanc")),
                running.enter_context(orthanc_on_postgresql(site, folder / "orthanc-postgresql")),
                running.enter_context(storescp(site, folder / "storescp")),
            ]
            idle = ours.memory / MIB
            yield from _beside(ours, others, folder, long)
            yield from _beside(ours, others, folder, long[:1])
            yield from _untouched(ours, [others[0], others[2]], folder)
            yield from _alone(ours, folder, series, idle)


def _beside(ours: Peer, others: Sequence[Peer], folder: Path, series: Sequence[Path]) -> Iterator[Figure]:
    associations = len(series)
    peers = [ours, *others]
    for peer in peers:
        peer.rates.clear()
        peer.costs.clear()
    for number in range(ROUNDS + 1):
        # In turns, and in turns first.
        for peer in (*peers[number % len(peers) :], *peers[: number % len(peers)]):
            before = peer.spent()
            rate = associations * SLICES / send(peer, series, PROMPT)
            _forget(folder)
            if number:  # the first round is for warming up: ours has no file to write over yet
                peer.rates.append(rate)
                peer.costs.append((peer.spent() - before) / (associations * SLICES))
    rate = statistics.median(ours.rates)
    for peer in others:
        theirs = statistics.median(peer.rates)
        what = f"ingest / {peer.name}, {associations} association{'s' * (associations > 1)}"
        if (bar := BARS.get((associations, peer.name))) is not None:
            yield at_least(what, rate / theirs, bar, " ×", f"{ROUNDS} rounds, medians")
        else:
            yield shown(what, rate / theirs, " ×")
    for peer in peers:
        yield shown(f"instances into {peer.name}", statistics.median(peer.rates), note=peer.note)


def _forget(folder: Path) -> None:
    """Let the journal's segments count as shipped, as the shipper leaves them; remove what others have stored.

    What nobody has synced is written back now, and not while the next one is measured.
    """
    for segment in (folder / "burst").glob("*.tar"):
        segment.rename(segment.with_suffix(".spare"))
    for spare in sorted((folder / "burst").glob("*.spare"))[8:]:
        spare.unlink(missing_ok=True)
    for file in (folder / "storescp").iterdir():
        file.unlink()
    os.sync()


def _untouched(ours: Peer, others: Sequence[Peer], folder: Path) -> Iterator[Figure]:
    for side in (SMALL_SIDE, SIDE):
        sent = folder / f"untouched-{side}"
        write_series(sent, UNTOUCHED, side)
        rates = {peer.name: UNTOUCHED / send(peer, [sent], {}) for peer in (ours, *others)}
        for peer in others:
            what = f"{2 * side**2 // 1000} KB, storescu untouched: ingest / {peer.name}"
            note = f"{rates[ours.name]:.0f}/s, {rates[peer.name]:.0f}/s"
            yield at_least(what, rates[ours.name] / rates[peer.name], STALL, " ×", note)


def _alone(ours: Peer, folder: Path, series: Sequence[Path], idle: float) -> Iterator[Figure]:
    yield from _crowd(ours, folder, series)
    yield Figure("memory of a receiver, idle", f"{idle:.0f} MiB", f"≤ {IDLE_MIB:.0f} MiB", IDLE_MIB / idle)
    cines = [folder / "cine" / str(number) for number in range(4)]
    for one in cines:
        write_series(one, CINES, SIDE, FRAMES)
    with _peak(ours) as peak:
        send(ours, cines, PROMPT)  # into files that are written over afterwards
        _forget(folder)
        rates = [len(cines) * CINES * FRAMES * 2 * SIDE**2 / 1e6 / send(ours, cines, PROMPT) for _ in range(2)]
        _forget(folder)
        send(ours, series, PROMPT)
        _forget(folder)
    yield at_least(
        "52 MB multi-frame, 4 associations", max(rates), GIGABYTE, " MB/s", f"the disk alone: {_disk(folder):.0f} MB/s"
    )
    loaded = max(peak) / MIB
    bar = f"≤ {LOADED_MIB:.0f} MiB"
    yield Figure("memory of a receiver, 16 associations", f"{loaded:.0f} MiB", bar, LOADED_MIB / loaded)


def _crowd(ours: Peer, folder: Path, series: Sequence[Path]) -> Iterator[Figure]:
    """More and more associations: neither the total falls, nor does the first sender lose by the others."""
    totals, fair = dict[int, float](), 0.0
    for count in CROWD:
        rounds = []
        for _ in range(CROWD_ROUNDS):
            rounds.append(send_each(ours, series[:count], PROMPT))
            _forget(folder)
        totals[count] = statistics.median(count * SLICES_IN_CROWD / max(took) for took in rounds)
        fair = statistics.median(statistics.mean(took) / took[0] for took in rounds)
    told = ", ".join(f"{count}: {rate:.0f}/s" for count, rate in totals.items())
    least = min(totals[more] / totals[less] for less, more in itertools.pairwise(CROWD))
    yield at_least(f"{CROWD[0]} to {CROWD[-1]} associations, the steepest fall", least, STEADY, " ×", told)
    yield at_least(f"the first of {CROWD[-1]} senders, of its fair share", fair, STEADY, " ×")


@contextmanager
def _peak(ours: Peer) -> Iterator[list[int]]:
    """Collects what the larger process holds, ten times a second."""
    seen, over = [ours.memory], threading.Event()

    def look() -> None:
        while not over.wait(0.1):
            seen.append(ours.memory)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join()


def _disk(folder: Path) -> float:
    """MB/s that four threads append and sync in blocks of 52 MB, to files that have their blocks already."""
    block = os.urandom(MIB) * 50
    files = [os.open(folder / f"disk-{number}", os.O_RDWR | os.O_CREAT) for number in range(4)]

    def write_all(file: int) -> None:
        for _ in range(CINES):
            os.pwrite(file, block, 0)
            os.fdatasync(file)

    for file in files:
        write_all(file)
    threads = [threading.Thread(target=write_all, args=(file,)) for file in files]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begun
    for file in files:
        os.close(file)
    return len(files) * CINES * len(block) / 1e6 / seconds
