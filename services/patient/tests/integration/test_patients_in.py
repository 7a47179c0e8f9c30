"""Patients through the real doors, and those whom only an order or a study names."""

import asyncio
import itertools
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fj_events import (
    ClinicalPhi,
    CodedConcept,
    Identifier,
    OrderPlaced,
    PatientPhi,
    Priority,
    Source,
    StudyReceived,
    patient_key,
)
from fj_hl7 import MllpClient, Refused
from fj_testing import PATIENT_NAMESPACE, Feed, Log, ServiceProcess

pytestmark = pytest.mark.servers
NUMBERS = itertools.count(1)
NAMESPACE = UUID(PATIENT_NAMESPACE)


def a_number() -> str:
    return f"P{next(NUMBERS):05d}"


def message(
    number: str, trigger: str = "A04", name: str = "Example^Ada", rest: str = "|19700401|F", at: str = "20260302091500"
) -> bytes:
    return "\r".join(
        (
            f"MSH|^~\\&|ADT|GENERAL|FJ|FJ|20260302235900||ADT^{trigger}|C{next(NUMBERS)}|P|2.5.1",
            f"EVN|{trigger}|{at}",
            f"PID|1||{number}^^^GENERAL^MR||{name}|{rest}",
        )
    ).encode()


def an_order(number: str, **phi: Any) -> OrderPlaced:
    key = patient_key(NAMESPACE, "GENERAL", number)
    return OrderPlaced(
        site="MAIN",
        order_id=uuid4(),
        patient_id=key,
        accession_number=Identifier(value="A1", issuer="MAIN"),
        study_instance_uid="2.25.1",
        requested_procedure_id="A1",
        procedure=CodedConcept(code="CTCHEST"),
        priority=Priority.ROUTINE,
        source=Source.HL7,
        patient=PatientPhi(id=Identifier(value=number, issuer="GENERAL"), **phi),
        clinical=ClinicalPhi(),
    )


async def facts(log: Log, number: str, *types: str) -> list[Any]:
    """Of a number: all that is no question whether somebody else is the same person."""
    key = str(patient_key(NAMESPACE, "GENERAL", number))
    records = await log.wait_for(
        "patient-events", where=lambda record: record.key == key and "duplicate" not in record.type, count=len(types)
    )
    assert [record.type for record in records] == list(types)
    return records


@pytest.mark.parametrize("trigger", [*(f"A{number:02d}" for number in range(1, 14)), "A28", "A31", "A38"])
async def test_every_kind_of_announcement_registers_a_patient(adt: MllpClient, log: Log, trigger: str) -> None:
    number = a_number()
    assert (await adt.send(message(number, trigger))).code == "AA"
    [fact] = await facts(log, number, "patient.registered.v1")
    assert fact.body["provisional"] is False
    assert fact.body["patient"]["id"] == {"value": number, "issuer": "GENERAL"}
    assert (fact.body["patient"]["birth_date"], fact.body["patient"]["sex"]) == ("1970-04-01", "F")


async def test_an_update_is_a_fact_and_saying_the_same_again_is_none(adt: MllpClient, log: Log) -> None:
    number = a_number()
    await adt.send(message(number))
    await adt.send(message(number, "A31"))
    await adt.send(message(number, "A08", "Sample^Ada"))
    _, updated = await facts(log, number, "patient.registered.v1", "patient.updated.v1")
    assert updated.body["patient"]["family_name"] == "Sample"


@pytest.mark.parametrize("trigger", ["A08", "A31"])
async def test_an_old_update_never_undoes_a_newer_one(adt: MllpClient, log: Log, trigger: str) -> None:
    number = a_number()
    await adt.send(message(number))
    await adt.send(message(number, trigger, "Newer^Ada", at="20260302093000"))
    late = message(number, trigger, "Older^Ada", "|19700401|F|||1 High Street^^Town", at="20260302092000")
    assert (await adt.send(late)).code == "AA"
    *_, last = await facts(log, number, "patient.registered.v1", "patient.updated.v1", "patient.updated.v1")
    assert (last.body["patient"]["family_name"], last.body["patient"]["address"]["city"]) == ("Newer", "Town")


async def test_messages_about_a_new_patient_at_the_same_instant_register_one(
    mllp_port: int, patient: ServiceProcess, log: Log
) -> None:
    number = a_number()
    clients = [MllpClient("127.0.0.1", mllp_port) for _ in range(8)]
    await asyncio.gather(*(client.send(message(number)) for client in clients))
    for client in clients:
        await client.close()
    await facts(log, number, "patient.registered.v1")


async def test_a_patient_whom_only_an_order_names_is_provisional_until_the_adt_comes(
    adt: MllpClient, log: Log, feed: Feed
) -> None:
    number = a_number()
    await feed.publish(an_order(number, family_name="Typo"))
    [registered] = await facts(log, number, "patient.registered.v1")
    assert registered.body["provisional"] is True
    await adt.send(message(number))
    _, updated = await facts(log, number, "patient.registered.v1", "patient.updated.v1")
    assert (updated.body["provisional"], updated.body["patient"]["family_name"]) == (False, "Example")


async def test_an_order_after_the_adt_changes_nothing(adt: MllpClient, log: Log, feed: Feed) -> None:
    first, second = a_number(), a_number()
    await adt.send(message(first))
    await facts(log, first, "patient.registered.v1")
    await feed.publish(an_order(first, family_name="Typo"), an_order(second))
    await facts(log, second, "patient.registered.v1")
    await facts(log, first, "patient.registered.v1")


async def test_a_patient_whom_only_a_study_names_is_provisional(log: Log, patient: ServiceProcess, feed: Feed) -> None:
    number = a_number()
    study = StudyReceived.model_validate(
        {
            "site": "MAIN",
            "study_instance_uid": "1.2.3",
            "patient_id": patient_key(NAMESPACE, "GENERAL", number),
            "patient": {"id": {"value": number, "issuer": "GENERAL"}, "family_name": "Unknown"},
            "received_at": "2026-03-02T09:00:00Z",
        }
    )
    await feed.publish(study)
    [registered] = await facts(log, number, "patient.registered.v1")
    assert registered.body["provisional"] is True


async def test_a_patient_without_a_number_is_refused(adt: MllpClient) -> None:
    with pytest.raises(Refused) as refused:
        await adt.send(message("").replace(b"^^^GENERAL^MR", b""))
    assert [error.code for error in refused.value.ack.errors] == ["101"]


async def test_patients_are_found_by_number_and_by_name(adt: MllpClient, patient: ServiceProcess) -> None:
    number = a_number()
    await adt.send(message(number, name="Zebedee%_^Zoe"))
    async with httpx.AsyncClient(base_url=patient.http) as http:
        for query in ({"number": number}, {"number": number, "issuer": "GENERAL"}, {"family_name": "zebedee%_"}):
            [found] = (await http.get("/api/patient/patients", params=query)).json()
            assert found["patient"]["id"]["value"] == number
        assert (await http.get("/api/patient/patients", params={"number": number, "issuer": "SOUTH"})).json() == []
        missing = await http.get(f"/api/patient/patients/{uuid4()}")
        assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
        assert (await http.get("/api/patient/patients", params={"limit": 0})).status_code == 422
