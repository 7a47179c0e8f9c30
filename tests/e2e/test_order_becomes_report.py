"""The straight case over sockets only, from order to delivered report; then the same with everything said twice."""

from collections import Counter

import pytest
from fj_events import TOPICS
from fj_hl7.builders import order_message, patient_message
from fj_simulators import Answer, Clinic, Exam, an_exam
from fj_simulators.exam import a_header, a_visit
from fj_testing import Log, Record, eventually

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]

STRAIGHT = [
    "order.placed.v1",
    "exam.scheduled.v1",
    "exam.started.v1",
    "study.received.v1",
    "study.matched.v1",
    "exam.completed.v1",
    "study.available.v1",
    "report.preliminary.v1",
    "report.finalized.v1",
    "delivery.delivered.v1",
    "order.completed.v1",
]


async def test_an_order_becomes_a_delivered_report(clinic: Clinic) -> None:
    exam = an_exam()
    made = await clinic.plays(exam)
    answer = await settled(clinic, exam)

    assert answer["accession_number"] == exam.accession_number
    assert answer["placer_order_number"] == exam.placer_order_number
    assert (answer["patient"]["id"], answer["patient"]["issuer"]) == (exam.patient_id, exam.issuer)
    assert answer["patient"]["family_name"] == exam.patient.names[0].family
    assert answer["study_instance_uids"] == [made.study_instance_uid]
    assert (answer["instances"], answer["report"]) == (len(made.images), {"status": "final", "version": 2})
    assert set(types(answer)) == set(STRAIGHT)
    comes_before(answer, "order.placed.v1", "exam.scheduled.v1", "exam.started.v1", "exam.completed.v1")
    comes_before(answer, "study.received.v1", "study.matched.v1")
    comes_before(answer, "study.received.v1", "study.available.v1")
    comes_before(answer, "report.preliminary.v1", "report.finalized.v1", "order.completed.v1")

    assert [(result.status, result.kind) for result in clinic.ehr.results(exam)] == [("P", "ORU^R01"), ("F", "ORU^R01")]
    assert [status.status for status in clinic.ehr.statuses(exam)] == ["IP", "CM"]


async def test_everything_said_twice_has_the_same_end_and_each_fact_once(clinic: Clinic, events: Log) -> None:
    exam = an_exam(priority="S")
    registration = patient_message(a_header(), "A04", exam.patient, a_visit())
    order = order_message(a_header(), "NW", exam.patient, a_visit(), exam.order)
    for _ in range(2):
        await clinic.ehr.sends_patient(registration)
    for _ in range(2):
        await clinic.ehr.sends_order(order)
    entry = await clinic.on_worklist(exam)
    made = clinic.modality.acquires(entry)
    await clinic.modality.starts(made, entry)
    for _ in range(2):
        await clinic.modality.sends(made)
    await clinic.modality.completes(made)
    await clinic.until(exam, "available")
    await clinic.modality.sends(made)
    preliminary, final = clinic.dictation.message(exam, "P"), clinic.dictation.message(exam, "F")
    for message in (preliminary, preliminary, final, final, preliminary):
        await clinic.dictation.sends(message)
    answer = await settled(clinic, exam)

    assert Counter(types(answer)) == Counter([*STRAIGHT, *["delivery.delivered.v1"] * 3, "finding.priority_raised.v1"])
    assert answer["instances"] == len(made.images)
    facts = [record for record in await events.read(*TOPICS) if is_about(record, answer)]
    assert max(Counter(record.headers["ce_id"] for record in facts).values()) == 1
    assert max(Counter((record.topic, record.key, record.sequence) for record in facts).values()) == 1
    stored = [uid["sop_instance_uid"] for record in facts if record.topic == "instance-events"
              for uid in record.body["instances"]]  # fmt: skip
    assert sorted(stored) == sorted(image.SOPInstanceUID for image in made.images)


async def settled(clinic: Clinic, exam: Exam) -> Answer:
    """The exam answer once the order is completed and every delivery is told."""

    async def done() -> Answer | None:
        answer = await clinic.where_is(exam)
        told = types(answer).count("delivery.delivered.v1") if answer else 0
        return answer if answer and "order.completed.v1" in types(answer) and told == 4 else None

    answer: Answer | None = await eventually(done, within=60, what=f"{exam.accession_number} settled")
    assert answer is not None
    assert answer["state"] == "delivered"
    return answer


def types(answer: Answer) -> list[str]:
    return [entry["type"] for entry in answer["timeline"]]


def comes_before(answer: Answer, *wanted: str) -> None:
    places = [types(answer).index(kind) for kind in wanted]
    assert places == sorted(places), types(answer)


def is_about(record: Record, answer: Answer) -> bool:
    return record.key in {answer["order_id"], *answer["study_instance_uids"]}
