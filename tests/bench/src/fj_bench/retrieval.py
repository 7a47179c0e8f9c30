"""QIDO-RS and WADO-RS of a running `storage`: a CT of 200 slices of 526 KB, and 5,000 studies of one image each.

What is asked here goes straight to the service, packs come from S3; `giving` measures the whole way beside a peer.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import httpx
import psutil
import uvloop
from fj_testing import Feed, ServiceProcess, eventually

from fj_bench.figure import Figure, shown
from fj_bench.ground import Ground
from fj_bench.http_load import load
from services.storage.tests.builders import Exam, Image, Packer, an_image

CHANCE: Final = random.Random(1)  # noqa: S311 - which image is asked for is no secret
SLICES: Final = 200
STUDIES: Final = 5_000
IN_A_PACK: Final = 100
SECONDS: Final = 4.0
FILES: Final = 'multipart/related; type="application/dicom"; transfer-syntax=*'
FRAMES: Final = "multipart/related; type=application/octet-stream; transfer-syntax=*"
DICOM_JSON: Final = "application/dicom+json"


CLIENTS: Final = (1, 4)
Question = tuple[str, Callable[[], str], str]


def measure(site: Ground) -> Iterator[Figure]:
    """Fill the index through Kafka and S3, then ask."""
    yield from uvloop.run(_measure(site))


async def _measure(site: Ground) -> list[Figure]:
    with site.services() as services:
        storage = services.start("storage", STORAGE_QUIET_TIME=5, STORAGE_DIMSE_PORT=site.free_port())
        packer = Packer.of(site.stack.s3())
        async with (
            Feed(site.stack.kafka(), services.topic_prefix) as feed,
            httpx.AsyncClient(base_url=storage.http) as http,
        ):
            exam = Exam()
            images = slices(exam, SLICES)
            for start in range(0, SLICES, IN_A_PACK):
                await feed.publish(await packer.ship(exam, images[start : start + IN_A_PACK]))
            await feed.publish(exam.completed(images))
            began = time.perf_counter()
            await fill(packer, feed, [small(number) for number in range(STUDIES)])
            await eventually(lambda: _has(http, f"StudyInstanceUID={exam.study_uid}"), within=60)
            await eventually(lambda: _has(http, f"PatientName=Example{STUDIES - 1:05}*"), within=600, every=0.5)
            indexed = STUDIES / (time.perf_counter() - began)
            await eventually(lambda: described(http, exam), within=60)
            return [shown("studies indexed", indexed), *[figure async for figure in _asked(storage, exam, images)]]


def slices(exam: Exam, count: int) -> list[Image]:
    """CT slices of 526 KB: noise over a gradient, in 12 of 16 bits, as deflating it takes its time with real ones."""
    images = exam.images(count, Rows=512, Columns=512)
    pixels = bytearray(512 * 512 * 2)
    pixels[::2] = CHANCE.randbytes(512 * 512)
    pixels[1::2] = bytes(place // 2**14 for place in range(512 * 512))
    made = []
    for image in images:
        image.data_set.PixelData = bytes(pixels)
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


async def _asked(storage: ServiceProcess, exam: Exam, images: Sequence[Image]) -> AsyncIterator[Figure]:
    process = psutil.Process(storage.running.pid)
    for name, path, accept in _questions(exam, images):
        for clients in CLIENTS:
            before = sum(process.cpu_times()[:2])
            answers = await asyncio.to_thread(load, storage.http, clients, path, {"Accept": accept}, SECONDS)
            spent = (sum(process.cpu_times()[:2]) - before) / (answers.per_second * SECONDS)
            note = (
                f"p95 {answers.p95 * 1000:.1f} ms, {answers.megabytes_per_second:,.0f} MB/s, {spent * 1000:.1f} ms each"
            )
            yield shown(f"{name}, {clients} at once", answers.per_second, note=note)


def _questions(exam: Exam, images: Sequence[Image]) -> list[Question]:
    study = f"/dicomweb/studies/{exam.study_uid}"
    series = f"{study}/series/{images[0].series}"

    def one() -> str:
        return f"{series}/instances/{CHANCE.choice(images).uid}"

    def number() -> int:
        return CHANCE.randrange(STUDIES)

    def a_day() -> str:
        return (date(2024, 1, 1) + timedelta(days=CHANCE.randrange(700))).strftime("%Y%m%d")

    return [
        ("QIDO by patient", lambda: f"/dicomweb/studies?PatientID=P{number():06}", DICOM_JSON),
        ("QIDO by accession", lambda: f"/dicomweb/studies?AccessionNumber=A{number():06}", DICOM_JSON),
        ("QIDO by date (7 studies)", lambda: f"/dicomweb/studies?StudyDate={a_day()}", DICOM_JSON),
        ("QIDO by part of a name", lambda: f"/dicomweb/studies?PatientName=*ple{number():05}*", DICOM_JSON),
        ("QIDO first page of 101", lambda: "/dicomweb/studies?limit=101&offset=0&includefield=all", DICOM_JSON),
        ("QIDO 200 instances", lambda: f"{series}/instances", DICOM_JSON),
        ("WADO instance", one, FILES),
        ("WADO frame", lambda: f"{one()}/frames/1", FRAMES),
        ("WADO series", lambda: series, FILES),
        ("WADO study metadata", lambda: f"{study}/metadata", DICOM_JSON),
    ]


async def _has(http: httpx.AsyncClient, query: str) -> bool:
    return bool((await http.get(f"/dicomweb/studies?{query}")).json())


async def described(http: httpx.AsyncClient, exam: Exam) -> bool:
    return bool((await http.get(f"/api/storage/studies/{exam.study_uid}")).json()["described_series"])
