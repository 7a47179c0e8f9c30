"""Orders and studies in any order of arrival; the priority that follows, once."""

import itertools
from typing import Any
from uuid import UUID, uuid4

import pytest
from fj_events import (
    ClinicalPhi,
    CodedConcept,
    Fact,
    Identifier,
    MatchRule,
    OrderPlaced,
    PatientPhi,
    Priority,
    Source,
    StudyMatched,
    StudyReceived,
)
from fj_testing import Feed, Log, ServiceProcess, Services

pytestmark = pytest.mark.servers
NUMBERS = itertools.count(1)
ACCESSION = Identifier(value="A1", issuer="MAIN")


@pytest.fixture(scope="module")
def triage(services: Services) -> ServiceProcess:
    return services.start("triage")


def an_order(order_id: UUID, priority: Priority) -> OrderPlaced:
    return OrderPlaced(
        site="MAIN",
        order_id=order_id,
        patient_id=uuid4(),
        accession_number=ACCESSION,
        study_instance_uid="2.25.1",
        requested_procedure_id="A1",
        procedure=CodedConcept(code="CTCHEST", text="CT chest"),
        modality="CT",
        priority=priority,
        source=Source.HL7,
        patient=PatientPhi(),
        clinical=ClinicalPhi(),
    )


def a_study(uid: str, description: str = "CT chest") -> StudyReceived:
    return StudyReceived.model_validate(
        {
            "site": "MAIN",
            "study_instance_uid": uid,
            "modalities": ["CT"],
            "description": description,
            "patient": {},
            "received_at": "2026-03-02T09:00:00Z",
        }
    )


def a_match(uid: str, order_id: UUID) -> StudyMatched:
    return StudyMatched(
        site="MAIN",
        study_instance_uid=uid,
        order_id=order_id,
        patient_id=uuid4(),
        accession_number=ACCESSION,
        matched_by=MatchRule.STUDY_UID,
        reason="the same UID",
        ordered_study_instance_uid="2.25.1",
    )


def a_uid() -> str:
    return f"2.25.7{uuid4().int}"[:60]


async def raised(log: Log, uid: str) -> Any:
    [fact] = await log.wait_for("finding-events", where=lambda record: record.key == uid)
    return fact


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
async def test_a_stat_order_raises_its_study_whatever_comes_first(
    triage: ServiceProcess, feed: Feed, log: Log, order: tuple[int, ...]
) -> None:
    uid, order_id = a_uid(), uuid4()
    facts: list[Fact] = [an_order(order_id, Priority.STAT), a_study(uid), a_match(uid, order_id)]
    if order.index(2) < order.index(1):  # study-events keep their order: received comes before matched
        order = tuple({1: 2, 2: 1}.get(index, index) for index in order)
    for index in order:
        await feed.publish(facts[index])
    fact = await raised(log, uid)
    assert fact.type == "finding.priority_raised.v1"
    assert (fact.body["priority"], fact.body["previous"]) == ("STAT", "ROUTINE")
    assert (fact.body["rule"], fact.body["reason"]) == ("order-priority", "the order is STAT")
    assert fact.body["order_id"] == str(order_id)


async def test_a_study_without_an_order_is_raised_by_its_description(
    triage: ServiceProcess, feed: Feed, log: Log
) -> None:
    uid = a_uid()
    await feed.publish(a_study(uid, "EMERGENCY chest"))
    fact = await raised(log, uid)
    assert (fact.body["priority"], fact.body["rule"]) == ("URGENT", "emergency-study")


async def test_a_routine_study_is_left_alone(triage: ServiceProcess, feed: Feed, log: Log) -> None:
    routine, urgent, order_id = a_uid(), a_uid(), uuid4()
    await feed.publish(an_order(order_id, Priority.ROUTINE), a_study(routine), a_match(routine, order_id))
    await feed.publish(a_study(urgent, "trauma"))
    await raised(log, urgent)
    assert [record for record in await log.read("finding-events") if record.key == routine] == []
