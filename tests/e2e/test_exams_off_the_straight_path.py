"""STAT, unscheduled, cancelled too late, reported before anything else is there."""

import contextlib

import pytest
from fj_hl7 import Refused
from fj_simulators import Answer, Clinic, an_exam
from fj_testing import eventually

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]


async def test_a_stat_order_is_read_first(clinic: Clinic) -> None:
    routine, stat = an_exam(priority="R"), an_exam(priority="S")
    for exam in (routine, stat):
        await clinic.ehr.orders(exam)
        await clinic.performs(clinic.modality.acquires(await clinic.on_worklist(exam)), exam)
        await clinic.until(exam, "available")
    await clinic.until_fact(stat, "finding.priority_raised.v1")

    async def in_order() -> bool:
        items = (await clinic.http.get("/api/reporting/reading-list")).json()
        numbers = [item["accession_number"]["value"] for item in items if item["accession_number"]]
        wanted = [stat.accession_number, routine.accession_number]
        return [number for number in numbers if number in wanted] == wanted

    # `reporting` hears of it on its own, at the pace of its own reading.
    await eventually(in_order, within=30, what="both exams on the reading list, the urgent one first")


async def test_an_unscheduled_study_without_an_order_is_available_and_on_the_unmatched_list(clinic: Clinic) -> None:
    exam = an_exam()
    made = clinic.modality.acquires_unscheduled(exam)
    await clinic.modality.starts(made, None)
    await clinic.modality.sends(made)
    await clinic.modality.completes(made)

    async def answer() -> Answer | None:
        found = await clinic.http.get("/api/portal/exams", params={"study_instance_uid": made.study_instance_uid})
        exams = [e for e in found.json()["exams"] if e["state"] == "available"]
        return exams[0] if exams else None

    found = await clinic.soon(answer, 60, "the unscheduled study")
    types = [entry["type"] for entry in found["timeline"]]
    assert {"exam.started.v1", "study.received.v1", "exam.completed.v1", "study.available.v1"} <= set(types)
    assert found["order_id"] is None
    assert found["patient"]["id"] == exam.patient_id

    async def listed() -> bool:
        return made.study_instance_uid in (await clinic.http.get("/api/storage/unmatched")).text

    await eventually(listed, within=30, what="the study on the unmatched list")


async def test_a_cancel_before_the_start_takes_the_step_off_the_worklist(clinic: Clinic) -> None:
    exam = an_exam()
    await clinic.ehr.orders(exam)
    await clinic.on_worklist(exam)
    await clinic.ehr.orders(exam, "CA")
    await clinic.until(exam, "cancelled")
    await clinic.until_fact(exam, "exam.cancelled.v1")
    assert await clinic.modality.worklist(accession=exam.accession_number) == []


async def test_a_cancel_after_the_start_is_refused_and_the_exam_goes_on(clinic: Clinic) -> None:
    exam = an_exam()
    await clinic.ehr.orders(exam)
    entry = await clinic.on_worklist(exam)
    made = clinic.modality.acquires(entry)
    await clinic.modality.starts(made, entry)
    await clinic.until(exam, "in_progress")
    with contextlib.suppress(Refused):
        await clinic.ehr.orders(exam, "CA")
        # Taken, as the exam's start had not reached `order` yet: then the placer is told afterwards.
        await clinic.until_fact(exam, "order.reinstated.v1")
    await clinic.modality.sends(made)
    await clinic.modality.completes(made)
    await clinic.until(exam, "available")


async def test_a_report_that_comes_before_its_order_waits_for_it(clinic: Clinic) -> None:
    exam = an_exam()
    for status in "PF":
        await clinic.dictation.reports(exam, status)
    await clinic.ehr.orders(exam)
    answer = await clinic.until(exam, "delivered")
    assert answer["report"] == {"status": "final", "version": 2}


async def test_a_service_request_is_performed_like_any_order(clinic: Clinic) -> None:
    exam = an_exam()
    body = {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "identifier": [{"type": {"coding": [{"code": "ACSN"}]}, "value": exam.accession_number}],
        "code": {"coding": [{"code": exam.procedure.code}], "text": exam.procedure.text},
        "subject": {"identifier": {"system": f"urn:filmjacket:issuer:{exam.issuer}", "value": exam.patient_id}},
    }
    created = await clinic.http.post("/fhir/ServiceRequest", json=body)
    assert created.status_code == 201
    read = await clinic.http.get(created.headers["location"])
    assert (read.status_code, read.json()["id"]) == (200, created.json()["id"])
    await clinic.performs(clinic.modality.acquires(await clinic.on_worklist(exam)), exam)
    await clinic.until(exam, "available")
