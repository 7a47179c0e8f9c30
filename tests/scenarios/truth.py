"""What holds of every exam at the end of every scenario, asked at the doors."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

from fj_simulators import Clinic, Exam
from fj_testing import eventually

BEFORE: Final = frozenset({"SCHEDULED", "ARRIVED", "MISSED"})
EXAM_OF: Final = {
    "ORDERED": BEFORE,
    "HELD": BEFORE,
    "CANCELLED": {"CANCELLED"},
    "IN_PROGRESS": {"STARTED"},
    "PERFORMED": {"COMPLETED"},
    "DISCONTINUED": {"DISCONTINUED"},
    # A report completes an order, whatever its modality said or did not say.
    "COMPLETED": {*BEFORE, "STARTED", "COMPLETED", "DISCONTINUED"},
}
"""Where the exam stands in `scheduling`, by where its order stands in `order`."""
Answer = dict[str, Any]


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
    assert order["patient"]["id"]["value"] == shown[0]["patient"]["id"]
    await asyncio.gather(*(room(clinic, exam, order, shown[0]) for room in ROOMS))
    return True


async def _patient_knows_whose(clinic: Clinic, exam: Exam, order: Answer, _shown: Answer) -> None:
    """The number under which it was ordered leads to the patient whose it is now, who is nobody else's."""
    asked = {"number": exam.patient_id, "issuer": exam.issuer}
    (entry,) = (await clinic.http.get("/api/patient/patients", params=asked)).json()
    for _ in range(10):
        if "survivor_id" not in entry:
            break
        entry = (await clinic.http.get(f"/api/patient/patients/{entry['survivor_id']}")).json()
    assert entry["patient"]["id"] == order["patient"]["id"], (entry, order)


async def _scheduling_agrees(clinic: Clinic, _exam: Exam, order: Answer, _shown: Answer) -> None:
    """What a modality made before the order was known is an exam of its own, and is the order's too."""
    found = (await clinic.http.get("/api/scheduling/exams", params={"order_id": order["order_id"]})).json()["exams"]
    (planned,) = (exam for exam in found if exam["exam_key"] == order["order_id"])
    assert planned["state"] in EXAM_OF[order["state"]], (planned["state"], order["state"])
    for name in ("accession_number", "procedure", "priority"):
        assert planned[name] == order[name], (name, planned, order)
    assert planned["patient"]["id"] == order["patient"]["id"], (planned, order)


async def _reporting_agrees(clinic: Clinic, _exam: Exam, order: Answer, shown: Answer) -> None:
    answer = (await clinic.http.get(f"/api/reporting/exams/{order['order_id']}")).json()
    assert answer["accession_number"] == order["accession_number"], (answer, order)
    report = answer["report"]
    assert (report and report["version"]) == (shown["report"] and shown["report"]["version"]), (answer, shown)
    listed = (await clinic.http.get("/api/reporting/reading-list", params={"limit": 1000})).json()
    whose = [item["patient"]["id"] for item in listed if item["order_id"] == order["order_id"]]
    assert whose in ([], [order["patient"]["id"]]), (whose, order)


async def _fhir_agrees(clinic: Clinic, exam: Exam, order: Answer, _shown: Answer) -> None:
    asked = {"identifier": order["patient"]["id"]["value"]}
    found = (await clinic.http.get("/fhir/Patient", params=asked)).json()
    patients = [entry["resource"] for entry in found.get("entry", [])]
    assert len([patient for patient in patients if patient.get("active", True)]) == 1, patients
    requests = (await clinic.http.get("/fhir/ServiceRequest", params={"identifier": exam.accession_number})).json()
    assert requests["total"] == 1, requests


async def _storage_agrees(clinic: Clinic, _exam: Exam, order: Answer, shown: Answer) -> None:
    """What is shown with the exam is a study of its order, and of its patient."""
    if not shown["instances"]:
        return
    whose = order["patient"]["id"]["value"]
    for uid in shown["study_instance_uids"]:
        found = (await clinic.http.get("/dicomweb/studies", params={"StudyInstanceUID": uid})).json()
        assert [study["00100020"]["Value"] for study in found] == [[whose]], (found, whose)
        study = (await clinic.http.get(f"/api/storage/studies/{uid}")).json()
        assert study["order_id"] == order["order_id"], (study, order)


ROOMS: Final[Sequence[Callable[[Clinic, Exam, Answer, Answer], Awaitable[None]]]] = (
    _patient_knows_whose,
    _scheduling_agrees,
    _reporting_agrees,
    _fhir_agrees,
    _storage_agrees,
)
"""`triage` has no door that shows exams: what it found stands at the portal and on the log."""
