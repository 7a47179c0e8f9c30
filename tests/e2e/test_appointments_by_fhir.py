"""Appointments for whoever speaks FHIR: one API at the gateway, whichever service answers."""

from datetime import UTC, datetime, timedelta

import pytest
from fj_simulators import Clinic, an_exam

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]


async def test_a_free_slot_is_found_booked_and_read_as_an_appointment(clinic: Clinic) -> None:
    exam = an_exam()
    await clinic.ehr.registers(exam)
    await clinic.ehr.orders(exam)
    await clinic.on_worklist(exam)
    order_id = (await clinic.until(exam, "scheduled"))["order_id"]

    metadata = (await clinic.http.get("/fhir/metadata")).json()
    types = {one["type"] for one in metadata["rest"][0]["resource"]}
    assert {"Patient", "ServiceRequest", "Schedule", "Slot", "Appointment"} <= types

    day = (datetime.now(UTC) + timedelta(days=15)).date()
    station = {"identifier": "urn:filmjacket:issuer:MAIN|CT1"}
    (schedule,) = (await clinic.http.get("/fhir/Schedule", params=station)).json()["entry"]
    asked = {"schedule": schedule["resource"]["id"], "start": f"ge{day}", "status": "free", "service-type": "CTCHEST"}
    found = (await clinic.http.get("/fhir/Slot", params=asked)).json()["entry"]
    start = found[0]["resource"]["start"]
    booked = await clinic.http.post(f"/api/scheduling/exams/{order_id}/book", json={"starts_at": start})
    assert booked.status_code == 200, booked.text

    appointment = (await clinic.http.get(f"/fhir/Appointment/{order_id}")).json()
    assert (appointment["status"], appointment["start"]) == ("booked", start)
    slot = (await clinic.http.get(f"/fhir/{appointment['slot'][0]['reference']}")).json()
    assert slot["status"] == "busy"
    order = (await clinic.http.get(f"/fhir/{appointment['basedOn'][0]['reference']}")).json()
    assert order["resourceType"] == "ServiceRequest"
