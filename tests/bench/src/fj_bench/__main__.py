"""`make bench`: every promised figure in one table. `python -m fj_bench intake latency` measures these rows only."""

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import Final

from fj_bench import (
    arriving,
    bus_kills,
    bus_rates,
    exams,
    giving,
    identity,
    index_size,
    merging,
    moving,
    order_intake,
    polling,
    reader,
    receiving,
    retrieval,
    searching,
    sustaining,
    worklist,
)
from fj_bench.figure import Figure
from fj_bench.ground import Ground, ground
from fj_bench.machine import Noise
from fj_bench.table import console, line, table

Group = tuple[str, Callable[[Ground], Iterator[Figure]]]
GROUPS: Final[dict[str, Group]] = {
    "reader": ("HL7 reader, 2 KB orders", reader.measure),
    "intake": ("Order intake, one process", order_intake.measure),
    "exams": ("Twenty exams at once, whole installation", exams.measure),
    "emit": ("Bus: state and one fact per transaction", bus_rates.emit),
    "latency": ("Bus: outbox commit to readable on Kafka", bus_rates.latency),
    "consume": ("Bus: one process, inbox, one change, one fact each", bus_rates.consume),
    "kills": ("Bus: relays killed (-9) under load", bus_kills.measure),
    "worklist": ("Worklist with 10,000 open steps", worklist.measure),
    "polling": ("200 stations polling the worklist every 10 s, 10,000 open steps", polling.measure),
    "identity": ("Looking patients up: 100,000 with 1,000,000 numbers", identity.measure),
    "merging": ("A patient with 200 studies is merged, whole installation", merging.measure),
    "receiving": ("Receiving CT of 526 KB", receiving.measure),
    "sustaining": ("Receiving and shipping CT of 526 KB side by side", sustaining.measure),
    "arriving": ("From C-STORE to study.available", arriving.measure),
    "index": ("PostgreSQL bytes of a study", index_size.measure),
    "searching": ("QIDO-RS and C-FIND as the archive grows", searching.measure),
    "retrieval": ("QIDO-RS and WADO-RS", retrieval.measure),
    "giving": ("WADO-RS through the gateway, beside Orthanc", giving.measure),
    "moving": ("C-GET and C-MOVE of 500 CT slices of 526 KB", moving.measure),
}


def main() -> int:
    """Measure, print what is known so far, then the table; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m fj_bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"which to measure: {', '.join(GROUPS)}; default all")
    wanted = parser.parse_args().rows or list(GROUPS)
    unknown = set(wanted) - set(GROUPS)
    if unknown:
        parser.error(f"no row {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    noise, groups = Noise(), []
    for name in wanted:
        title, measure = GROUPS[name]
        print(f"{title} ({name})", flush=True)
        noise.sample()
        figures = []
        with ground() as site:
            for figure in measure(site):
                print(line(figure), flush=True)
                figures.append(figure)
        groups.append((title, figures))
    console().print(table(groups, noise.told()))
    return int(any(figure.missed for _, figures in groups for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
