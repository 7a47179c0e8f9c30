"""Everybody around one installation, and the whole exam as they play it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

import httpx

from fj_simulators.dictation import Dictation
from fj_simulators.doors import Doors
from fj_simulators.ehr import Ehr
from fj_simulators.exam import Exam
from fj_simulators.modality import Modality
from fj_simulators.procedure_steps import Performed, WorklistEntry

T = TypeVar("T")
Answer = dict[str, Any]
"""One exam of `/api/portal/exams`."""


class TooLate(Exception):
    """What was waited for did not come in time."""


class Clinic:
    """An EHR, a scanner, a dictation system and somebody at the portal.

    Everything may take `patience` times longer than is said where it is waited for.
    """

    def __init__(self, doors: Doors, patience: float = 1.0) -> None:
        self.doors = doors
        self._patience = patience
        self.ehr = Ehr(doors)
        self.modality = Modality(doors)
        self.dictation = Dictation(doors)
        self.http = httpx.AsyncClient(base_url=doors.http, headers={"X-FJ-User": "operator"}, timeout=30 * patience)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Self]:
        """Open for work: the EHR listens."""
        async with self.ehr.listening(), self.http:
            yield self
            await self.dictation.close()

    async def plays(self, exam: Exam, slices: int = 4, size: int = 128) -> Performed:
        """Registration, order, worklist, images, preliminary and signed report; returns when all are acknowledged."""
        await self.ehr.registers(exam)
        await self.ehr.orders(exam)
        made = self.modality.acquires(await self.on_worklist(exam), slices, size)
        await self.performs(made, exam)
        await self.until(exam, "available")
        await self.dictation.reports(exam, "P")
        await self.dictation.reports(exam, "F")
        return made

    async def performs(self, made: Performed, exam: Exam) -> None:
        """MPPS, images, MPPS."""
        await self.modality.starts(made, await self.on_worklist(exam))
        await self.modality.sends(made)
        await self.modality.completes(made)

    async def on_worklist(self, exam: Exam, within: float = 10) -> WorklistEntry:
        """The worklist entry of an exam, as soon as it is there."""

        async def entry() -> WorklistEntry | None:
            entries = await self.modality.worklist(accession=exam.accession_number)
            return entries[0] if entries else None

        return await self.soon(entry, within, f"{exam.accession_number} on the worklist")

    async def where_is(self, exam: Exam) -> Answer | None:
        """The exam answer."""
        found = await self.http.get("/api/portal/exams", params={"accession": exam.accession_number})
        found.raise_for_status()
        exams: list[Answer] = found.json()["exams"]
        return exams[0] if exams else None

    async def until(self, exam: Exam, state: str, within: float = 30) -> Answer:
        """The exam answer, once it shows this state."""

        async def there() -> Answer | None:
            answer = await self.where_is(exam)
            return answer if answer is not None and answer["state"] == state else None

        return await self.soon(there, within, f"{exam.accession_number} {state}")

    async def until_fact(self, exam: Exam, kind: str, within: float = 30) -> Answer:
        """The exam answer, once its timeline has a fact of this type."""

        async def there() -> Answer | None:
            answer = await self.where_is(exam)
            return answer if answer and any(entry["type"] == kind for entry in answer["timeline"]) else None

        return await self.soon(there, within, f"{exam.accession_number} {kind}")

    async def soon(self, ask: Callable[[], Awaitable[T | None]], within: float, what: str) -> T:
        """The first answer of `ask` that is not None. Raises TooLate."""
        deadline, pause = time.monotonic() + within * self._patience, 0.05
        while True:
            answer = await ask()
            if answer is not None:
                return answer
            if time.monotonic() >= deadline:
                raise TooLate(f"{what}: not within {within:g} s")
            await asyncio.sleep(pause)
            pause = min(pause * 1.2, 0.5)  # who looks all the time takes the processor from those it waits for
