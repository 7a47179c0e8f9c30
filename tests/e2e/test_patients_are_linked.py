"""Two numbers of one person are linked by a user: each stays in use, and doors that answer for persons know both."""

from uuid import UUID

import httpx
import pytest
from fj_simulators import Clinic, Exam, an_exam
from fj_testing import Log, Record

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]


async def key_of(events: Log, exam: Exam) -> UUID:
    """Under which the facts speak of the exam's patient."""

    def registered(record: Record) -> bool:
        return record.type == "patient.registered.v1" and exam.patient_id in record.value.decode()

    [record] = await events.wait_for("patient-events", where=registered)
    return UUID(record.key)


async def exams_of(http: httpx.AsyncClient, patient: Exam, *, linked: bool) -> set[str]:
    """Accession numbers under the number of this exam's patient, or of the whole person."""
    found = await http.get("/api/portal/exams", params={"patient_id": patient.patient_id, "linked": linked})
    return {exam["accession_number"] for exam in found.json()["exams"]}


async def points_to(http: httpx.AsyncClient, number: UUID) -> dict[str, str]:
    """Whom the FHIR Patient of this number links to, and how."""
    patient = (await http.get(f"/fhir/Patient/{number}")).json()
    return {link["other"]["reference"]: link["type"] for link in patient.get("link", [])}


async def test_linked_numbers_are_one_person_at_every_door_until_they_are_parted(clinic: Clinic, events: Log) -> None:
    north, south = an_exam(), an_exam()
    for exam in (north, south):
        await clinic.plays(exam)
    http = clinic.http
    one, other = await key_of(events, north), await key_of(events, south)
    both = {north.accession_number, south.accession_number}

    async def said(linked: bool, reason: str) -> None:
        answer = await http.post(
            f"/api/patient/patients/{one}/links", json={"patient_id": str(other), "linked": linked, "reason": reason}
        )
        assert answer.status_code == 200, answer.text

    async def followed(times: int) -> None:
        """What was said last has reached every room that answers for persons."""

        def of_these(record: Record) -> bool:
            return record.type == "patient.link_completed.v1" and record.key in {str(one), str(other)}

        await events.wait_for("patient-events", where=of_these, count=times, within=60)

    await said(True, "the same man, I asked him")
    await followed(2)
    assert await exams_of(http, north, linked=True) == both
    assert await exams_of(http, north, linked=False) == {north.accession_number}
    assert await points_to(http, one) == {f"Patient/{other}": "seealso"}
    assert await points_to(http, other) == {f"Patient/{one}": "seealso"}

    await said(False, "his brother")
    await followed(4)
    assert await exams_of(http, south, linked=True) == {south.accession_number}
    assert (await points_to(http, one), await points_to(http, other)) == ({}, {})
