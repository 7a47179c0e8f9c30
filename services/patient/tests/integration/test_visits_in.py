"""Visits and accounts that go to another patient, through the real door, and a person who undoes that."""

import itertools
from uuid import UUID

import httpx
import pytest
from fj_events import patient_key
from fj_hl7 import MllpClient, Refused
from fj_testing import PATIENT_NAMESPACE, Log, Record, ServiceProcess

pytestmark = pytest.mark.servers
NUMBERS = itertools.count(1)
USER = {"X-FJ-User": "tess"}


def key(number: str) -> str:
    return str(patient_key(UUID(PATIENT_NAMESPACE), "GENERAL", number))


def a_move(prior: str, holder: str, mrg: str, trigger: str = "A45", minute: int = 0) -> bytes:
    at = f"2026030209{minute:02d}00"
    return "\r".join(
        (
            f"MSH|^~\\&|ADT|GENERAL|FJ|FJ|{at}||ADT^{trigger}|W{next(NUMBERS)}|P|2.5.1",
            f"EVN|{trigger}|{at}",
            f"PID|1||{holder}^^^GENERAL^MR||Example^Ada",
            f"MRG|{prior}^^^GENERAL^MR||{mrg}",
        )
    ).encode()


def a_renumbering(patient: str, before: str, number: str, trigger: str = "A50", minute: int = 0) -> bytes:
    at = f"2026030209{minute:02d}00"
    is_visit = trigger == "A50"
    return "\r".join(
        (
            f"MSH|^~\\&|ADT|GENERAL|FJ|FJ|{at}||ADT^{trigger}|W{next(NUMBERS)}|P|2.5.1",
            f"EVN|{trigger}|{at}",
            f"PID|1||{patient}^^^GENERAL^MR||Example^Ada{'' if is_visit else '|' * 13 + number}",
            f"MRG|{patient}^^^GENERAL^MR||{'||' if is_visit else ''}{before}",
            f"PV1|1|O{'|' * 17}{number if is_visit else ''}",
        )
    ).encode()


async def told(log: Log, number: str, count: int, kind: str = "patient.visit_moved.v1") -> list[Record]:
    def about(record: Record) -> bool:
        return record.type == kind and record.body["visit"]["number"]["value"] == number

    found = await log.wait_for("patient-events", where=about, count=count)
    assert len(found) == count
    return found


@pytest.mark.parametrize(("trigger", "kind"), [("A45", "visit"), ("A44", "account")])
async def test_a_moved_visit_is_told_once_and_undone_by_a_person(
    adt: MllpClient, patient: ServiceProcess, log: Log, trigger: str, kind: str
) -> None:
    n = next(NUMBERS)
    one, two, number = f"WA{n}", f"WB{n}", f"V{n}"
    mrg = f"{number}^^^GENERAL" if trigger == "A44" else f"||{number}^^^GENERAL"
    for _ in range(2):
        assert (await adt.send(a_move(one, two, mrg, trigger))).code == "AA"
    async with httpx.AsyncClient(base_url=patient.http, headers=USER) as http:
        [found] = (await http.get("/api/patient/visits", params={"number": number})).json()
        assert (found["kind"], found["patient_id"], len(found["moves"])) == (kind, key(two), 1)
        undo = f"/api/patient/visits/{found['visit_id']}/undo"
        [move] = found["moves"]
        why = {"statement_id": move["statement_id"], "reason": "wrong visit"}
        for _ in range(2):
            assert (await http.post(undo, json=why)).status_code == 204
        assert (await http.post(undo, json={"reason": "which?"})).status_code == 422
        assert (await http.post(undo, json=why | {"statement_id": str(UUID(int=1))})).status_code == 404
        unknown = f"/api/patient/visits/{UUID(int=1)}/undo"
        assert (await http.post(unknown, json=why)).status_code == 404
    moved, undone = [record.body for record in await told(log, number, 2)]
    assert (moved["kind"], moved["patient_id"]) == (kind, key(two))
    assert sorted(moved["patient_ids"]) == sorted([key(one), key(two)])
    assert moved["patient"]["id"]["value"] == two
    assert (undone.get("patient_id"), undone["actor"], undone["reason"]) == (None, "tess", "wrong visit")


async def test_a_later_move_counts_whichever_comes_first(adt: MllpClient, log: Log) -> None:
    n = next(NUMBERS)
    await adt.send(a_move(f"WB{n}", f"WC{n}", f"||L{n}^^^GENERAL", minute=2))
    await adt.send(a_move(f"WA{n}", f"WB{n}", f"||L{n}^^^GENERAL", minute=1))
    last = (await told(log, f"L{n}", 2))[-1].body
    assert last["patient_id"] == key(f"WC{n}")
    assert set(last["patient_ids"]) == {key(f"WA{n}"), key(f"WB{n}"), key(f"WC{n}")}


