"""What holds of every exam at the end of every scenario, asked at the doors."""

from collections.abc import Sequence
from functools import partial

from fj_simulators import Clinic, Exam
from fj_testing import eventually


async def assert_one_truth(clinic: Clinic, exams: Sequence[Exam]) -> None:
    """One patient per number, one order per placer order number, one study per Study UID, and all doors agree."""
    for exam in exams:
        await eventually(partial(_agree, clinic, exam), within=30, every=0.3, what=f"one {exam.accession_number}")


async def _agree(clinic: Clinic, exam: Exam) -> bool:
    orders = (
        await clinic.http.get("/api/order/orders", params={"placer_order_number": exam.placer_order_number})
    ).json()
    assert len(orders) == 1, orders
    (order,) = orders
    shown = (await clinic.http.get("/api/portal/exams", params={"accession": exam.accession_number})).json()["exams"]
    assert [entry["order_id"] for entry in shown] == [order["order_id"]], shown
    whose = shown[0]["patient"]["id"]
    assert order["patient"]["id"]["value"] == whose
    await _one_patient(clinic, whose)
    requests = (await clinic.http.get("/fhir/ServiceRequest", params={"identifier": exam.accession_number})).json()
    assert requests["total"] == 1, requests
    if shown[0]["instances"]:
        for uid in shown[0]["study_instance_uids"]:
            await _one_study(clinic, uid, whose)
    return True


async def _one_patient(clinic: Clinic, number: str) -> None:
    found = (await clinic.http.get("/fhir/Patient", params={"identifier": number})).json()
    patients = [entry["resource"] for entry in found.get("entry", [])]
    assert len([patient for patient in patients if patient.get("active", True)]) == 1, patients


async def _one_study(clinic: Clinic, uid: str, number: str) -> None:
    found = (await clinic.http.get("/dicomweb/studies", params={"StudyInstanceUID": uid})).json()
    assert [study["00100020"]["Value"] for study in found] == [[number]], (found, number)
