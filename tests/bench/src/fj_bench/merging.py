"""A patient with 200 studies turns out to be somebody else: how long until every door speaks of the survivor."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Final

import httpx
import uvloop
from fj_simulators import Clinic, Doors, Exam, Performed, an_exam
from fj_testing import eventually
from fj_testing.stack import own_whole_stack

from fj_bench.figure import Figure, shown, within
from fj_bench.ground import Ground

_STUDIES: Final = 200
_OPEN: Final = 10
"""Further orders of the patient, on the worklist."""
_BAR: Final = 5.0
_WAIT: Final = 120.0
_LOOK: Final = 0.1


def measure(_: Ground) -> Iterator[Figure]:
    """From the AA to ADT^A40 until the last study, order and worklist entry is the survivor's."""
    with own_whole_stack() as stack:
        took = uvloop.run(_merged(Doors.of(stack.ports)))
    for door, seconds in took.items():
        yield shown(f"merge, {_STUDIES} studies: {door}", seconds, " s")
    yield within(f"merge of a patient with {_STUDIES} studies, the last door", max(took.values()), _BAR)


async def _merged(doors: Doors) -> dict[str, float]:
    async with Clinic(doors).open() as clinic:
        unknown, known = an_exam(), an_exam()
        exams = [an_exam(patient=unknown.patient) for _ in range(_STUDIES)]
        waiting = [an_exam(patient=unknown.patient) for _ in range(_OPEN)]
        await clinic.ehr.registers(known)
        for exam in (*exams, *waiting):
            await clinic.ehr.orders(exam)
        images = [_scanned(clinic, exam) for exam in exams]
        await clinic.modality.sends(Performed("", "", tuple(image for made in images for image in made.images)))
        looks = _looks(clinic, waiting, images[-1])
        await eventually(partial(looks["QIDO-RS"], unknown.patient_id), within=_WAIT, every=1)
        await eventually(partial(looks["portal"], unknown.patient_id), within=_WAIT, every=1)
        await clinic.ehr.merges(unknown, known)
        begun = time.monotonic()
        seconds = await asyncio.gather(*(_until(look, known.patient_id, begun) for look in looks.values()))
    return dict(zip(looks, seconds, strict=True))


Look = Callable[[str], Awaitable[bool]]


def _looks(clinic: Clinic, waiting: list[Exam], last: Performed) -> dict[str, Look]:
    """By door: whether it shows everything under a number."""

    async def get(path: str, params: Mapping[str, str | int]) -> httpx.Response:
        return await clinic.http.get(path, params=dict(params))

    async def portal(number: str) -> bool:
        found = (await get("/api/portal/exams", {"patient_id": number, "limit": 500})).json()["exams"]
        return [exam["patient"]["id"] for exam in found].count(number) == _STUDIES + _OPEN

    async def qido(number: str) -> bool:
        found = await get("/dicomweb/studies", {"PatientID": number, "limit": 500})
        return found.status_code == httpx.codes.OK and len(found.json()) == _STUDIES

    async def metadata(number: str) -> bool:
        found = await get(f"/dicomweb/studies/{last.study_instance_uid}/metadata", {})
        return bool(found.json()[0]["00100020"]["Value"] == [number])

    async def fhir(number: str) -> bool:
        found = await get("/fhir/ServiceRequest", {"patient.identifier": number, "_count": 1})
        return bool(found.json()["total"] == _STUDIES + _OPEN)

    async def worklist(number: str) -> bool:
        entries = await clinic.modality.worklist()
        wanted = {exam.accession_number for exam in waiting}
        mine = [entry.dataset.PatientID for entry in entries if str(entry.dataset.AccessionNumber) in wanted]
        return mine == [number] * _OPEN

    return {"portal": portal, "QIDO-RS": qido, "WADO-RS": metadata, "FHIR": fhir, "worklist": worklist}


def _scanned(clinic: Clinic, exam: Exam) -> Performed:
    made = clinic.modality.acquires_unscheduled(exam, 1, 64)
    for image in made.images:
        image.AccessionNumber = exam.accession_number
    return made


async def _until(look: Look, number: str, begun: float) -> float:
    """Seconds until the door shows it."""
    await eventually(partial(look, number), within=_WAIT, every=_LOOK)
    return time.monotonic() - begun
