"""Twenty exams running at once through a whole installation, timed at its doors and on its topics.

Each of twenty rooms does one exam after the other; patient, scanner and radiologist take a second or three for their
part, so that the exams are in all phases at once. Then twenty orders come in the same instant and nobody pauses.
Everybody of the outside world plays in this process too: EHR, modality (pynetdicom) and dictation system.
"""

import asyncio
import random
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, TypeVar

import uvloop
from aiokafka import AIOKafkaConsumer
from fj_simulators import Clinic, Doors, Exam, an_exam
from fj_testing import eventually
from fj_testing.stack import own_whole_stack

from fj_bench.figure import Figure, shown, within
from fj_bench.find_scu import Client, a_query
from fj_bench.ground import Ground

_EXAMS: Final = 20
_SECONDS: Final = 40.0
_PAUSE: Final = (1.0, 3.0)
_SLICES: Final = 10
_SIDE: Final = 256
_LISTED: Final = 1.0
_AVAILABLE: Final = 2.0
_DELIVERED: Final = 1.0
_WAIT: Final = 60.0
_LOOK: Final = 0.05
V = TypeVar("V")


@dataclass(slots=True)
class Times:
    """Seconds, one for each exam."""

    listed: list[float] = field(default_factory=list)
    available: list[float] = field(default_factory=list)
    delivered: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)


class Watch:
    """Sees at once what the doors and the log show, with one reader for all exams."""

    def __init__(self, clinic: Clinic) -> None:
        self._clinic = clinic
        self._steps: dict[str, asyncio.Future[float]] = {}
        self._studies: dict[str, asyncio.Future[float]] = {}

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._worklist()), asyncio.create_task(self._log())]
        yield
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def listed(self, exam: Exam) -> float:
        """When a modality that asks all the time was first given this step."""
        return await asyncio.wait_for(_of(self._steps, exam.accession_number), _WAIT)

    async def available(self, study_instance_uid: str) -> float:
        """When a reader of the topic had `study.available`."""
        return await asyncio.wait_for(_of(self._studies, study_instance_uid), _WAIT)

    async def _worklist(self) -> None:
        scanner = await asyncio.to_thread(Client, self._clinic.doors.worklist)
        while True:
            found = b"".join(await asyncio.to_thread(scanner.ask, a_query("CT1", "")))
            for accession, step in self._steps.items():
                if not step.done() and accession.encode() in found:
                    step.set_result(time.monotonic())
            await asyncio.sleep(_LOOK)

    async def _log(self) -> None:
        doors = self._clinic.doors
        reader = AIOKafkaConsumer(
            "study-events", bootstrap_servers=f"{doors.host}:{doors.kafka}", auto_offset_reset="latest"
        )
        await reader.start()
        try:
            async for record in reader:
                study = _of(self._studies, record.key.decode())
                if dict(record.headers)["ce_type"] == b"study.available.v1" and not study.done():
                    study.set_result(time.monotonic())
        finally:
            await reader.stop()


def measure(_: Ground) -> Iterator[Figure]:
    """From registration to the signed report at the EHR."""
    with own_whole_stack() as stack:
        running, burst = uvloop.run(_both(Doors.of(stack.ports)))
    count = f"{len(running.whole)} exams, {_SLICES} slices each, {len(running.whole) / _SECONDS:.1f} exams/s"
    yield within("order acknowledged to worklist, p95", _p95(running.listed), _LISTED, _p50(running.listed))
    yield within("last evidence to study.available, p95", _p95(running.available), _AVAILABLE, _p50(running.available))
    yield within("report received to ORU at the EHR, p95", _p95(running.delivered), _DELIVERED, _p50(running.delivered))
    yield shown("whole exam without the pauses, median", statistics.median(running.whole), " s", count)
    yield shown("in the same instant: order to worklist, p95", _p95(burst.listed) * 1000, " ms", _p50(burst.listed))
    yield shown("in the same instant: evidence to available, p95", _p95(burst.available) * 1000, " ms")
    yield shown("in the same instant: report to EHR, p95", _p95(burst.delivered) * 1000, " ms")


async def _both(doors: Doors) -> tuple[Times, Times]:
    running, burst = Times(), Times()
    async with Clinic(doors).open() as clinic:
        await clinic.plays(an_exam())  # every connection is made, every statement prepared
        watch = Watch(clinic)
        async with watch.looking():
            until = time.monotonic() + _SECONDS
            await asyncio.gather(*(_room(clinic, watch, running, until) for _ in range(_EXAMS)))
            await asyncio.gather(*(_play(clinic, watch, burst, (0.0, 0.0)) for _ in range(_EXAMS)))
    return running, burst


async def _room(clinic: Clinic, watch: Watch, times: Times, until: float) -> None:
    await _pause(_PAUSE)
    while time.monotonic() < until:
        await _play(clinic, watch, times, _PAUSE)


async def _pause(length: tuple[float, float]) -> float:
    took = random.uniform(*length)  # noqa: S311 - how long somebody takes
    await asyncio.sleep(took)
    return took


async def _play(clinic: Clinic, watch: Watch, times: Times, pause: tuple[float, float]) -> None:
    exam = an_exam()
    await clinic.ehr.registers(exam)
    await clinic.ehr.orders(exam)
    ordered = time.monotonic()
    listed = await watch.listed(exam)
    paused = await _pause(pause)
    [entry] = await clinic.modality.worklist(accession=exam.accession_number)
    made = await asyncio.to_thread(clinic.modality.acquires, entry, _SLICES, _SIDE)
    await clinic.modality.starts(made, entry)
    paused += await _pause(pause)
    await clinic.modality.sends(made)
    await clinic.modality.completes(made)
    performed = time.monotonic()
    available = await watch.available(made.study_instance_uid)
    paused += await _pause(pause)
    await clinic.dictation.reports(exam, "P")
    await clinic.dictation.reports(exam, "F")
    reported = time.monotonic()
    await eventually(lambda: len(clinic.ehr.results(exam)) == 2, within=_WAIT, every=0.02)
    delivered = clinic.ehr.results(exam)[-1].at
    times.listed.append(max(listed - ordered, 0))
    times.available.append(max(available - performed, 0))
    times.delivered.append(max(delivered - reported, 0))
    times.whole.append(delivered - ordered - paused)


def _of(futures: dict[str, asyncio.Future[V]], key: str) -> asyncio.Future[V]:
    return futures.setdefault(key, asyncio.get_running_loop().create_future())


def _p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


def _p50(times: list[float]) -> str:
    return f"p50 {statistics.median(times) * 1000:.0f} ms, longest {max(times) * 1000:.0f} ms"
