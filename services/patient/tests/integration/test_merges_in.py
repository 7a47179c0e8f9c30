"""Merges through the real door, the facts that they become, and a person who undoes them."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any
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
    return f"M{next(NUMBERS):05d}"


def key(number: str, issuer: str = "GENERAL") -> str:
    return str(patient_key(UUID(PATIENT_NAMESPACE), issuer, number))


def adt_message(trigger: str, *segments: str, minute: int = 0) -> bytes:
    at = f"2026030209{minute:02d}00"
    header = f"MSH|^~\\&|ADT|GENERAL|FJ|FJ|{at}||ADT^{trigger}|M{next(NUMBERS)}|P|2.5.1"
    return "\r".join((header, f"EVN|{trigger}|{at}", *segments)).encode()


def pid(number: str, rest: str = "Example^Ada||19700401|F") -> str:
    return f"PID|1||{number}^^^GENERAL^MR||{rest}"


def mrg(number: str) -> str:
    return f"MRG|{number}^^^GENERAL^MR"


def a_merge(prior: str, survivor: str, trigger: str = "A40", minute: int = 0) -> bytes:
    return adt_message(trigger, pid(survivor), mrg(prior), minute=minute)


async def merges_of(log: Log, number: str, count: int) -> list[Record]:
    kinds = {"patient.merged.v1", "patient.unmerged.v1"}
    found = await log.wait_for(
        "patient-events", where=lambda record: record.key == key(number) and record.type in kinds, count=count
    )
    assert len(found) == count
    return found


async def states_of(log: Log, number: str, count: int) -> list[Record]:
    kinds = {"patient.registered.v1", "patient.updated.v1"}
    return await log.wait_for(
        "patient-events", where=lambda record: record.key == key(number) and record.type in kinds, count=count
    )


@pytest.mark.parametrize("trigger", ["A18", "A30", "A34", "A36", "A39", "A40", "A43", "A47"])
async def test_every_kind_of_merge_is_a_fact_about_the_number_that_goes(
    adt: MllpClient, log: Log, trigger: str
) -> None:
    prior, survivor = a_number(), a_number()
    await adt.send(adt_message("A04", pid(prior)))
    assert (await adt.send(a_merge(prior, survivor, trigger, minute=7))).code == "AA"
    [merged] = await merges_of(log, prior, 1)
    assert (merged.type, merged.body["survivor_id"]) == ("patient.merged.v1", key(survivor))
    assert merged.body["merged_at"] == "2026-03-02T09:07:00Z"
    assert merged.body["patient"]["id"]["value"] == prior
    assert merged.body["survivor"]["id"]["value"] == survivor


async def test_a_merge_before_anybody_spoke_of_either_number_registers_both_as_provisional(
    adt: MllpClient, log: Log, patient: ServiceProcess
) -> None:
    prior, survivor = a_number(), a_number()
    await adt.send(a_merge(prior, survivor))
    await merges_of(log, prior, 1)
    async with httpx.AsyncClient(base_url=patient.http) as http:
        found = [(await http.get(f"/api/patient/patients/{key(number)}")).json() for number in (prior, survivor)]
        assert [entry["provisional"] for entry in found] == [True, True]
        assert [entry.get("survivor_id") for entry in found] == [key(survivor), None]
        for number in (prior, survivor):
            [same] = (await http.get("/api/patient/patients", params={"number": number})).json()
            assert same["patient_id"] == key(survivor)


async def test_one_message_merges_several_pairs_and_resolves_the_chain(adt: MllpClient, log: Log) -> None:
    first, second, third, other, end = (a_number() for _ in range(5))
    await adt.send(a_merge(first, second, minute=1))
    await adt.send(adt_message("A40", pid(third), mrg(second), pid(end), mrg(other), minute=2))
    assert [f.body["survivor_id"] for f in await merges_of(log, first, 2)] == [key(second), key(third)]
    assert [f.body["survivor_id"] for f in await merges_of(log, second, 1)] == [key(third)]
    assert [f.body["survivor_id"] for f in await merges_of(log, other, 1)] == [key(end)]


async def test_a_merge_that_comes_twice_or_after_a_newer_one_changes_nothing(adt: MllpClient, log: Log) -> None:
    prior, old, new, marker = (a_number() for _ in range(4))
    await adt.send(a_merge(prior, new, minute=5))
    await adt.send(a_merge(prior, new, minute=5))
    await adt.send(a_merge(prior, old, minute=4))
    await adt.send(a_merge(marker, new, minute=4))
    await merges_of(log, marker, 1)
    [merged] = await merges_of(log, prior, 1)
    assert merged.body["survivor_id"] == key(new)


async def test_of_two_inverted_merges_the_newer_one_holds(adt: MllpClient, log: Log) -> None:
    one, other = a_number(), a_number()
    await adt.send(a_merge(one, other, minute=1))
    await adt.send(a_merge(other, one, minute=2))
    assert [fact.type for fact in await merges_of(log, one, 2)] == ["patient.merged.v1", "patient.unmerged.v1"]
    [merged] = await merges_of(log, other, 1)
    assert merged.body["survivor_id"] == key(one)


async def test_a_named_user_undoes_a_merge_once(adt: MllpClient, log: Log, patient: ServiceProcess) -> None:
    prior, survivor = a_number(), a_number()
    await adt.send(a_merge(prior, survivor))
    async with httpx.AsyncClient(base_url=patient.http) as http:
        address = f"/api/patient/patients/{key(prior)}/unmerge"
        assert (await http.post(address, json={"reason": "two persons"})).status_code == 401
        assert (await http.post(address, json={"reason": ""}, headers=USER)).status_code == 422
        undone = await http.post(address, json={"reason": "two persons"}, headers=USER)
        assert (undone.status_code, undone.json().get("survivor_id")) == (200, None)
        assert (await http.post(address, json={"reason": "two persons"}, headers=USER)).status_code == 409
        unknown = f"/api/patient/patients/{uuid4()}/unmerge"
        assert (await http.post(unknown, json={"reason": "x"}, headers=USER)).status_code == 404
    _, unmerged = await merges_of(log, prior, 2)
    assert (unmerged.type, unmerged.body["actor"]) == ("patient.unmerged.v1", "tess")
    assert unmerged.body["reason"] == "two persons"
    survivors = await states_of(log, survivor, 3)
    assert [len(fact.body["patient"]["other_ids"]) for fact in survivors] == [0, 1, 0]


async def test_an_undo_asked_for_again_leaves_a_merge_that_came_meanwhile(
    adt: MllpClient, log: Log, patient: ServiceProcess
) -> None:
    prior, survivor = a_number(), a_number()
    await adt.send(a_merge(prior, survivor, minute=1))
    async with httpx.AsyncClient(base_url=patient.http, headers=USER | {"Idempotency-Key": prior}) as http:
        address = f"/api/patient/patients/{key(prior)}/unmerge"
        for _ in range(2):
            undone = await http.post(address, json={"reason": "two persons"})
            assert (undone.status_code, undone.json().get("survivor_id")) == (200, None)
        await adt.send(a_merge(prior, survivor, minute=2))
        again = await http.post(address, json={"reason": "two persons"})
        assert (again.status_code, again.json()["survivor_id"]) == (200, key(survivor))
        assert (await http.post(address, json={"reason": "two persons after all"})).status_code == 422
    told = [fact.type.split(".")[1] for fact in await merges_of(log, prior, 3)]
    assert told == ["merged", "unmerged", "merged"]


async def test_an_emergency_number_that_is_registered_for_somebody_else_starts_anew(
    adt: MllpClient, log: Log, patient: ServiceProcess
) -> None:
    emergency, ada = a_number(), a_number()
    await adt.send(adt_message("A04", pid(emergency, "Unknown^Female|||F")))
    await adt.send(adt_message("A04", pid(ada)))
    await adt.send(a_merge(emergency, ada, minute=5))
    await adt.send(adt_message("A04", pid(emergency, "Unknown^Male|||M"), minute=9))
    _, given_away = await merges_of(log, emergency, 2)
    assert (given_away.type, given_away.body["until"]) == ("patient.unmerged.v1", "2026-03-02T09:09:00Z")
    assert given_away.body["survivor_id"] == key(ada)
    async with httpx.AsyncClient(base_url=patient.http) as http:
        [found] = (await http.get("/api/patient/patients", params={"number": emergency})).json()
        assert (found["patient_id"], found["patient"]["sex"]) == (key(emergency), "M")


async def test_a_merge_that_comes_after_the_next_registration_of_its_number_is_of_the_records_before(
    adt: MllpClient, log: Log, patient: ServiceProcess
) -> None:
    emergency, ada = a_number(), a_number()
    await adt.send(adt_message("A04", pid(emergency, "Unknown^Female|||F||||555")))
    await adt.send(adt_message("A04", pid(emergency, "Unknown^Male|||M"), minute=9))
    await adt.send(a_merge(emergency, ada, minute=5))
    [given_away] = await merges_of(log, emergency, 1)
    assert (given_away.body["survivor_id"], given_away.body["until"]) == (key(ada), "2026-03-02T09:09:00Z")
    await adt.send(adt_message("A08", pid(emergency, "Unknown^Female|||F||||555"), minute=7))
    async with httpx.AsyncClient(base_url=patient.http) as http:
        [found] = (await http.get("/api/patient/patients", params={"number": emergency})).json()
        assert (found["patient_id"], found["patient"]["sex"]) == (key(emergency), "M")
        assert "phone" not in found["patient"]


async def test_a_number_without_authority_is_the_sites(adt: MllpClient, log: Log) -> None:
    prior, survivor = a_number(), a_number()
    await adt.send(adt_message("A40", f"PID|1||{survivor}||Example^Ada", f"MRG|{prior}"))
    wanted = key(prior, "MAIN")
    merged = await log.wait_for("patient-events", where=lambda r: r.key == wanted and r.type == "patient.merged.v1")
    assert merged[-1].body["survivor_id"] == key(survivor, "MAIN")


async def test_a_changed_alternate_number_replaces_the_former_one(adt: MllpClient, log: Log) -> None:
    number = a_number()
    await adt.send(adt_message("A04", f"PID|1||{number}^^^GENERAL|OLD1^^^ALT|Example^Ada"))
    await adt.send(adt_message("A48", f"PID|1||{number}^^^GENERAL|NEW1^^^ALT|Example^Ada", "MRG||OLD1^^^ALT"))
    facts = await states_of(log, number, 3)
    assert [other["value"] for other in facts[-1].body["patient"]["other_ids"]] == ["NEW1"]


@pytest.mark.parametrize(
    ("build", "code", "segment"),
    [
        (lambda number: a_merge(number, number), "207", "MRG"),
        (lambda number: adt_message("A40", pid(number)), "100", "MRG"),
        (lambda number: adt_message("A40", pid(number), "MRG|"), "101", "MRG"),
        (lambda number: adt_message("A40", mrg(number)), "100", "PID"),
        (lambda number: adt_message("A40", "PID|1||", mrg(number)), "101", "PID"),
        (lambda number: adt_message("A48", pid(number), "MRG|"), "101", "MRG"),
    ],
)
async def test_a_merge_that_names_no_pair_is_refused_and_changes_nothing(
    adt: MllpClient, patient: ServiceProcess, build: Callable[[str], bytes], code: str, segment: str
) -> None:
    number = a_number()
    with pytest.raises(Refused) as refused:
        await adt.send(build(number))
    error: Any = refused.value.ack.errors[0]
    assert (refused.value.ack.code, error.code, error.segment) == ("AE", code, segment)
    async with httpx.AsyncClient(base_url=patient.http) as http:
        assert (await http.get(f"/api/patient/patients/{key(number)}")).status_code == 404


async def test_merges_and_registrations_at_the_same_instant_all_count(
    mllp_port: int, patient: ServiceProcess, log: Log
) -> None:
    numbers = [a_number() for _ in range(6)]
    merges = [a_merge(one, next_, minute=minute) for minute, (one, next_) in enumerate(itertools.pairwise(numbers))]
    links = [adt_message("A24", pid(one), pid(next_)) for next_, one in itertools.pairwise(numbers)]
    messages = [*merges, *links, *(adt_message("A04", pid(number)) for number in numbers), *reversed(merges)]
    clients = [MllpClient("127.0.0.1", mllp_port) for _ in messages]
    answers = await asyncio.gather(*(client.send(each) for client, each in zip(clients, messages, strict=True)))
    for client in clients:
        await client.close()
    assert {answer.code for answer in answers} == {"AA"}
    async with httpx.AsyncClient(base_url=patient.http) as http:
        for number in numbers[:-1]:
            found = (await http.get(f"/api/patient/patients/{key(number)}")).json()
            assert found["survivor_id"] == key(numbers[-1])
    last = await log.wait_for(
        "patient-events", where=lambda r: r.key == key(numbers[0]) and r.type == "patient.merged.v1"
    )
    assert [record.body["survivor_id"] for record in last][-1] == key(numbers[-1])
