"""Worklist queries against 10,000 open steps: `scheduling`, and DCMTK's `wlmscpfs` with the same steps as files."""

import asyncio
import random
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import asyncpg
from fj_events import ClinicalPhi, CodedConcept, Identifier, OrderPlaced, PatientPhi, Priority, Source
from fj_testing import Feed, eventually

from fj_bench.figure import Figure, shown, within
from fj_bench.find_scu import Client, a_query
from fj_bench.ground import Ground

STEPS: Final = 10_000
STATIONS: Final = 20
DAYS: Final = 10
QUERIES: Final = 400
ASSOCIATIONS: Final = (1, 4)
BAR: Final = 0.1
FIRST_DAY: Final = datetime(2026, 7, 1, 8, tzinfo=UTC)


def measure(site: Ground) -> Iterator[Figure]:
    """Fill the worklist through Kafka, then ask as modalities do in the morning: own steps of a day."""
    orders = [an_order(number) for number in range(STEPS)]
    port = site.free_port()
    with site.services() as services:
        services.start("scheduling", SCHEDULING_DIMSE_PORT=port, SCHEDULING_MLLP_PORT=site.free_port())
        rate = asyncio.run(fill(site.stack.kafka(), services.topic_prefix, orders, services.database("scheduling")))
        yield shown("orders from Kafka to the worklist", rate)
        ours = 0.0
        for associations in ASSOCIATIONS:
            asked = _ask(port, associations, QUERIES)
            ours = ours or asked.p95
            yield within(f"p95 of a query, {associations} at once", asked.p95, BAR, asked.note)
    if shutil.which("wlmscpfs"):
        with wlmscpfs(orders, peer := site.free_port()):
            asked = _ask(peer, 1, 10)
            note = f"the peer: ours is {asked.p95 / ours:,.0f} × as fast; {asked.note}"
            yield shown("p95 of a query, DCMTK wlmscpfs", asked.p95 * 1000, " ms", note)


def an_order(number: int) -> OrderPlaced:
    """Steps spread evenly over stations and days: 50 for one station on one day."""
    day, slot = divmod(number // STATIONS, STEPS // STATIONS // DAYS)
    return OrderPlaced(
        order_id=UUID(int=number + 1),
        site="MAIN",
        patient_id=UUID(int=number + 1),
        accession_number=Identifier(value=f"A{number:06d}", issuer="MAIN"),
        study_instance_uid=f"1.2.826.0.1.3680043.8.498.{number + 1}",
        requested_procedure_id=f"R{number:06d}",
        procedure=CodedConcept(code="CTCHEST", text="CT chest"),
        priority=Priority.STAT if number % 50 == 0 else Priority.ROUTINE,
        asked_for=FIRST_DAY + timedelta(days=day, minutes=10 * slot),
        station_ae_title=f"CT{number % STATIONS + 1}",
        source=Source.HL7,
        patient=PatientPhi(
            id=Identifier(value=f"P{number:06d}", issuer="MAIN"), family_name=f"Example{number}", given_name="Ada"
        ),
        clinical=ClinicalPhi(reason="Cough for three weeks"),
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """Seconds that queries took, matches of each, queries a second."""

    median: float
    p95: float
    matches: float
    rate: float

    @property
    def note(self) -> str:
        return f"{self.matches:.0f} matches, p50 {self.median * 1000:.1f} ms, {self.rate:,.0f} queries/s"


def _ask(port: int, associations: int, queries: int) -> Asked:
    chance = random.Random(7)  # noqa: S311 - which station asks is no secret
    clients = [Client(port) for _ in range(associations)]
    matches, waits = [], []

    def work(client: Client) -> None:
        for _ in range(queries // associations):
            day = FIRST_DAY + timedelta(days=chance.randrange(DAYS))
            query = a_query(f"CT{chance.randrange(STATIONS) + 1}", f"{day:%Y%m%d}")
            start = time.perf_counter()
            matches.append(len(client.ask(query)))
            waits.append(time.perf_counter() - start)

    start = time.perf_counter()
    with ThreadPoolExecutor(associations) as pool:
        list(pool.map(work, clients))
    elapsed = time.perf_counter() - start
    cuts = statistics.quantiles(waits, n=20)
    return Asked(cuts[9], cuts[18], statistics.mean(matches), len(waits) / elapsed)


async def fill(kafka: str, prefix: str, orders: list[OrderPlaced], dsn: str) -> float:
    """Orders a second from Kafka to the worklist."""
    database = await asyncpg.connect(dsn)

    async def is_there() -> bool:
        return bool(await database.fetchval("SELECT count(*) FROM worklist") == len(orders))

    async def is_told() -> bool:
        return not await database.fetchval("SELECT count(*) FROM bus.outbox")

    async with Feed(kafka, prefix) as feed:
        start = time.perf_counter()
        await asyncio.gather(*(feed.publish(*orders[lane::50]) for lane in range(50)))
        await eventually(is_there, within=300, every=0.5)
        elapsed = time.perf_counter() - start
    # Queries are measured when their facts are told too, as on an ordinary day.
    await eventually(is_told, within=300, every=0.5)
    await database.close()
    return len(orders) / elapsed


@contextmanager
def wlmscpfs(orders: list[OrderPlaced], port: int) -> Iterator[None]:
    """DCMTK's worklist server with the same steps, one file each."""
    with tempfile.TemporaryDirectory() as folder:
        station = Path(folder) / "FJ_MWL"
        station.mkdir()
        (station / "lockfile").touch()
        for order in orders:
            item = a_query(order.station_ae_title or "", f"{order.asked_for:%Y%m%d}")
            item.AccessionNumber = order.accession_number.value
            item.PatientName = f"{order.patient.family_name}^{order.patient.given_name}"
            item.PatientID = order.patient.id.value if order.patient.id else ""
            item.StudyInstanceUID = order.study_instance_uid
            item.RequestedProcedureID = order.requested_procedure_id
            item.RequestedProcedureDescription = "CT chest"
            step = item.ScheduledProcedureStepSequence[0]
            step.ScheduledProcedureStepStartTime = f"{order.asked_for:%H%M%S}"
            step.ScheduledProcedureStepDescription = "CT chest"
            step.ScheduledProcedureStepID = order.requested_procedure_id
            item.save_as(station / f"{order.order_id}.wl", implicit_vr=True, little_endian=True)
        process = subprocess.Popen(["wlmscpfs", "-dfp", folder, "-dfr", str(port)], stdout=subprocess.DEVNULL)
        asyncio.run(eventually(lambda: _listens(port)))
        try:
            yield
        finally:
            process.terminate()
            process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
