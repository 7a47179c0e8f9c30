"""Where patients are and how far their visits are, through the real door: every event, its cancel, and moved visits."""

import itertools
from typing import Any
from uuid import UUID

import httpx
import pytest
from fj_events import patient_key
from fj_hl7 import MllpClient
from fj_testing import PATIENT_NAMESPACE, Log, ServiceProcess

from services.patient.tests.integration.test_visits_in import a_move, a_renumbering

pytestmark = pytest.mark.servers
NUMBERS = itertools.count(1)
USER = {"X-FJ-User": "tess"}


def key(number: str) -> str:
    return str(patient_key(UUID(PATIENT_NAMESPACE), "GENERAL", number))


def adt_message(trigger: str, patient: str, visit: str, minute: int, *, pv1: dict[int, str] | None = None) -> bytes:
    at = f"2026030209{minute:02d}00"
    fields = {2: "I", 19: visit and f"{visit}^^^GENERAL"} | (pv1 or {})
    return "\r".join(
        (
            f"MSH|^~\\&|ADT|GENERAL|FJ|FJ|{at}||ADT^{trigger}|S{next(NUMBERS)}|P|2.5.1",
            f"EVN|{trigger}|{at}",
            f"PID|1||{patient}^^^GENERAL^MR||Example^Ada",
            "PV1|1|" + "|".join(fields.get(field, "") for field in range(2, 44)),
        )
    ).encode()


async def told(log: Log, visit: str, count: int) -> list[dict[str, Any]]:
    found = await log.wait_for(
        "patient-events",
        where=lambda each: each.type == "patient.visit_updated.v1" and each.body["visit"]["number"]["value"] == visit,
        count=count,
    )
    assert len(found) == count
    return [record.body for record in found]


def said(body: dict[str, Any]) -> tuple[str | None, str | None]:
    return body.get("state"), body["visit"].get("location", {}).get("point_of_care")


async def test_a_visit_is_told_from_its_admission_to_its_end_and_a_cancel_is_told_as_what_is_so_again(
    adt: MllpClient, log: Log
) -> None:
    n = next(NUMBERS)
    patient, visit = f"SA{n}", f"SV{n}"
    events: tuple[tuple[str, dict[int, str]], ...] = (
        ("A05", {3: "4W^401^2^GENERAL"}),
        ("A01", {3: "4W^401^2^GENERAL"}),
        ("A02", {3: "ICU^1^1^GENERAL", 6: "4W^401^2^GENERAL"}),
        ("A12", {3: "4W^401^2^GENERAL"}),
        ("A10", {3: "4W^401^2^GENERAL", 11: "XRAY"}),
        ("A03", {3: "4W^401^2^GENERAL"}),
        ("A13", {3: "5E^502^1^GENERAL"}),
        ("A11", {}),
    )
    for minute, (trigger, pv1) in enumerate(events):
        for _ in range(2):
            assert (await adt.send(adt_message(trigger, patient, visit, minute, pv1=pv1))).code == "AA"
    bodies = await told(log, visit, len(events))
    assert [said(body) for body in bodies] == [
        ("planned", None),
        ("admitted", "4W"),
        ("admitted", "ICU"),
        ("admitted", "4W"),
        ("admitted", "XRAY"),
        ("discharged", None),
        ("admitted", "5E"),
        ("planned", None),
    ]
    assert bodies[1]["visit"]["location"] == {
        "point_of_care": "4W",
        "room": "401",
        "bed": "2",
        "facility": "GENERAL",
    }
    assert {tuple(body["patient_ids"]) for body in bodies} == {(key(patient),)}
    assert {body["patient_class"] for body in bodies} == {"I"}


async def test_an_older_message_undoes_no_newer_one(adt: MllpClient, log: Log) -> None:
    n = next(NUMBERS)
    patient, visit = f"SB{n}", f"SW{n}"
    for minute, trigger, where in ((5, "A02", "ICU"), (1, "A01", "4W"), (3, "A08", "5E"), (7, "A12", "")):
        await adt.send(adt_message(trigger, patient, visit, minute, pv1={3: where}))
    # What comes late is no news, but it is known when the transfer is taken back.
    assert [said(body) for body in await told(log, visit, 2)] == [("admitted", "ICU"), ("admitted", "5E")]


