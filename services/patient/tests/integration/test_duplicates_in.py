"""Records of one person under two numbers: suspected, shown to a person, and what the person says holds."""

import itertools
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from fj_events import patient_key
from fj_hl7 import MllpClient
from fj_testing import PATIENT_NAMESPACE, Log, Record, ServiceProcess, eventually

pytestmark = pytest.mark.servers
NUMBERS = itertools.count(1)
USER = {"X-FJ-User": "tess"}


@pytest.fixture
async def http(patient: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=patient.http, headers=USER) as client:
        yield client


def a_number() -> str:
    return f"D{next(NUMBERS):05d}"


def key(number: str) -> str:
    return str(patient_key(UUID(PATIENT_NAMESPACE), "GENERAL", number))


def adt_message(trigger: str, *segments: str, minute: int = 0) -> bytes:
    at = f"2026030209{minute:02d}00"
    header = f"MSH|^~\\&|ADT|GENERAL|FJ|FJ|{at}||ADT^{trigger}|D{next(NUMBERS)}|P|2.5.1"
    return "\r".join((header, f"EVN|{trigger}|{at}", *segments)).encode()


def pid(number: str, name: str, born: str, rest: str = "F") -> str:
    return f"PID|1||{number}^^^GENERAL||{name}||{born}|{rest}"


async def about(log: Log, one: str, other: str, count: int) -> list[Record]:
    pair = sorted((key(one), key(other)))
    facts = await log.wait_for(
        "patient-events",
        where=lambda r: "duplicate" in r.type and [r.body["patient_id"], r.body["other_id"]] == pair,
        count=count,
    )
    assert len(facts) == count
    return facts


async def waiting(http: httpx.AsyncClient, one: str, other: str) -> list[dict[str, Any]]:
    pairs = (await http.get("/api/patient/duplicates", params={"limit": 500})).json()
    return [pair for pair in pairs if {pair["patient_id"], pair["other_id"]} == {key(one), key(other)}]


async def answer(http: httpx.AsyncClient, one: str, other: str, said: str) -> httpx.Response:
    body = {"reason": "seen"}
    return await http.post(f"/api/patient/duplicates/{key(one)}/{key(other)}/{said}", json=body)


async def test_a_pair_with_slips_waits_for_a_person_who_links_it(
    adt: MllpClient, log: Log, http: httpx.AsyncClient
) -> None:
    one, other = a_number(), a_number()
    await adt.send(adt_message("A28", pid(one, "Quistgaard^Elizabeth", "19700412")))
    await adt.send(adt_message("A28", pid(other, "Quistgård^Beth", "19701204")))
    [suspected] = await about(log, one, other, 1)
    assert suspected.type == "patient.duplicate_suspected.v1"
    assert suspected.body["grade"] == "probable"
    assert "birth date transposed" in suspected.body["reasons"]
    [pair] = await waiting(http, one, other)
    assert {pair["patient"]["given_name"], pair["other"]["given_name"]} == {"Elizabeth", "Beth"}
    assert (await answer(http, one, other, "link")).status_code == 204
    assert await waiting(http, one, other) == []
    *_, resolved = await about(log, one, other, 2)
    assert (resolved.body["outcome"], resolved.body["actor"]) == ("linked", "tess")
    person = (await http.get(f"/api/patient/patients/{key(one)}/links")).json()
    assert set(person["numbers"]) == {key(one), key(other)}
    assert (await answer(http, one, other, "link")).status_code == 409


async def test_a_pair_that_was_dismissed_is_suspected_again_only_when_one_of_them_changes(
    adt: MllpClient, log: Log, http: httpx.AsyncClient
) -> None:
    one, other = a_number(), a_number()
    await adt.send(adt_message("A28", pid(one, "Nightjar^Ada", "19810305")))
    await adt.send(adt_message("A28", pid(other, "Nightjar^Ada", "19810305")))
    await about(log, one, other, 1)
    assert (await answer(http, one, other, "dismiss")).status_code == 204
    *_, dismissed = await about(log, one, other, 2)
    assert (dismissed.type, dismissed.body["reason"]) == ("patient.duplicate_dismissed.v1", "seen")
    assert dismissed.body["actor"] == "tess"
    further = pid(other, "Nightjar^Ada", "19810305").replace("GENERAL||", f"GENERAL~{a_number()}^^^ELSE||")
    await adt.send(adt_message("A31", further, minute=1))
    await adt.send(adt_message("A31", pid(other, "Nightjar^Ada", "19810305", "F|||Elm Street 1^^Town"), minute=2))
    *_, again = await about(log, one, other, 3)
    assert again.type == "patient.duplicate_suspected.v1"
    assert len(await waiting(http, one, other)) == 1


