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
from pydicom import Dataset

from fj_bench.figure import Figure, shown, within
from fj_bench.find_scu import Client
from fj_bench.ground import Ground

_STUDIES: Final = 200
_OPEN: Final = 10
"""Further orders of the patient, on the worklist."""
_STUDY_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
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
        looks = _looks(clinic, unknown.patient_id, waiting, images[-1])
        for door, look in looks.items():
            await eventually(partial(look, unknown.patient_id), within=_WAIT, every=1, what=f"{door}, before the merge")
        await clinic.ehr.merges(unknown, known)
        begun = time.monotonic()
        seconds = await asyncio.gather(*(_until(door, look, known.patient_id, begun) for door, look in looks.items()))
    return dict(zip(looks, seconds, strict=True))


Look = Callable[[str], Awaitable[bool]]
Get = Callable[[str, Mapping[str, str | int]], Awaitable[httpx.Response]]


def _looks(clinic: Clinic, unknown: str, waiting: list[Exam], last: Performed) -> dict[str, Look]:
    """By door: whether it shows everything under a number."""

    async def get(path: str, params: Mapping[str, str | int]) -> httpx.Response:
        return await clinic.http.get(path, params=dict(params))

    async def portal(number: str) -> bool:
        found = (await get("/api/portal/exams", {"patient_id": number, "limit": 500})).json()["exams"]
        return [exam["patient"]["id"] for exam in found].count(number) == _STUDIES + _OPEN

    async def reading_list(number: str) -> bool:
        listed = await get("/api/reporting/reading-list", {"limit": 1000})
        return [item["patient"]["id"]["value"] for item in listed.json()].count(number) == _STUDIES

    async def worklist(number: str) -> bool:
        entries = await clinic.modality.worklist()
        wanted = {exam.accession_number for exam in waiting}
        mine = [entry.dataset.PatientID for entry in entries if str(entry.dataset.AccessionNumber) in wanted]
        return mine == [number] * _OPEN

    async def orders(number: str) -> bool:
        answers = [await get("/api/order/orders", {"accession": exam.accession_number}) for exam in waiting]
        return [order["patient"]["id"]["value"] for answer in answers for order in answer.json()] == [number] * _OPEN

    async def patient(number: str) -> bool:
        (found,) = (await get("/api/patient/patients", {"number": unknown})).json()
        return bool(found["patient"]["id"]["value"] == number)

    return {
        "patient": patient,
        "order": orders,
        "portal": portal,
        "reading list": reading_list,
        "worklist": worklist,
        **_of_the_archive(clinic, get, last),
        **_by_fhir(get, unknown),
    }


def _of_the_archive(clinic: Clinic, get: Get, last: Performed) -> dict[str, Look]:
    async def qido(number: str) -> bool:
        found = await get("/dicomweb/studies", {"PatientID": number, "limit": 500})
        return found.status_code == httpx.codes.OK and len(found.json()) == _STUDIES

    async def metadata(number: str) -> bool:
        found = await get(f"/dicomweb/studies/{last.study_instance_uid}/metadata", {})
        return bool(found.json()[0]["00100020"]["Value"] == [number])

    async def c_find(number: str) -> bool:
        return await asyncio.to_thread(_found_studies, clinic.doors.queries, number) == _STUDIES

    return {"QIDO-RS": qido, "WADO-RS": metadata, "C-FIND": c_find}


def _by_fhir(get: Get, unknown: str) -> dict[str, Look]:
    async def requests(number: str) -> bool:
        found = await get("/fhir/ServiceRequest", {"patient.identifier": number, "_count": 1})
        return bool(found.json()["total"] == _STUDIES + _OPEN)

    async def studies(number: str) -> bool:
        found = await get("/fhir/ImagingStudy", {"patient.identifier": number, "_count": 1})
        return bool(found.json()["total"] == _STUDIES)

    async def patient(number: str) -> bool:
        """The temporary number is a patient of its own until it is another one's."""
        found = await get("/fhir/Patient", {"identifier": unknown, "active": "true" if number == unknown else "false"})
        return bool(found.json()["total"] == 1)

    return {"FHIR ServiceRequest": requests, "FHIR ImagingStudy": studies, "FHIR Patient": patient}


def _found_studies(port: int, number: str) -> int:
    query = Dataset()
    query.QueryRetrieveLevel, query.PatientID, query.StudyInstanceUID = "STUDY", number, ""
    client = Client(port, _STUDY_ROOT_FIND, "FJ_QR")
    try:
        return len(client.ask(query))
    finally:
        client.close()


def _scanned(clinic: Clinic, exam: Exam) -> Performed:
    made = clinic.modality.acquires_unscheduled(exam, 1, 64)
    for image in made.images:
        image.AccessionNumber = exam.accession_number
    return made


async def _until(door: str, look: Look, number: str, begun: float) -> float:
    """Seconds until the door shows it."""
    await eventually(partial(look, number), within=_WAIT, every=_LOOK, what=f"{door}, after the merge")
    return time.monotonic() - begun
