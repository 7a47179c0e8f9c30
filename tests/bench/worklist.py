"""Worklist queries against 10,000 open steps. Run: `python tests/bench/worklist.py`.

A modality of its own, which reads answers without decoding them, asks a running `scheduling` and, where DCMTK is
installed, its `wlmscpfs` with the same steps as files. So the peer's client costs the same as ours.
"""

import asyncio
import random
import secrets
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Final
from uuid import UUID

import asyncpg
from fj_dicom.pdu import COMMAND, PduSocket, fragments, p_data
from fj_events import ClinicalPhi, CodedConcept, Identifier, OrderPlaced, PatientPhi, Priority, Source
from fj_local.ports import Claim
from fj_testing import Feed, Services, eventually
from fj_testing.stack import own_stack
from pydicom import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.dimse_messages import C_FIND_RQ
from pynetdicom.dimse_primitives import C_FIND
from pynetdicom.dsutils import encode
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification

STEPS: Final = 10_000
STATIONS: Final = 20
DAYS: Final = 10
QUERIES: Final = 200
ASSOCIATIONS: Final = 4
TARGET_MS: Final = 100.0
MWL: Final = "1.2.840.10008.5.1.4.31"
FIRST_DAY: Final = datetime(2026, 7, 1, 8, tzinfo=UTC)


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


def a_query(station: str, day: str) -> Dataset:
    """What a modality asks for in the morning: its own steps of the day, with the usual 17 return keys."""
    query, step = Dataset(), Dataset()
    for keyword in (
        "AccessionNumber",
        "ReferringPhysicianName",
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "StudyInstanceUID",
        "RequestingPhysician",
        "RequestedProcedureDescription",
        "RequestedProcedureID",
        "RequestedProcedurePriority",
    ):
        setattr(query, keyword, "")
    step.Modality = "CT"
    step.ScheduledStationAETitle = station
    step.ScheduledProcedureStepStartDate = day
    step.ScheduledProcedureStepStartTime = ""
    step.ScheduledProcedureStepDescription = ""
    step.ScheduledProcedureStepID = ""
    query.ScheduledProcedureStepSequence = [step]
    return query


class Client:
    """One association; reads whole PDUs and only counts."""

    def __init__(self, port: int) -> None:
        connection = socket.create_connection(("127.0.0.1", port))
        self._pdus = PduSocket(connection, 131072)
        self._pdus.send(_association_request())
        kind, _ = self._pdus.read()
        assert kind == 2, "association not accepted"

    def ask(self, query: Dataset) -> int:
        """The number of matches."""
        request = C_FIND()
        request.MessageID, request.AffectedSOPClassUID, request.Priority = 1, MWL, 2
        request.Identifier = BytesIO(encode(query, is_implicit_vr=True, is_little_endian=True) or b"")
        message = C_FIND_RQ()
        message.primitive_to_message(request)
        for data in message.encode_msg(1, 16384):
            for context, value in data.presentation_data_value_list:
                for pdu in p_data(context, value[0] & COMMAND, value[1:], 16384):
                    self._pdus.send(pdu)
        return sum(1 for _ in self._matches())

    def _matches(self) -> Iterator[None]:
        while True:
            _, body = self._pdus.read()
            for _, control, data in fragments(body):
                if control & COMMAND and not _has_data_set(bytes(data)):
                    return
                if not control & COMMAND:
                    yield


def _has_data_set(command: bytes) -> bool:
    """Command Data Set Type (0000,0800) is not 0101H."""
    return b"\x00\x00\x00\x08\x02\x00\x00\x00\x01\x01" not in command


def _association_request() -> bytes:
    ae = AE(ae_title="CT1")
    ae.add_requested_context(MWL, ImplicitVRLittleEndian)
    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title, primitive.called_ae_title = "CT1", "FJ_MWL"
    contexts = ae.requested_contexts
    contexts[0].context_id = 1
    primitive.presentation_context_definition_list = contexts
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received = 16384
    implementation.implementation_class_uid = ae.implementation_class_uid
    primitive.user_information = [length, implementation]
    return bytes(A_ASSOCIATE_RQ(primitive).encode())


def measure(port: int, associations: int, queries: int) -> tuple[float, float, float, float]:
    """Matches of a query, median and 95th percentile of a query in ms, queries a second."""
    chance = random.Random(7)  # noqa: S311 - which station asks is no secret
    clients = [Client(port) for _ in range(associations)]
    matches, waits = [], []

    def work(client: Client) -> None:
        for _ in range(queries // associations):
            day = FIRST_DAY + timedelta(days=chance.randrange(DAYS))
            query = a_query(f"CT{chance.randrange(STATIONS) + 1}", f"{day:%Y%m%d}")
            start = time.perf_counter()
            matches.append(client.ask(query))
            waits.append(time.perf_counter() - start)

    start = time.perf_counter()
    with ThreadPoolExecutor(associations) as pool:
        list(pool.map(work, clients))
    elapsed = time.perf_counter() - start
    cuts = statistics.quantiles(waits, n=20)
    return statistics.mean(matches), cuts[9] * 1000, cuts[18] * 1000, len(waits) / elapsed


def row(name: str, port: int, associations: int, queries: int) -> float:
    """Print a line; the 95th percentile."""
    matches, median, p95, rate = measure(port, associations, queries)
    print(
        f"{name:26}{associations:>3} assoc{matches:>5.0f} matches  p50{median:>8.1f}  p95{p95:>8.1f} ms{rate:>8.1f}/s"
    )
    return p95


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


def main() -> None:
    """Print the table."""
    orders = [an_order(number) for number in range(STEPS)]
    claim = Claim()
    port, peer_port, prefix = claim.take(), claim.take(), f"b{secrets.token_hex(4)}-"
    with own_stack() as stack, tempfile.TemporaryDirectory() as folder:
        server = stack.postgres()
        dsn = server.create_database("worklist", "bench")
        services = Services(stack, prefix, lambda: dsn, claim.take, Path(folder))
        services.start("scheduling", SCHEDULING_DIMSE_PORT=port)
        rate = asyncio.run(fill(stack.kafka(), prefix, orders, dsn))
        print(f"{STEPS:,} orders from Kafka to the worklist: {rate:,.0f}/s")
        p95 = row("scheduling", port, 1, QUERIES)
        print(f"target p95 {TARGET_MS:.0f} ms: {'met' if p95 < TARGET_MS else 'MISSED'}")
        row("scheduling", port, ASSOCIATIONS, QUERIES)
        services.stop_all()
    if shutil.which("wlmscpfs"):
        with wlmscpfs(orders, peer_port):
            row("DCMTK wlmscpfs, the peer", peer_port, 1, 10)


if __name__ == "__main__":
    main()
