"""An emergency patient without a name turns out to be somebody who is known: every door speaks of one patient."""

import httpx
import pytest
from fj_simulators import Clinic, Exam, an_exam
from fj_simulators.exam import a_patient
from fj_testing import Log, eventually

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]


async def shown(http: httpx.AsyncClient, exam: Exam) -> str | None:
    """The number of the exam's patient at the portal."""
    found = (await http.get("/api/portal/exams", params={"accession": exam.accession_number})).json()["exams"]
    return found[0]["patient"]["id"] if found else None


async def studies_of(http: httpx.AsyncClient, number: str) -> set[str]:
    found = await http.get("/dicomweb/studies", params={"PatientID": number})
    return {study["0020000D"]["Value"][0] for study in found.json()}


async def orders_of(http: httpx.AsyncClient, number: str) -> set[str]:
    """Accession numbers of the FHIR ServiceRequests of a patient, found by number."""
    found = await http.get("/fhir/ServiceRequest", params={"patient.identifier": number})
    return {
        identifier["value"]
        for entry in found.json().get("entry", [])
        for identifier in entry["resource"].get("identifier", [])
    }


async def test_after_a_merge_all_doors_speak_of_the_survivor_and_an_operator_can_undo_it(
    clinic: Clinic, events: Log
) -> None:
    unknown, known = an_exam(patient=a_patient("Unknown Uwe")), an_exam()
    emergency = await clinic.plays(unknown)
    waiting = an_exam(patient=unknown.patient)
    await clinic.ehr.orders(waiting)
    await clinic.on_worklist(waiting)
    await clinic.ehr.registers(known)
    await clinic.ehr.orders(known)

    await clinic.ehr.merges(unknown, known)
    await clinic.ehr.merges(unknown, known)

    async def everywhere_the_survivor() -> bool:
        entry = await clinic.on_worklist(waiting)
        return (
            [await shown(clinic.http, exam) for exam in (unknown, waiting, known)] == [known.patient_id] * 3
            and emergency.study_instance_uid in await studies_of(clinic.http, known.patient_id)
            and {exam.accession_number for exam in (unknown, waiting, known)}
            <= await orders_of(clinic.http, known.patient_id)
            and str(entry.dataset.PatientID) == known.patient_id
        )

    await eventually(everywhere_the_survivor, within=60, what="every door speaks of the survivor")
    [merged] = await events.wait_for(
        "patient-events",
        where=lambda record: record.type == "patient.merged.v1" and unknown.patient_id in record.value.decode(),
    )
    number = merged.key
    await events.wait_for(
        "patient-events",
        where=lambda record: record.key == number and record.type == "patient.merge_completed.v1",
        within=60,
    )

    made = await clinic.modality.performs(waiting)  # under what the worklist says now
    await clinic.until(waiting, "available")
    assert {made.study_instance_uid, emergency.study_instance_uid} <= await studies_of(clinic.http, known.patient_id)

    undone = await clinic.http.post(f"/api/patient/patients/{number}/unmerge", json={"reason": "the wrong person"})
    assert undone.status_code == 200

    async def two_patients_again() -> bool:
        return [await shown(clinic.http, exam) for exam in (unknown, known)] == [unknown.patient_id, known.patient_id]

    await eventually(two_patients_again, within=60, what="the exam shows its own patient again")
