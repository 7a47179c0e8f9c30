"""Links through the real door and by hand, and the facts that they become."""

import itertools
from uuid import UUID, uuid4

import httpx
import pytest
from fj_events import patient_key
from fj_hl7 import MllpClient, Refused
from fj_testing import PATIENT_NAMESPACE, Log, Record, ServiceProcess

pytestmark = pytest.mark.servers
NUMBERS = itertools.count(1)
USER = {"X-FJ-User": "tess"}


def a_number() -> str:
    return f"L{next(NUMBERS):05d}"


def key(number: str, issuer: str = "GENERAL") -> str:
    return str(patient_key(UUID(PATIENT_NAMESPACE), issuer, number))


def adt_message(trigger: str, *segments: str, minute: int = 0) -> bytes:
    at = f"2026030209{minute:02d}00"
    header = f"MSH|^~\\&|ADT|GENERAL|FJ|FJ|{at}||ADT^{trigger}|L{next(NUMBERS)}|P|2.5.1"
    return "\r".join((header, f"EVN|{trigger}|{at}", *segments)).encode()


def pid(number: str, further: str = "", issuer: str = "GENERAL") -> str:
    return f"PID|1||{number}^^^{issuer}^MR{further}||Example^Ada||19700401|F"


async def links_of(log: Log, patient_id: str, count: int) -> list[Record]:
    kinds = {"patient.linked.v1", "patient.unlinked.v1"}
    return await log.wait_for(
        "patient-events", where=lambda record: record.key == patient_id and record.type in kinds, count=count
    )


async def test_a_link_and_its_end_are_facts_about_both_numbers(adt: MllpClient, log: Log) -> None:
    one, other = a_number(), a_number()
    assert (await adt.send(adt_message("A24", pid(one), pid(other)))).code == "AA"
    await adt.send(adt_message("A24", pid(one), pid(other)))
    assert (await adt.send(adt_message("A37", pid(one), pid(other), minute=1))).code == "AA"
    person = min(key(one), key(other))
    for number in (one, other):
        linked, unlinked = await links_of(log, key(number), 2)
        assert (linked.type, unlinked.type) == ("patient.linked.v1", "patient.unlinked.v1")
        assert (linked.body["enterprise_id"], unlinked.body["enterprise_id"]) == (person, key(number))
        assert linked.body["basis"] == "message"


async def test_patients_of_two_hospitals_with_one_national_number_are_one_person(
    adt: MllpClient, log: Log, patient: ServiceProcess
) -> None:
    north, south, national = a_number(), a_number(), f"~{a_number()}^^^NATIONAL"
    await adt.send(adt_message("A04", pid(north, national)))
    await adt.send(adt_message("A04", pid(south, national, "SOUTH")))
    [linked] = await links_of(log, key(south, "SOUTH"), 1)
    assert (linked.body["basis"], linked.body["reason"]) == ("identifier", "both carry one number of NATIONAL")
    async with httpx.AsyncClient(base_url=patient.http) as http:
        person = (await http.get(f"/api/patient/patients/{key(north)}/links")).json()
    assert person["enterprise_id"] == linked.body["enterprise_id"]
    assert set(person["numbers"]) == {key(north), key(south, "SOUTH")}
    [link] = person["links"]
    assert (link["patient_id"], link["linked"], link["basis"]) == (key(south, "SOUTH"), True, "identifier")


async def test_a_number_that_very_many_carry_links_nobody_more(
    adt: MllpClient, log: Log, patient: ServiceProcess
) -> None:
    crowd, placeholder = [a_number() for _ in range(12)], f"~{a_number()}^^^NATIONAL"
    for number in crowd:
        await adt.send(adt_message("A04", pid(number, placeholder)))
    async with httpx.AsyncClient(base_url=patient.http) as http:
        last = (await http.get(f"/api/patient/patients/{key(crowd[-1])}/links")).json()
    assert (last["enterprise_id"], last["numbers"], last["links"]) == (key(crowd[-1]), [key(crowd[-1])], [])


async def test_a_named_user_takes_two_numbers_apart_and_joins_them(
    adt: MllpClient, log: Log, patient: ServiceProcess
) -> None:
    one, other = a_number(), a_number()
    await adt.send(adt_message("A24", pid(one), pid(other)))
    address, word = f"/api/patient/patients/{key(one)}/links", {"patient_id": key(other), "reason": "seen both"}
    async with httpx.AsyncClient(base_url=patient.http) as http:
        assert (await http.post(address, json={**word, "linked": False})).status_code == 401
        under = USER | {"Idempotency-Key": one}
        apart = await http.post(address, json={**word, "linked": False}, headers=under)
        assert (apart.status_code, apart.json()["numbers"]) == (200, [key(one)])
        joined = await http.post(address, json={**word, "linked": True}, headers=USER)
        assert set(joined.json()["numbers"]) == {key(one), key(other)}
        again = await http.post(address, json={**word, "linked": False}, headers=under)
        assert again.json() == joined.json()
        for wrong, status in ((key(one), 409), (str(uuid4()), 404)):
            answer = await http.post(address, json={**word, "patient_id": wrong, "linked": True}, headers=USER)
            assert answer.status_code == status
    _, unlinked, linked = await links_of(log, key(other), 3)
    assert [(f.body["actor"], f.body["basis"]) for f in (unlinked, linked)] == [("tess", "user")] * 2


@pytest.mark.parametrize(
    ("second", "code"),
    [((), "100"), (("PID|2||||",), "101"), (("PID|2||SAME^^^GENERAL||Example^Ada",), "207")],
)
async def test_a_link_that_names_no_two_patients_is_refused(
    adt: MllpClient, second: tuple[str, ...], code: str
) -> None:
    with pytest.raises(Refused) as refused:
        await adt.send(adt_message("A24", "PID|1||SAME^^^GENERAL||Example^Ada", *second))
    [error] = refused.value.ack.errors
    assert (refused.value.ack.code, error.code, error.segment, error.sequence) == ("AE", code, "PID", 2)
