"""From the last C-STORE to `study.available`, through `ingest` and `storage`; and what a study is in the object store.

Four modalities send one study after the other, each in an association of its own, at a pace that shipping can keep.
Without MPPS a study closes after the quiet time, which is taken off.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import uvloop
from fj_objects import S3Settings, S3Store
from fj_testing import Log, Services
from pydantic import SecretStr
from pydicom import dcmread

from fj_bench.figure import Figure, at_most, within
from fj_bench.ground import Ground
from fj_bench.receivers import PROMPT, Peer, send, write_series

MODALITIES: Final = 4
STUDIES: Final = 5
"""Of each modality."""
SLICES: Final = 100
LARGE: Final = 500
SIDE: Final = 512
PACE_S: Final = 4.0
"""Between two studies of one modality: 100 instances/s, 53 MB/s, of all."""
QUIET_S: Final = 2
WAIT_S: Final = 300.0
AVAILABLE_S: Final = 2.0
OBJECTS: Final = 5


def measure(site: Ground) -> Iterator[Figure]:
    """One installation of both services, filled from the outside."""
    with tempfile.TemporaryDirectory(prefix="fj-bench-", dir="/var/tmp") as name, site.services() as services:
        folder = Path(name)
        peer = start(site, services, folder / "journal")
        yield from uvloop.run(_measure(site, Log(site.stack.kafka(), services.topic_prefix), peer, folder))


def start(site: Ground, services: Services, journal: Path) -> Peer:
    services.create_topics()
    port = site.free_port()
    for role in ("all", "receiver"):
        services.start("ingest", role, INGEST_DIMSE_PORT=port, INGEST_JOURNAL=str(journal))
    services.start("storage", STORAGE_QUIET_TIME=QUIET_S, STORAGE_DIMSE_PORT=site.free_port())
    return Peer("ingest", "FJ_STORE", port, ())


async def _measure(site: Ground, log: Log, peer: Peer, folder: Path) -> list[Figure]:
    fleet = [
        [_study(folder / f"{modality}-{number}", SLICES) for number in range(STUDIES)] for modality in range(MODALITIES)
    ]
    await available(log, await send_all(peer, [_study(folder / "first", SLICES)], 0))  # everything is connected
    rounds = await asyncio.gather(
        *(send_all(peer, studies, PACE_S * number / MODALITIES) for number, studies in enumerate(fleet))
    )
    sent = {uid: at for one in rounds for uid, at in one.items()}
    told = await available(log, sent)
    took = [max(told[uid] - at - QUIET_S, 0.0) for uid, at in sent.items()]
    note = f"{len(sent)} studies of {SLICES}, {MODALITIES * SLICES / PACE_S:.0f} instances/s, {_spread(took)}"
    p95 = statistics.quantiles(took, n=20)[-1]
    [large] = await send_all(peer, [_study(folder / "large", LARGE)], 0)
    await available(log, {large: 0.0})
    objects, size = await _objects(site, log, large)
    return [
        within("last instance to study.available, p95", p95, AVAILABLE_S, note),
        at_most(f"objects of a study of {LARGE} CT slices", objects, OBJECTS, "", f"{size / 1e6:.0f} MB"),
    ]


def _spread(times: Sequence[float]) -> str:
    return f"p50 {statistics.median(times) * 1000:.0f} ms, longest {max(times) * 1000:.0f} ms"


def _study(folder: Path, slices: int) -> Path:
    write_series(folder, slices, SIDE)
    return folder


async def send_all(peer: Peer, studies: Sequence[Path], pause: float) -> dict[str, float]:
    """Send one after the other at the pace, after a pause; when each was acknowledged, by its Study UID."""
    await asyncio.sleep(pause)
    sent = {}
    for folder in studies:
        begun = time.monotonic()
        uid = str(dcmread(next(folder.iterdir()), stop_before_pixels=True).StudyInstanceUID)
        await asyncio.to_thread(send, peer, [folder], PROMPT)
        sent[uid] = time.time()
        await asyncio.sleep(max(PACE_S - (time.monotonic() - begun), 0) if len(studies) > 1 else 0)
    return sent


async def available(log: Log, sent: dict[str, float]) -> dict[str, float]:
    """When the fact of each was committed."""
    records = await log.wait_for(
        "study-events",
        where=lambda record: record.key in sent and record.type == "study.available.v1",
        count=len(sent),
        within=WAIT_S,
    )
    return {record.key: datetime.fromisoformat(record.headers["ce_time"]).timestamp() for record in records}


async def _objects(site: Ground, log: Log, study: str) -> tuple[int, int]:
    """How many objects hold a study of one series, the metadata of which is one of them, and the bytes of its packs."""
    records = await log.wait_for("instance-events", where=lambda record: record.key == study, within=WAIT_S)
    packs = {record.body["pack"]["key"] for record in records}
    given = site.stack.s3()
    store = S3Store(
        S3Settings(
            endpoint=given.endpoint,
            bucket=given.bucket,
            access_key=given.access_key,
            secret_key=SecretStr(given.secret_key),
        )
    )
    sizes = [(await store.head(key)).size for key in packs]
    return len(packs) + 1, sum(sizes)