async def test_of_a_message_without_a_visit_number_and_of_one_about_the_person_no_visit_is_kept(
    adt: MllpClient, log: Log
) -> None:
    n = next(NUMBERS)
    patient, visit = f"SC{n}", f"SX{n}"
    await adt.send(adt_message("A01", patient, "", 1, pv1={3: "4W"}))
    await adt.send(adt_message("A31", patient, visit, 2, pv1={3: "4W"}))
    await adt.send(adt_message("A01", patient, visit, 3, pv1={3: "5E"}))
    assert [said(body) for body in await told(log, visit, 1)] == [("admitted", "5E")]


async def test_two_patients_with_visits_of_one_number_have_one_each(adt: MllpClient, log: Log) -> None:
    n = next(NUMBERS)
    visit = f"SY{n}"
    for minute, (patient, where) in enumerate(((f"SD{n}", "4W"), (f"SE{n}", "5E"))):
        await adt.send(adt_message("A01", patient, visit, minute, pv1={3: where}))
    bodies = await told(log, visit, 2)
    assert [(body["patient_ids"], said(body)[1]) for body in bodies] == [
        ([key(f"SD{n}")], "4W"),
        ([key(f"SE{n}")], "5E"),
    ]


@pytest.mark.parametrize("first", ["move", "admission"])
async def test_what_adt_said_goes_along_with_a_moved_visit_and_comes_back(
    adt: MllpClient, patient: ServiceProcess, log: Log, first: str
) -> None:
    n = next(NUMBERS)
    one, two, visit = f"SF{n}", f"SG{n}", f"SZ{n}"
    move = a_move(one, two, f"||{visit}^^^GENERAL", minute=2)
    admission = adt_message("A01", one, visit, 1, pv1={3: "4W"})
    for message in (move, admission) if first == "move" else (admission, move):
        await adt.send(message)
    count = 1 if first == "move" else 2
    both = (await told(log, visit, count))[-1]
    assert (set(both["patient_ids"]), said(both)) == ({key(one), key(two)}, ("admitted", "4W"))
    await _undo(patient, visit, "moves", "undo")
    undone = {tuple(body["patient_ids"]): said(body) for body in (await told(log, visit, count + 2))[-2:]}
    assert undone == {(key(one),): ("admitted", "4W"), (key(two),): (None, None)}


@pytest.mark.parametrize("first", ["number", "admission"])
async def test_a_visit_with_another_number_keeps_its_history(
    adt: MllpClient, patient: ServiceProcess, log: Log, first: str
) -> None:
    n = next(NUMBERS)
    one, before, now = f"SH{n}", f"SP{n}", f"SQ{n}"
    number = a_renumbering(one, f"{before}^^^GENERAL", f"{now}^^^GENERAL", minute=3)
    admission = adt_message("A01", one, before, 1, pv1={3: "4W"})
    for message in (number, admission) if first == "number" else (admission, number):
        await adt.send(message)
    await adt.send(adt_message("A02", one, before, 2, pv1={3: "ICU", 6: "4W"}))
    await adt.send(adt_message("A12", one, now, 4, pv1={}))
    found = await log.wait_for(
        "patient-events",
        where=lambda each: (
            each.type == "patient.visit_updated.v1"
            and each.body["visit"]["number"]["value"] == now
            and each.body["updated_at"].startswith("2026-03-02T09:04")
        ),
    )
    assert said(found[-1].body) == ("admitted", "4W")
    await _undo(patient, before, "renumberings", "number/undo")
    apart = await log.wait_for(
        "patient-events",
        where=lambda each: (
            each.type == "patient.visit_updated.v1"
            and each.body["visit"]["number"]["value"] == before
            and said(each.body) == ("admitted", "ICU")
            and each.body["updated_at"].startswith("2026-03-02T09:02")
            and each.body.get("actor") == "tess"
        ),
    )
    assert apart[-1].body["patient_ids"] == [key(one)]


async def _undo(patient: ServiceProcess, visit: str, acts: str, address: str) -> None:
    async with httpx.AsyncClient(base_url=patient.http, headers=USER) as http:
        [found] = [
            each
            for each in (await http.get("/api/patient/visits", params={"number": visit})).json()
            if each["number"]["value"] == visit
        ]
        why = {"statement_id": found[acts][0]["statement_id"], "reason": "wrong visit"}
        answer = await http.post(f"/api/patient/visits/{found['visit_id']}/{address}", json=why)
        assert answer.status_code == 204
