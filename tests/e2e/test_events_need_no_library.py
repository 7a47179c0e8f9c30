"""Every message on Kafka as an outsider sees it: CloudEvents headers, its committed schema, no PHI outside."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from fj_events import MAX_BODY, SERVICES, TOPICS, dead_letter_topic
from fj_hl7 import Refused
from fj_simulators import Clinic, Exam, an_exam
from fj_testing import Log

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]
SCHEMAS = Path(__file__).resolve().parents[2] / "libs/events/schemas"


def schema(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((SCHEMAS / name).read_text("utf-8"))
    return document


async def person_looks(clinic: Clinic, exam: Exam) -> None:
    """A delivery is sent again, and of images of a stranger nothing is to be made."""
    answer = await clinic.until(exam, "delivered")
    sent = (
        await clinic.http.get("/api/ehr_sync/deliveries", params={"exam": answer["order_id"], "state": "delivered"})
    ).json()
    again = await clinic.http.post(f"/api/ehr_sync/deliveries/{sent[0]['delivery_id']}/repeat")
    again.raise_for_status()
    await clinic.modality.sends(clinic.modality.acquires_unscheduled(an_exam()))

    async def stranger() -> str | None:
        listed = await clinic.http.get("/api/portal/exceptions", params={"kind": "unknown patient"})
        return next((entry["event_id"] for entry in listed.json()["exceptions"]), None)

    entry = await clinic.soon(stranger, 60, "a patient whom only images have named")
    because = {"reason": "a phantom for quality control"}
    (await clinic.http.post(f"/api/portal/exceptions/{entry}/dismiss", json=because)).raise_for_status()


async def test_every_event_can_be_read_and_trusted_by_anyone(clinic: Clinic, events: Log) -> None:
    exam = an_exam(priority="S")
    await clinic.plays(exam)
    await clinic.until(exam, "delivered")
    await clinic.ehr.merges(an_exam(), exam)
    with pytest.raises(Refused):
        await clinic.ehr.orders(exam, "ZZ")
    await person_looks(clinic, exam)
    for topic in ("follower-events", "message-events", "operator-events", "exception-events"):
        await events.wait_for(topic, within=30)
    headers = json.loads((SCHEMAS.parent / "asyncapi.json").read_text("utf-8"))["components"]["schemas"]["headers"]
    records = await events.read(*TOPICS)
    numbers: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    name = exam.patient.names[0]
    for record in records:
        jsonschema.Draft202012Validator(headers).validate(record.headers)
        jsonschema.Draft202012Validator(schema(f"{record.type}.json")).validate(record.body)
        assert record.headers["ce_subject"] == record.key
        assert record.type in TOPICS[record.topic].facts
        assert len(record.value) <= MAX_BODY
        outside = json.dumps([record.key, record.headers])
        assert not [word for word in (name.family, name.given, exam.patient_id) if word in outside]
        numbers[record.topic, record.key].append(record.sequence)
    assert {record.topic for record in records} == set(TOPICS)
    assert [key for key, found in numbers.items() if found != list(range(1, len(found) + 1))] == []


async def test_no_fact_of_the_stories_became_a_dead_letter(clinic: Clinic, events: Log) -> None:
    exam = an_exam()
    await clinic.plays(exam)
    await clinic.until(exam, "delivered")
    dead = await events.read(*(dead_letter_topic(service) for service in SERVICES))
    assert [(record.topic, record.headers) for record in dead] == []


async def test_causes_lead_back_to_the_order(clinic: Clinic, events: Log) -> None:
    exam = an_exam()
    await clinic.plays(exam)
    answer = await clinic.until_fact(exam, "order.completed.v1")
    records = {record.headers["ce_id"]: record for record in await events.read(*TOPICS)}
    scheduled = next(entry for entry in answer["timeline"] if entry["type"] == "exam.scheduled.v1")
    cause = records[records[scheduled["event_id"]].headers["ce_causationid"]]
    assert (cause.type, cause.key) == ("order.placed.v1", answer["order_id"])