async def test_an_undo_asked_for_again_leaves_the_act_before_it(
    adt: MllpClient, patient: ServiceProcess, log: Log
) -> None:
    n = next(NUMBERS)
    visit, numbered = f"R{n}", f"S{n}"
    for minute in (1, 2):
        await adt.send(a_move(f"W{minute}{n}", f"W{minute + 1}{n}", f"||{visit}^^^GENERAL", minute=minute))
        await adt.send(a_renumbering(f"WA{n}", f"{numbered}^^^GENERAL", f"T{minute}{n}^^^GENERAL", minute=minute))
    async with httpx.AsyncClient(base_url=patient.http, headers=USER) as http:
        for number, acts, address in ((visit, "moves", "undo"), (numbered, "renumberings", "number/undo")):
            [found] = (await http.get("/api/patient/visits", params={"number": number})).json()
            newest, before = [said["statement_id"] for said in found[acts]]
            undo = f"/api/patient/visits/{found['visit_id']}/{address}"
            refused = await http.post(undo, json={"statement_id": before, "reason": "wrong visit"})
            assert (refused.status_code, refused.json()["last"]) == (409, newest)
            assert refused.headers["content-type"] == "application/problem+json"
            for _ in range(2):
                answer = await http.post(undo, json={"statement_id": newest, "reason": "wrong visit"})
                assert answer.status_code == 204
            [found] = (await http.get("/api/patient/visits", params={"number": number})).json()
            assert [said["undone"] for said in found[acts]] == [True, False]
    for kind, number in (("moved", visit), ("renumbered", numbered)):
        assert [fact.body.get("actor") for fact in await told(log, number, 3, f"patient.visit_{kind}.v1")][2] == "tess"


@pytest.mark.parametrize(("trigger", "field"), [("A45", 5), ("A44", 3)])
async def test_a_move_that_does_not_say_what_is_moved_is_refused(adt: MllpClient, trigger: str, field: int) -> None:
    with pytest.raises(Refused) as refused:
        await adt.send(a_move("WX1", "WX2", "", trigger))
    [error] = refused.value.ack.errors
    assert (refused.value.ack.code, error.segment, error.field) == ("AE", "MRG", field)


async def test_a_moved_visit_does_not_carry_on_the_numbers_that_its_patient_has_by_a_merge(
    adt: MllpClient, patient: ServiceProcess, log: Log
) -> None:
    n = next(NUMBERS)
    holder, gone, visit = f"WH{n}", f"WG{n}", f"V{n}"
    await adt.send(a_move(gone, holder, "", trigger="A40"))
    await adt.send(a_move(f"WP{n}", holder, f"||{visit}^^^GENERAL", minute=1))
    async with httpx.AsyncClient(base_url=patient.http) as http:
        known = (await http.get(f"/api/patient/patients/{key(holder)}")).json()["patient"]
    assert [number["value"] for number in known["other_ids"]] == [gone]
    [moved] = await told(log, visit, 1)
    assert moved.body["patient"]["id"]["value"] == holder
    assert not moved.body["patient"].get("other_ids"), "an order that says so would make it a number of its own"


@pytest.mark.parametrize(("trigger", "kind"), [("A50", "visit"), ("A49", "account")])
async def test_another_number_is_told_once_and_undone_by_a_person(
    adt: MllpClient, patient: ServiceProcess, log: Log, trigger: str, kind: str
) -> None:
    n = next(NUMBERS)
    one, before, number = f"WA{n}", f"V{n}", f"U{n}"
    for _ in range(2):
        message = a_renumbering(one, f"{before}^^^GENERAL", f"{number}^^^GENERAL", trigger)
        assert (await adt.send(message)).code == "AA"
    async with httpx.AsyncClient(base_url=patient.http, headers=USER) as http:
        for either in (before, number):
            [found] = (await http.get("/api/patient/visits", params={"number": either})).json()
            assert (found["kind"], found["number"]["value"], found["present_number"]["value"]) == (kind, before, number)
        undo = f"/api/patient/visits/{found['visit_id']}/number/undo"
        [said] = found["renumberings"]
        why = {"statement_id": said["statement_id"], "reason": "wrong visit"}
        for _ in range(2):
            assert (await http.post(undo, json=why)).status_code == 204
        unknown = f"/api/patient/visits/{UUID(int=1)}/number/undo"
        assert (await http.post(unknown, json=why)).status_code == 404
    fresh, undone = [record.body for record in await told(log, before, 2, "patient.visit_renumbered.v1")]
    assert (fresh["kind"], fresh["patient_ids"]) == (kind, [key(one)])
    assert fresh["visit"]["present_number"] == {"value": number, "issuer": "GENERAL"}
    assert ("present_number" in undone["visit"], undone["actor"], undone["reason"]) == (False, "tess", "wrong visit")


async def test_a_later_number_counts_whichever_comes_first(adt: MllpClient, log: Log) -> None:
    n = next(NUMBERS)
    for number, minute in ((f"N3{n}", 2), (f"N2{n}", 1)):
        await adt.send(a_renumbering(f"WA{n}", f"N1{n}^^^GENERAL", f"{number}^^^GENERAL", minute=minute))
    facts = await told(log, f"N1{n}", 2, "patient.visit_renumbered.v1")
    assert {fact.body["visit"]["present_number"]["value"] for fact in facts} == {f"N3{n}"}


async def test_the_same_number_again_is_no_other_one(adt: MllpClient) -> None:
    with pytest.raises(Refused) as refused:
        await adt.send(a_renumbering("WX1", "V7^^^GENERAL", "V7^^^GENERAL"))
    [error] = refused.value.ack.errors
    assert (refused.value.ack.code, error.segment, error.field) == ("AE", "MRG", 5)
