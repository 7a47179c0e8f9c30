"""A visit of the wrong patient: when its move is said to be complete, every door speaks of the right one."""

import secrets
from datetime import UTC, datetime

import httpx
import pytest
from fj_hl7 import CX, HD
from fj_hl7.builders import Visit, order_message
from fj_simulators import Clinic, Exam, an_exam
from fj_simulators.exam import a_header
from fj_testing import Log

from tests.e2e.test_patients_are_merged import orders_of, shown, studies_of

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]


async def orders(clinic: Clinic, exam: Exam, visit: str) -> None:
    """An order on a visit, or on none."""
    number = CX(visit, HD("GENERAL"), "VN") if visit else None
    on = Visit(patient_class="O", visit_number=number)
    await clinic.ehr.sends_order(order_message(a_header(), "NW", exam.patient, on, exam.order))


async def moves(clinic: Clinic, visit: str, prior: Exam, holder: Exam) -> None:
    """ADT^A45."""
    at = f"{datetime.now(UTC):%Y%m%d%H%M%S}"
    message = (
        f"MSH|^~\\&|EHR|GENERAL|FILMJACKET|MAIN|{at}||ADT^A45|{secrets.token_hex(6)}|P|2.5.1",
        f"EVN|A45|{at}",
        f"PID|1||{holder.patient_id}^^^GENERAL^MR||{holder.patient.names[0].family}",
        f"MRG|{prior.patient_id}^^^GENERAL^MR||||{visit}^^^GENERAL",
    )
    await clinic.ehr.sends_patient("\r".join(message).encode())


async def renumbers(clinic: Clinic, exam: Exam, before: str, number: str) -> None:
    """ADT^A50."""
    at = f"{datetime.now(UTC):%Y%m%d%H%M%S}"
    message = (
        f"MSH|^~\\&|EHR|GENERAL|FILMJACKET|MAIN|{at}||ADT^A50|{secrets.token_hex(6)}|P|2.5.1",
        f"EVN|A50|{at}",
        f"PID|1||{exam.patient_id}^^^GENERAL^MR||{exam.patient.names[0].family}",
        f"MRG|{exam.patient_id}^^^GENERAL^MR||||{before}^^^GENERAL",
        f"PV1|1|O{'|' * 17}{number}^^^GENERAL",
    )
    await clinic.ehr.sends_patient("\r".join(message).encode())


async def complete(events: Log, visit_id: str, count: int) -> None:
    completed = await events.wait_for(
        "patient-events",
        where=lambda record: record.key == visit_id and record.type == "patient.visit_move_completed.v1",
        count=count,
        within=60,
    )
    assert completed[-1].body["rooms"] == ["ehr_sync", "order", "portal", "reporting", "scheduling", "storage"]


async def said_last(http: httpx.AsyncClient, number: str, of: str) -> str:
    """The newest statement about a visit: a person undoes it by its id."""
    [found] = (await http.get("/api/patient/visits", params={"number": number})).json()
    statement_id: str = found[of][0]["statement_id"]
    return statement_id


async def read_as(http: httpx.AsyncClient, uid: str) -> list[str]:
    """The patient's number at the exam of these images on the reading list."""
    items = (await http.get("/api/reporting/reading-list")).json()
    return [item["patient"]["id"]["value"] for item in items if item["study_instance_uids"] == [uid]]


async def test_a_moved_visit_is_complete_when_all_doors_speak_of_its_patient_and_so_is_its_undoing(
    clinic: Clinic, events: Log
) -> None:
    done, right = an_exam(), an_exam()
    waiting, other = an_exam(patient=done.patient), an_exam(patient=done.patient)
    visit = f"V{secrets.token_hex(4).upper()}"
    for exam in (done, right):
        await clinic.ehr.registers(exam)
    for exam in (done, waiting, other):
        await orders(clinic, exam, visit if exam is not other else "")
    made = clinic.modality.acquires(await clinic.on_worklist(done))
    await clinic.performs(made, done)
    await clinic.until(done, "available")
    await clinic.on_worklist(waiting)

    async def all_speak_of(exam: Exam) -> None:
        """At once: nothing is waited for after a move is complete."""
        number = exam.patient_id
        assert [await shown(clinic.http, each) for each in (done, waiting)] == [number] * 2
        assert made.study_instance_uid in await studies_of(clinic.http, number)
        assert {done.accession_number, waiting.accession_number} <= await orders_of(clinic.http, number)
        assert await read_as(clinic.http, made.study_instance_uid) == [number]
        assert str((await clinic.on_worklist(waiting)).dataset.PatientID) == number

    await moves(clinic, visit, done, right)
    [moved] = await events.wait_for(
        "patient-events",
        where=lambda record: record.type == "patient.visit_moved.v1" and visit in record.value.decode(),
        within=20,
    )
    await complete(events, moved.key, 1)
    await all_speak_of(right)
    assert await shown(clinic.http, other) == done.patient_id

    why = {"statement_id": await said_last(clinic.http, visit, "moves"), "reason": "the wrong visit"}
    undone = await clinic.http.post(f"/api/patient/visits/{moved.key}/undo", json=why)
    assert undone.status_code == httpx.codes.NO_CONTENT
    await complete(events, moved.key, 2)
    await all_speak_of(done)


async def test_a_visit_with_another_number_is_complete_when_all_doors_say_that_number_and_so_is_its_undoing(
    clinic: Clinic, events: Log
) -> None:
    done = an_exam()
    waiting = an_exam(patient=done.patient)
    before, number = (f"V{secrets.token_hex(4).upper()}" for _ in range(2))
    await clinic.ehr.registers(done)
    for exam in (done, waiting):
        await orders(clinic, exam, before)
    await clinic.performs(clinic.modality.acquires(await clinic.on_worklist(done)), done)
    await clinic.until(done, "available")
    assert str((await clinic.on_worklist(waiting)).dataset.AdmissionID) == before

    await renumbers(clinic, done, before, number)
    [renumbered] = await events.wait_for(
        "patient-events",
        where=lambda record: record.type == "patient.visit_renumbered.v1" and before in record.value.decode(),
        within=20,
    )
    await complete(events, renumbered.key, 1)
    assert str((await clinic.on_worklist(waiting)).dataset.AdmissionID) == number
    changed = await events.wait_for(
        "order-events",
        where=lambda record: record.type == "order.changed.v1" and record.body.get("moved_with") == renumbered.key,
        count=2,
    )
    refused = [record.type for record in await events.read("exam-events") if record.type == "exam.cancel_refused.v1"]
    assert ([record.body["changed"] for record in changed], refused) == ([["clinical"]] * 2, [])

    why = {"statement_id": await said_last(clinic.http, before, "renumberings"), "reason": "the wrong visit"}
    undone = await clinic.http.post(f"/api/patient/visits/{renumbered.key}/number/undo", json=why)
    assert undone.status_code == httpx.codes.NO_CONTENT
    await complete(events, renumbered.key, 2)
    assert str((await clinic.on_worklist(waiting)).dataset.AdmissionID) == before
