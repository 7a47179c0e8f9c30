"""The number of one patient's order stands on another one's images: in nobody's record until a person compares."""

from dataclasses import replace

import pytest
from fj_hl7 import XPN
from fj_simulators import Clinic, Performed, an_exam
from fj_testing import eventually

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]


async def exception_of(clinic: Clinic, study: str, kind: str) -> str | None:
    """The entry about a study on the exceptions list."""
    answer = (await clinic.http.get("/api/portal/exceptions", params={"kind": kind, "limit": "500"})).raise_for_status()
    entries = [entry["event_id"] for entry in answer.json()["exceptions"] if entry["key"] == study]
    return entries[0] if entries else None


def of_somebody_else(made: Performed) -> Performed:
    """As a console sends them at which somebody has typed another name."""
    for image in made.images:
        image.PatientName, image.PatientSex, image.PatientBirthDate = "Somebody^Else", "O", ""
    return made


async def test_a_report_of_them_is_held_until_a_person_links_them(clinic: Clinic) -> None:
    exam = an_exam()
    await clinic.ehr.registers(exam)
    await clinic.ehr.orders(exam)
    made = of_somebody_else(clinic.modality.acquires(await clinic.on_worklist(exam)))
    study = made.study_instance_uid
    await clinic.modality.sends(made)
    entry = await clinic.soon(lambda: exception_of(clinic, study, "unconfirmed study"), 60, "the study on the list")

    page = (await clinic.http.get(f"/exceptions/{entry}")).raise_for_status().text
    assert f'data-study="{study}"' in page
    best, *_ = (await clinic.http.get(f"/api/storage/studies/{study}/candidates")).raise_for_status().json()
    said = {finding["criterion"]: finding["agreement"] for finding in best["findings"]}
    assert (said["study_uid"], said["accession"], said["name"]) == ("agrees", "agrees", "differs")
    [shown] = (await clinic.http.get("/dicomweb/studies", params={"StudyInstanceUID": study})).json()
    assert shown["00324000"]["Value"] == ["unconfirmed: another name than the order of its number"]
    image = (await clinic.http.get(f"/fhir/ImagingStudy/{study}")).raise_for_status().json()
    assert image["subject"].get("reference") is None

    await clinic.dictation.reports(exam, "F")

    async def waits() -> bool:
        waiting = (await clinic.http.get("/api/reporting/waiting", params={"limit": "1000"})).json()
        return any(study in reading["study_instance_uids"] for reading in waiting)

    await eventually(waits, within=30, what="the report waits for a person")
    assert clinic.ehr.results(exam) == []

    wish = {"order_id": best["order_id"], "reason": "the ward says that it is the same person"}
    (await clinic.http.post(f"/api/storage/studies/{study}/link", json=wish)).raise_for_status()
    found = await clinic.until(exam, "delivered", within=60)
    assert found["study_instance_uids"] == [study]
    assert [result.status for result in clinic.ehr.results(exam)] == ["F"]
    assert await exception_of(clinic, study, "unconfirmed study") is None
    assert (await clinic.http.get(f"/exceptions/{entry}")).status_code == 404


async def test_an_order_that_a_person_places_for_unscheduled_images_has_them(clinic: Clinic) -> None:
    known = an_exam()
    unscheduled = replace(known, patient=replace(known.patient, names=(XPN("Walkin", "Wanda"),)))
    made = clinic.modality.acquires_unscheduled(unscheduled)
    study = made.study_instance_uid
    await clinic.modality.sends(made)
    await clinic.soon(lambda: exception_of(clinic, study, "unmatched study"), 60, "the study on the list")

    order = {
        "patient": {
            "id": {"value": known.patient_id, "issuer": known.issuer},
            "family_name": "Walkin",
            "given_name": "Wanda",
        },
        "procedure": {"code": "CTCHEST", "text": "CT chest"},
        "modality": "CT",
        "study_instance_uid": study,
    }
    placed = (await clinic.http.post("/api/order/orders", json=order)).raise_for_status().json()

    async def at_its_order() -> bool:
        answer = await clinic.http.get("/api/portal/exams", params={"study_instance_uid": study})
        return [exam["order_id"] for exam in answer.json()["exams"]] == [placed["order_id"]]

    await eventually(at_its_order, within=60, what="the images at their order")
    assert await exception_of(clinic, study, "unmatched study") is None
    history = (await clinic.http.get(f"/api/storage/studies/{study}/links")).raise_for_status().json()
    order_id = placed["order_id"]
    assert [(act["act"], act["actor"], act["order_id"]) for act in history] == [("link", "operator", order_id)]
    request = (await clinic.http.get(f"/fhir/ServiceRequest/{order_id}")).raise_for_status().json()
    assert request["status"] == "active"
    image = (await clinic.http.get(f"/fhir/ImagingStudy/{study}")).raise_for_status().json()
    assert image["basedOn"][0]["reference"] == f"ServiceRequest/{order_id}"

    number = placed["accession_number"]["value"].encode()
    signed = await clinic.http.post(f"/api/reporting/exams/{order_id}/sign", json={"text": "Clear."})
    signed.raise_for_status()

    async def at_the_ehr() -> bool:
        return any(got.kind == "ORU^R01" and number in got.raw for got in clinic.ehr.received)

    await eventually(at_the_ehr, within=60, what="the report at the EHR")
