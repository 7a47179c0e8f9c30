"""Twenty exams at once: nothing crossed, nothing missing."""

import asyncio

import httpx
import pytest
from fj_simulators import Answer, Clinic, Exam, an_exam

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]


async def test_twenty_exams_at_once_are_neither_crossed_nor_lost(clinic: Clinic) -> None:
    exams = [an_exam(priority="S" if number % 5 == 0 else "R") for number in range(20)]
    performed = await asyncio.gather(*(clinic.plays(exam) for exam in exams))
    answers = await asyncio.gather(*(clinic.until(exam, "delivered", within=90) for exam in exams))
    for exam, made, answer in zip(exams, performed, answers, strict=True):
        assert_whole(exam, answer, made.study_instance_uid, len(made.images))
        for result in clinic.ehr.results(exam):
            assert exam.patient_id.encode() in result.raw
        assert [result.status for result in clinic.ehr.results(exam)] == ["P", "F"]
    assert len({answer["order_id"] for answer in answers}) == len(exams)


def assert_whole(exam: Exam, answer: Answer, study: str, instances: int) -> None:
    assert answer["placer_order_number"] == exam.placer_order_number
    assert answer["patient"]["id"] == exam.patient_id
    assert (answer["study_instance_uids"], answer["instances"]) == ([study], instances)


async def test_fhir_shows_what_hl7_brought(clinic: Clinic) -> None:
    exam = an_exam()
    await clinic.plays(exam)
    answer = await clinic.until(exam, "delivered")
    request = (await clinic.http.get(f"/fhir/ServiceRequest/{answer['order_id']}")).json()
    assert request["resourceType"] == "ServiceRequest"
    report = await only(clinic.http, "DiagnosticReport", {"based-on": f"ServiceRequest/{answer['order_id']}"})
    assert report["status"] == "final"
    patient = await only(clinic.http, "Patient", {"identifier": exam.patient_id})
    assert patient["name"][0]["family"] == exam.patient.names[0].family
    study = await only(
        clinic.http, "ImagingStudy", {"identifier": f"urn:dicom:uid|urn:oid:{answer['study_instance_uids'][0]}"}
    )
    assert study["numberOfInstances"] == answer["instances"]


async def only(http: httpx.AsyncClient, kind: str, query: dict[str, str]) -> Answer:
    bundle = (await http.get(f"/fhir/{kind}", params=query)).json()
    [entry] = bundle["entry"]
    resource: Answer = entry["resource"]
    return resource
