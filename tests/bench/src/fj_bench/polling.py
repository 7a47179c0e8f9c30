"""A hospital full of modalities: 200 stations ask for their worklist every 10 s, with 10,000 open steps.

Every four of them are a group: each finds 47 steps of its own and the 12 of its group.
"""

import asyncio
import json
import random
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from tempfile import NamedTemporaryFile
from typing import Final
from uuid import UUID

import psutil
from fj_events import OrderPlaced

from fj_bench.figure import Figure, shown, within
from fj_bench.find_scu import Client, a_query
from fj_bench.ground import Ground
from fj_bench.worklist import FIRST_DAY, an_order, fill

STATIONS: Final = 200
STEPS: Final = 10_000
EVERY_SECONDS: Final = 10.0
IN_A_GROUP: Final = 4
GROUPS: Final = STATIONS // IN_A_GROUP
OF_STATIONS: Final = 47 * STATIONS
POLLS: Final = 6
"""Of each station."""
BAR: Final = 0.1


def measure(site: Ground) -> Iterator[Figure]:
    """All steps are of one day: each poll finds all of its station and its group, on an association of its own."""
    port = site.free_port()
    with site.services() as services, NamedTemporaryFile("w", suffix=".yaml") as catalogue:
        json.dump(_catalogue(), catalogue)
        catalogue.flush()
        service = services.start(
            "scheduling",
            SCHEDULING_DIMSE_PORT=port,
            SCHEDULING_MLLP_PORT=site.free_port(),
            SCHEDULING_CATALOGUE=catalogue.name,
        )
        orders = [_order(number) for number in range(STEPS)]
        asyncio.run(fill(site.stack.kafka(), services.topic_prefix, orders, services.database("scheduling")))
        process = psutil.Process(service.running.pid)
        before = sum(process.cpu_times()[:2])
        polled = _poll(port)
        spent = sum(process.cpu_times()[:2]) - before
        cuts = statistics.quantiles(polled.queries, n=20)
        note = (
            f"{statistics.mean(polled.matches):.0f} matches, p50 {cuts[9] * 1000:.1f} ms, {len(polled.queries)} polls"
        )
        yield within("p95 of a query", cuts[18], BAR, note)
        whole = statistics.quantiles(polled.whole, n=20)
        yield shown("p95 with its association", whole[18] * 1000, " ms", f"p50 {whole[9] * 1000:.1f} ms")
        yield shown(
            "processor time of a poll", spent / len(polled.queries) * 1000, " ms", "of scheduling, association included"
        )
        yield shown("of one core", spent / (EVERY_SECONDS * POLLS) * 100, " %", "scheduling, while 200 stations poll")


def _catalogue() -> dict[str, object]:
    titles = [f"CT{number + 1}" for number in range(STATIONS)]
    groups = [
        {"ae_title": f"GROUP{number + 1}", "stations": titles[number * IN_A_GROUP :][:IN_A_GROUP]}
        for number in range(GROUPS)
    ]
    return {
        "default": {"modality": "CT", "duration_minutes": 10, "station": "CT1"},
        "stations": [{"ae_title": title, "modality": "CT"} for title in titles],
        "groups": groups,
        "procedures": [],
    }


def _order(number: int) -> OrderPlaced:
    turn, title = number // STATIONS, f"CT{number % STATIONS + 1}"
    if number >= OF_STATIONS:
        turn, title = (number - OF_STATIONS) // GROUPS, f"GROUP{number % GROUPS + 1}"
    return an_order(number).model_copy(
        update={
            "order_id": UUID(int=number + 1),
            "asked_for": FIRST_DAY.replace(hour=7 + turn // 6, minute=turn % 6 * 10),
            "station_ae_title": title,
        }
    )


@dataclass(slots=True)
class Polled:
    """Seconds and matches of all polls."""

    queries: list[float] = field(default_factory=list)
    """From the request to its last answer."""
    whole: list[float] = field(default_factory=list)
    """From the connection on."""
    matches: list[int] = field(default_factory=list)


def _poll(port: int) -> Polled:
    polled = Polled()
    chance = random.Random(7)  # noqa: S311 - when a station asks is no secret
    offsets = [chance.uniform(0, EVERY_SECONDS) for _ in range(STATIONS)]
    begin = time.perf_counter() + 1

    def station(number: int) -> None:
        for turn in range(POLLS):
            time.sleep(max(0.0, begin + offsets[number] + turn * EVERY_SECONDS - time.perf_counter()))
            start = time.perf_counter()
            client = Client(port)
            asked = time.perf_counter()
            found = len(client.ask(a_query(f"CT{number + 1}", f"{FIRST_DAY:%Y%m%d}")))
            end = time.perf_counter()
            client.close()
            polled.queries.append(end - asked)
            polled.whole.append(end - start)
            polled.matches.append(found)

    with ThreadPoolExecutor(STATIONS) as pool:
        list(pool.map(station, range(STATIONS)))
    return polled
