"""Twenty exams at once through a whole installation, timed at its doors and on its topics.

Everybody of the outside world plays in this process too: EHR, modality (pynetdicom) and dictation system.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, TypeVar

import uvloop
from aiokafka import AIOKafkaConsumer
from fj_simulators import Clinic, Doors, Exam, WorklistEntry, an_exam
from fj_testing import eventually
from fj_testing.stack import own_whole_stack

from fj_bench.figure import Figure, shown, within
from fj_bench.ground import Ground

_EXAMS: Final = 20
_ROUNDS: Final = 4
_SLICES: Final = 10
_SIDE: Final = 256
_LISTED: Final = 1.0
_AVAILABLE: Final = 2.0
_DELIVERED: Final = 1.0
_WAIT: Final = 60.0
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
        self._steps: dict[str, asyncio.Future[tuple[float, WorklistEntry]]] = {}
        self._studies: dict[str, asyncio.Future[float]] = {}

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._worklist()), asyncio.create_task(self._log())]
        yield
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def listed(self, exam: Exam) -> tuple[float, WorklistEntry]:
        """When a modality that asks all the time was first given this step."""
        return await asyncio.wait_for(_of(self._steps, exam.accession_number), _WAIT)

    async def available(self, study_instance_uid: str) -> float:
        """When a reader of the topic had `study.available`."""
        return await asyncio.wait_for(_of(self._studies, study_instance_uid), _WAIT)

    async def _worklist(self) -> None:
        while True:
            for entry in await self._clinic.modality.worklist():
                step = _of(self._steps, str(entry.dataset.AccessionNumber))
                if not step.done():
                    step.set_result((time.monotonic(), entry))
            await asyncio.sleep(0.1)

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
    """Each round plays twenty exams at once, from registration to the signed report at the EHR."""
    with own_whole_stack() as stack:
        times = uvloop.run(_rounds(Doors.of(stack.ports)))
    count = f"{_EXAMS} at once, {_ROUNDS} rounds"
    yield within("order acknowledged to worklist, p95", _p95(times.listed), _LISTED, _p50(times.listed))
    yield within("last evidence to study.available, p95", _p95(times.available), _AVAILABLE, _p50(times.available))
    yield within("report received to ORU at the EHR, p95", _p95(times.delivered), _DELIVERED, _p50(times.delivered))
    yield shown("whole exam, median", statistics.median(times.whole), " s", f"{count}, {_SLICES} slices each")


async def _rounds(doors: Doors) -> Times:
    times = Times()
    async with Clinic(doors).open() as clinic:
        await clinic.plays(an_exam())  # every connection is made, every statement prepared
        watch = Watch(clinic)
        async with watch.looking():
            for _ in range(_ROUNDS):
                await asyncio.gather(*(_play(clinic, watch, an_exam(), times) for _ in range(_EXAMS)))
    return times


async def _play(clinic: Clinic, watch: Watch, exam: Exam, times: Times) -> None:
    await clinic.ehr.registers(exam)
    await clinic.ehr.orders(exam)
    ordered = time.monotonic()
    listed, entry = await watch.listed(exam)
    made = await asyncio.to_thread(clinic.modality.acquires, entry, _SLICES, _SIDE)
    await clinic.modality.starts(made, entry)
    await clinic.modality.sends(made)
    await clinic.modality.completes(made)
    performed = time.monotonic()
    available = await watch.available(made.study_instance_uid)
    await clinic.dictation.reports(exam, "P")
    await clinic.dictation.reports(exam, "F")
    reported = time.monotonic()
    await eventually(lambda: len(clinic.ehr.results(exam)) == 2, within=_WAIT, every=0.02)
    delivered = clinic.ehr.results(exam)[-1].at
    times.listed.append(max(listed - ordered, 0))
    times.available.append(max(available - performed, 0))
    times.delivered.append(max(delivered - reported, 0))
    times.whole.append(delivered - ordered)


def _of(futures: dict[str, asyncio.Future[V]], key: str) -> asyncio.Future[V]:
    return futures.setdefault(key, asyncio.get_running_loop().create_future())


def _p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


def _p50(times: list[float]) -> str:
    return f"p50 {statistics.median(times) * 1000:.0f} ms, longest {max(times) * 1000:.0f} ms"
