"""QIDO-RS and WADO-RS of a running `storage`. Run: `PYTHONPATH=. python tests/bench/retrieval.py`.

One CT of 200 slices of 526 KB and 5,000 studies of one image each. The client only counts bytes, on the same cores.
"""

import asyncio
import random
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

import httpx
import psutil
from fj_local.ports import Claim
from fj_testing import Feed, Log, Record, ServiceProcess, Services, eventually
from fj_testing.stack import own_stack

from services.storage.tests.builders import Exam, Image, Packer, an_image

CHANCE: Final = random.Random(1)  # noqa: S311 - which image is asked for is no secret
SLICES: Final = 200
STUDIES: Final = 5_000
IN_A_PACK: Final = 100
SECONDS: Final = 4.0
FILES: Final = 'multipart/related; type="application/dicom"; transfer-syntax=*'
FRAMES: Final = "multipart/related; type=application/octet-stream; transfer-syntax=*"
DICOM_JSON: Final = "application/dicom+json"


class Client:
    """One connection that reads answers without looking at them."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, url: str) -> Self:
        address = urlsplit(url)
        return cls(*await asyncio.open_connection(address.hostname, address.port, limit=2**22))

    async def get(self, path: str, accept: str) -> int:
        """Bytes of the body."""
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: bench\r\nAccept: {accept}\r\n\r\n".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        assert head.startswith("http/1.1 200"), head
        if "content-length: " in head:
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            left = length
            while left:
                left -= len(await self._reader.read(min(left, 2**20)))
            return length
        return await self._chunks()

    async def _chunks(self) -> int:
        length = 0
        while size := int(await self._reader.readline(), 16):
            await self._reader.readexactly(size + 2)
            length += size
        await self._reader.readline()
        return length


async def rate(url: str, clients: int, path: Callable[[], str], accept: str) -> tuple[float, float, float]:
    """Answers and MB per second, and the p95 of one answer in ms."""
    times: list[float] = []
    until = time.perf_counter() + SECONDS

    async def ask() -> int:
        client, got = await Client.open(url), 0
        while (began := time.perf_counter()) < until:
            got += await client.get(path(), accept)
            times.append(time.perf_counter() - began)
        return got

    began = time.perf_counter()
    got = sum(await asyncio.gather(*(ask() for _ in range(clients))))
    took = time.perf_counter() - began
    return len(times) / took, got / took / 1e6, statistics.quantiles(times, n=20)[-1] * 1000 if len(times) > 1 else 0


def slices(exam: Exam) -> list[Image]:
    """CT slices of 526 KB, noise under a gradient."""
    images = exam.images(SLICES, Rows=512, Columns=512)
    pixels = CHANCE.randbytes(512 * 512 * 2)
    made = []
    for image in images:
        image.data_set.PixelData = pixels
        made.append(an_image(image.data_set))
    return made


def small(number: int) -> Exam:
    return Exam(
        number=number,
        family_name=f"Example{number:05d}",
        study_date=date(2024, 1, 1) + timedelta(days=number % 700),
        modality=("CT", "MR", "CR", "US")[number % 4],
        description=("CT chest", "MR head", "CR hand", "US abdomen")[number % 4],
    )


async def fill(packer: Packer, feed: Feed, exams: Sequence[Exam]) -> None:
    """All of them share the bytes of one image: what is measured does not look at it."""
    pack = (await packer.ship(exams[0], exams[0].images(1))).pack
    for start in range(0, len(exams), 100):
        batch = [exam.stored(exam.images(1), pack, [512]) for exam in exams[start : start + 100]]
        await asyncio.gather(*(feed.publish(fact) for fact in batch))


async def closing(packer: Packer, feed: Feed, log: Log) -> None:
    """From the last evidence of a study to the fact that it is available, 20 exams at once."""
    for name, with_mpps in (("by MPPS", True), ("by silence", False)):
        exams = [Exam() for _ in range(20)]

        async def play(exam: Exam, *, with_mpps: bool = with_mpps) -> None:
            images = exam.images(4)
            await feed.publish(exam.order(), await packer.ship(exam, images))
            if with_mpps:
                await feed.publish(exam.completed(images))

        await asyncio.gather(*map(play, exams))
        records = await _available(log, {exam.study_uid for exam in exams})
        took = [
            (datetime.fromisoformat(r.headers["ce_time"]) - datetime.fromisoformat(r.body["last_evidence_at"]))
            / timedelta(milliseconds=1)
            for r in records
        ]
        print(
            f"last evidence to study.available, {name:10} p50 {statistics.median(took):6.0f} ms"
            f"  p95 {statistics.quantiles(took, n=20)[-1]:6.0f} ms",
            flush=True,
        )


async def _available(log: Log, keys: set[str]) -> list[Record]:
    return await log.wait_for(
        "study-events", where=lambda r: r.key in keys and r.type == "study.available.v1", count=len(keys), within=60
    )


async def measure(storage: ServiceProcess, exam: Exam, images: Sequence[Image]) -> None:
    study = f"/dicomweb/studies/{exam.study_uid}"
    series = f"{study}/series/{images[0].series}"
    process = psutil.Process(storage.running.pid)

    def one() -> str:
        return f"{series}/instances/{CHANCE.choice(images).uid}"

    def number() -> int:
        return CHANCE.randrange(STUDIES)

    def a_day() -> str:
        return (date(2024, 1, 1) + timedelta(days=CHANCE.randrange(700))).strftime("%Y%m%d")

    rows: list[tuple[str, Callable[[], str], str, int]] = [
        ("QIDO by patient", lambda: f"/dicomweb/studies?PatientID=P{number():06}", DICOM_JSON, 1),
        ("QIDO by accession", lambda: f"/dicomweb/studies?AccessionNumber=A{number():06}", DICOM_JSON, 1),
        ("QIDO by date (7 studies)", lambda: f"/dicomweb/studies?StudyDate={a_day()}", DICOM_JSON, 7),
        ("QIDO by part of a name", lambda: f"/dicomweb/studies?PatientName=*ple{number():05}*", DICOM_JSON, 1),
        (
            "QIDO first page, as OHIF asks",
            lambda: "/dicomweb/studies?limit=101&offset=0&includefield=all",
            DICOM_JSON,
            101,
        ),
        ("QIDO instances of a series", lambda: f"{series}/instances", DICOM_JSON, SLICES),
        ("WADO instance", one, FILES, 1),
        ("WADO frame", lambda: f"{one()}/frames/1", FRAMES, 1),
        ("WADO series", lambda: series, FILES, SLICES),
        ("WADO study metadata", lambda: f"{study}/metadata", DICOM_JSON, SLICES),
    ]
    for name, path, accept, items in rows:
        for clients in (1, 4):
            before = sum(process.cpu_times()[:2])
            answers, megabytes, p95 = await rate(storage.http, clients, path, accept)
            spent = (sum(process.cpu_times()[:2]) - before) / (answers * SECONDS) * 1000
            print(
                f"{name:32} {clients} at once {answers:8.1f}/s {answers * items:9.0f} items/s {megabytes:7.1f} MB/s"
                f"  p95 {p95:7.1f} ms  {spent:6.1f} ms CPU  resident {process.memory_info().rss / 1e6:4.0f} MB",
                flush=True,
            )


async def main() -> None:
    claim, folder, names = Claim(), Path(tempfile.mkdtemp(prefix="fj-bench-")), []
    with own_stack() as stack:
        server = stack.postgres()

        def new_database() -> str:
            names.append(f"b{secrets.token_hex(4)}")
            return server.create_database(names[-1], secrets.token_hex(8))

        prefix = f"b{secrets.token_hex(3)}-"
        services = Services(stack, prefix, new_database, claim.take, folder)
        try:
            storage = services.start("storage", STORAGE_QUIET_TIME=5)
            packer = Packer.of(stack.s3())
            async with Feed(stack.kafka(), prefix) as feed, httpx.AsyncClient(base_url=storage.http) as http:
                exam = Exam()
                images = slices(exam)
                for start in range(0, SLICES, IN_A_PACK):
                    await feed.publish(await packer.ship(exam, images[start : start + IN_A_PACK]))
                await feed.publish(exam.completed(images))
                began = time.perf_counter()
                await fill(packer, feed, [small(number) for number in range(STUDIES)])
                await eventually(lambda: _has(http, f"StudyInstanceUID={exam.study_uid}"), within=60)
                await eventually(lambda: _has(http, f"PatientName=Example{STUDIES - 1:05}*"), within=600, every=0.5)
                took = time.perf_counter() - began
                print(
                    f"indexed {STUDIES} studies in {took:.0f} s: {STUDIES / took:.0f} facts/s,"
                    f" {sum(psutil.Process(storage.running.pid).cpu_times()[:2]) / STUDIES * 1000:.1f} ms CPU each",
                    flush=True,
                )
                await eventually(lambda: _described(http, exam), within=60)
                await measure(storage, exam, images)
                await closing(packer, feed, Log(stack.kafka(), prefix))
        finally:
            services.stop_all()
            claim.close()


async def _has(http: httpx.AsyncClient, query: str) -> bool:
    return bool((await http.get(f"/dicomweb/studies?{query}")).json())


async def _described(http: httpx.AsyncClient, exam: Exam) -> bool:
    return bool((await http.get(f"/api/storage/studies/{exam.study_uid}")).json()["described_series"])


if __name__ == "__main__":
    asyncio.run(main())