@pytest.mark.parametrize(
    ("settle", "outcome"),
    [
        (lambda one, other: adt_message("A40", pid(one, "x", ""), f"MRG|{other}^^^GENERAL", minute=3), "merged"),
        (lambda one, other: adt_message("A24", pid(one, "x", ""), pid(other, "x", ""), minute=3), "linked"),
        (lambda one, other: adt_message("A37", pid(one, "x", ""), pid(other, "x", ""), minute=3), None),
        (lambda one, _: adt_message("A31", pid(one, "Other^Person", "19330101", "M"), minute=3), "changed"),
    ],
)
async def test_what_settles_a_pair_otherwise_takes_it_off_the_list(
    adt: MllpClient, log: Log, http: httpx.AsyncClient, settle: Any, outcome: str | None
) -> None:
    one, other = a_number(), a_number()
    name = f"Kestrel{one.translate(str.maketrans('D0123456789', 'xabcdefghij'))}^Robin"
    await adt.send(adt_message("A28", pid(one, name, "19650930")))
    await adt.send(adt_message("A28", pid(other, name, "19650930")))
    await about(log, one, other, 1)
    await adt.send(settle(one, other))
    if outcome is None:  # an unlink of what was not linked is no news of either number
        await adt.send(adt_message("A31", pid(one, name, "19650930", "M"), minute=4))
        outcome = "apart"
    *_, resolved = await about(log, one, other, 2)
    assert (resolved.type, resolved.body["outcome"]) == ("patient.duplicate_resolved.v1", outcome)
    await eventually(lambda: _nothing(http, one, other))


async def _nothing(http: httpx.AsyncClient, one: str, other: str) -> bool:
    return await waiting(http, one, other) == []


async def test_both_records_at_one_instant_are_suspected_once(
    mllp_port: int, patient: ServiceProcess, log: Log
) -> None:
    one, other = a_number(), a_number()
    clients = [MllpClient("127.0.0.1", mllp_port) for _ in range(2)]
    for client, number in zip(clients, (one, other), strict=True):
        await client.send(adt_message("A28", pid(number, "Merganser^Olive", "19590218")))
        await client.close()
    await about(log, one, other, 1)


async def test_nobody_is_asked_about_strangers_nor_about_two_emergencies(
    adt: MllpClient, http: httpx.AsyncClient
) -> None:
    one, other, third = a_number(), a_number(), a_number()
    await adt.send(adt_message("A04", pid(one, "Unknown^Male", "", "M")))
    await adt.send(adt_message("A04", pid(other, "Unknown^Male", "", "M")))
    await adt.send(adt_message("A04", pid(third, "Corncrake^Ada", "19810305")))
    mark, twin = a_number(), a_number()
    for number in (mark, twin):
        await adt.send(adt_message("A28", pid(number, "Sandpiper^Jo", "19440203")))
    await eventually(lambda: waiting(http, mark, twin))
    pairs = (await http.get("/api/patient/duplicates")).json()
    assert not {key(number) for number in (one, other, third)} & {pair["patient_id"] for pair in pairs}


async def test_an_answer_needs_a_named_user_and_a_question(patient: ServiceProcess) -> None:
    one, other = a_number(), a_number()
    async with httpx.AsyncClient(base_url=patient.http) as nobody:
        assert (await answer(nobody, one, other, "link")).status_code == 401
        nobody.headers.update(USER)
        assert (await answer(nobody, one, other, "link")).status_code == 409
        assert (await answer(nobody, one, one, "dismiss")).status_code == 409


async def test_one_number_of_two_birth_dates_waits_for_a_person_and_links_nobody(
    adt: MllpClient, log: Log, http: httpx.AsyncClient
) -> None:
    one, other, national = a_number(), a_number(), a_number()
    for number, name, born in ((one, "Ypsilanti^Ada", "19700412"), (other, "Zoller^Bea", "19851130")):
        segment = f"PID|1||{number}^^^GENERAL~{national}^^^NATIONAL||{name}||{born}|F"
        await adt.send(adt_message("A28", segment))
    [suspected] = await about(log, one, other, 1)
    assert (suspected.body["grade"], suspected.body["reasons"][0]) == ("probable", "number of NATIONAL same")
    assert len(await waiting(http, one, other)) == 1
    assert (await http.get(f"/api/patient/patients/{key(one)}/links")).json()["numbers"] == [key(one)]
    await adt.send(adt_message("A31", pid(other, "Zoller^Bea", "19700412"), minute=5))
    *_, resolved = await about(log, one, other, 2)
    assert resolved.body["outcome"] == "linked"
