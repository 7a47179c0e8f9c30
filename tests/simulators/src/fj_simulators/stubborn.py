"""People who do not give up: every step is repeated, with the same bytes, until it is acknowledged."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import httpx
from fj_hl7 import CannotConnect, NoAnswer, Refused
from fj_hl7.builders import order_message, patient_message

from fj_simulators.clinic import Clinic, TooLate
from fj_simulators.exam import Exam, a_header, a_visit
from fj_simulators.modality import Unexpected
from fj_simulators.procedure_steps import Performed

T = TypeVar("T")
_LATER: tuple[type[Exception], ...] = (CannotConnect, NoAnswer, Refused, Unexpected, httpx.HTTPError, TooLate, OSError)
"""What a sender meets while a receiver is being killed or cannot reach its database: it tries again later."""


async def plays_on(clinic: Clinic, exam: Exam, *, slices: int = 3, within: float = 240) -> Performed:
    """The whole exam up to the acknowledged final report, whatever is killed meanwhile."""
    deadline = time.monotonic() + within
    registration = patient_message(a_header(), "A04", exam.patient, a_visit())
    order = order_message(a_header(), "NW", exam.patient, a_visit(), exam.order)
    await _until_done(lambda: clinic.ehr.sends_patient(registration), deadline)
    await _until_done(lambda: clinic.ehr.sends_order(order), deadline)
    entry = await _until_done(lambda: clinic.on_worklist(exam, 5), deadline)
    made = clinic.modality.acquires(entry, slices, 64)
    await _until_done(lambda: clinic.modality.starts(made, entry, again=True), deadline)
    await _until_done(lambda: clinic.modality.sends(made), deadline)
    await _until_done(lambda: clinic.modality.completes(made, again=True), deadline)
    for status in "PF":
        message = clinic.dictation.message(exam, status)
        await _until_done(partial(clinic.dictation.sends, message), deadline)
    return made


async def _until_done(act: Callable[[], Awaitable[T]], deadline: float) -> T:
    while True:
        try:
            return await act()
        except _LATER:
            if time.monotonic() >= deadline:
                raise
            await asyncio.sleep(0.3)
