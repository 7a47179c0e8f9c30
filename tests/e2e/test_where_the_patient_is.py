"""A patient is admitted, moved and discharged by ADT: the worklist and the page at the machine say where they are."""

import secrets
import shutil
from datetime import UTC, datetime, timedelta

import pytest
from fj_hl7 import CX, HD
from fj_hl7.builders import Visit, order_message
from fj_simulators import Clinic, Exam, an_exam
from fj_simulators.exam import a_header
from playwright.async_api import async_playwright, expect

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]
BEGINNING = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)


async def happens(clinic: Clinic, exam: Exam, visit: str, trigger: str, minute: int, **pv1: str) -> None:
    """An ADT event; `pv1` by number of the field, `f3`."""
    at = f"{BEGINNING + timedelta(minutes=minute):%Y%m%d%H%M%S}"
    fields = {2: "I", 19: f"{visit}^^^GENERAL"} | {int(name[1:]): text for name, text in pv1.items()}
    message = (
        f"MSH|^~\\&|EHR|GENERAL|FILMJACKET|MAIN|{at}||ADT^{trigger}|{secrets.token_hex(6)}|P|2.5.1",
        f"EVN|{trigger}|{at}",
        f"PID|1||{exam.patient_id}^^^GENERAL^MR||{exam.patient.names[0].family}",
        "PV1|1|" + "|".join(fields.get(field, "") for field in range(2, 20)),
    )
    await clinic.ehr.sends_patient("\r".join(message).encode())


async def shows(clinic: Clinic, exam: Exam, location: str, status: str) -> None:
    async def so() -> bool | None:
        found = (await clinic.on_worklist(exam)).dataset
        return (found.CurrentPatientLocation or "", found.VisitStatusID or "") == (location, status) or None

    await clinic.soon(so, 30, f"{exam.accession_number} at {location!r}, {status!r}")


async def test_the_worklist_and_the_page_say_where_the_patient_is_until_they_leave(clinic: Clinic) -> None:
    exam, visit = an_exam(), f"V{secrets.token_hex(4).upper()}"
    await happens(clinic, exam, visit, "A01", 0, f3="4W^401^2")
    on = Visit(patient_class="I", visit_number=CX(visit, HD("GENERAL"), "VN"))
    await clinic.ehr.sends_order(order_message(a_header(), "NW", exam.patient, on, exam.order))
    await shows(clinic, exam, "4W, 401, 2", "ADMITTED")

    await happens(clinic, exam, visit, "A02", 10, f3="ICU^^7", f6="4W^401^2")
    await shows(clinic, exam, "ICU, 7", "ADMITTED")
    await happens(clinic, exam, visit, "A08", 5, f3="4W^402^1")
    await happens(clinic, exam, visit, "A12", 20, f3="4W^402^1")
    await shows(clinic, exam, "4W, 402, 1", "ADMITTED")

    entry = await clinic.on_worklist(exam)
    key = str((await clinic.until(exam, "scheduled"))["order_id"])
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = await browser.new_page()
        starts = datetime.strptime(entry.step.ScheduledProcedureStepStartDate, "%Y%m%d").replace(tzinfo=UTC)
        station = entry.step.ScheduledStationAETitle
        await page.goto(f"{clinic.doors.http}/today?station={station}&day={starts:%Y-%m-%d}")
        line = page.locator(f"#today tr[data-exam='{key}']")
        await expect(line.locator(".whereabouts")).to_have_text("4W, 402, 1", timeout=60_000)
        await happens(clinic, exam, visit, "A03", 30)
        await shows(clinic, exam, "", "DISCHARGED")
        await expect(line.locator(".whereabouts")).to_have_text("visit discharged", timeout=60_000)
        await happens(clinic, exam, visit, "A13", 40)
        await expect(line.locator(".whereabouts")).to_have_text("4W, 402, 1", timeout=60_000)
        await browser.close()
    await shows(clinic, exam, "4W, 402, 1", "ADMITTED")
    assert str((await clinic.on_worklist(exam)).dataset.AdmissionID) == visit
