"""A modality tells what it does by MPPS (PS3.4 Annex F, IHE RAD-6, RAD-7)."""

import json
from typing import Any

import httpx
import pytest
from fj_events import OrderHeld, OrderPlaced
from fj_objects import S3Settings, S3Store
from fj_testing import S3, Feed, Log, Record, eventually
from pydantic import SecretStr
from pydicom import Dataset
from pydicom.uid import generate_uid

from services.scheduling.tests.builders import (
    Modality,
    a_series,
    an_order,
    cancelled,
    changed,
    code,
    ended,
    in_progress,
    paused,
)

pytestmark = pytest.mark.servers


async def scheduled(feed: Feed, modality: Modality, **given: Any) -> OrderPlaced:
    order = an_order(**given)
    await feed.publish(order)
    await eventually(lambda: modality.sees(order))
    return order


async def facts_of(log: Log, key: str, count: int) -> list[Record]:
    return await log.wait_for("exam-events", where=lambda record: record.key == key, count=count)


async def test_start_and_completion_with_the_list_of_instances(feed: Feed, modality: Modality, log: Log) -> None:
    order = await scheduled(feed, modality)
    uid, status = await modality.begins(in_progress(order))
    assert status.Status == 0x0000
    assert await modality.sees(order) == []
    instances = [generate_uid() for _ in range(3)]
    assert (await modality.says(uid, ended("COMPLETED", a_series(instances)))).Status == 0x0000
    _, started, completed = await facts_of(log, str(order.order_id), 3)
    assert (started.type, started.body["mpps_instance_uid"]) == ("exam.started.v1", uid)
    assert started.body["started_at"] == "2026-03-02T12:15:00Z"
    assert "patient" not in started.body
    assert (completed.type, completed.body["evidence"]) == ("exam.completed.v1", "mpps")
    assert completed.body["series"][0]["instances"] == instances
    assert completed.body["number_of_instances"] == 3


async def test_series_are_added_while_in_progress_and_the_last_list_counts(
    feed: Feed, modality: Modality, log: Log
) -> None:
    order = await scheduled(feed, modality)
    uid, _ = await modality.begins(in_progress(order))
    first, second = a_series([generate_uid()]), a_series([generate_uid(), generate_uid()])
    assert (await modality.says(uid, ended("IN PROGRESS", first))).Status == 0x0000
    assert (await modality.says(uid, ended("IN PROGRESS", first, second))).Status == 0x0000
    assert (await modality.says(uid, ended("COMPLETED"))).Status == 0x0000
    *_, completed = await facts_of(log, str(order.order_id), 3)
    assert completed.body["number_of_instances"] == 3


async def test_a_discontinued_exam_says_why_and_can_be_taken_up_again(feed: Feed, modality: Modality, log: Log) -> None:
    order = await scheduled(feed, modality)
    uid, _ = await modality.begins(in_progress(order))
    given_up = ended("DISCONTINUED")
    given_up.PerformedProcedureStepDiscontinuationReasonCodeSequence = [code("110513", "DCM", "Discontinued")]
    assert (await modality.says(uid, given_up)).Status == 0x0000
    again, status = await modality.begins(in_progress(order))
    assert status.Status == 0x0000
    await modality.says(again, ended("COMPLETED", a_series([generate_uid()])))
    facts = await facts_of(log, str(order.order_id), 5)
    assert [fact.type.removesuffix(".v1").removeprefix("exam.") for fact in facts] == [
        "scheduled",
        "started",
        "discontinued",
        "started",
        "completed",
    ]
    assert facts[2].body["reason"]["code"] == "110513"


async def test_the_same_requests_twice_change_nothing(feed: Feed, modality: Modality, log: Log) -> None:
    order = await scheduled(feed, modality)
    content = in_progress(order)
    uid, _ = await modality.begins(content)
    _, duplicate = await modality.begins(content, uid)
    assert duplicate.Status == 0x0111
    final = ended("COMPLETED", a_series([generate_uid()]))
    await modality.says(uid, final)
    refused = await modality.says(uid, final)
    assert (refused.Status, refused.ErrorID) == (0x0110, 0xA710)
    assert refused.ErrorComment == "Performed Procedure Step Object may no longer be updated"
    other = await scheduled(feed, modality)  # proves that nothing of the repetitions is still on its way
    await facts_of(log, str(other.order_id), 1)
    assert len(await facts_of(log, str(order.order_id), 3)) == 3


MISSING = (
    "ScheduledStepAttributesSequence",
    "PerformedProcedureStepID",
    "PerformedStationAETitle",
    "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime",
    "PerformedProcedureStepStatus",
    "Modality",
)


@pytest.mark.parametrize("keyword", MISSING)
async def test_what_is_missing_is_refused_by_name(modality: Modality, keyword: str) -> None:
    content = in_progress()
    delattr(content, keyword)
    uid, status = await modality.begins(content)
    assert status.Status == 0x0120
    assert status.ErrorComment.endswith("is missing")
    assert (await modality.says(uid, ended())).Status == 0x0112


@pytest.mark.parametrize("keyword", MISSING)
async def test_what_is_empty_is_refused_by_name(modality: Modality, keyword: str) -> None:
    content = in_progress()
    setattr(content, keyword, [] if keyword.endswith("Sequence") else "")
    _, status = await modality.begins(content)
    assert status.Status == 0x0121
    assert status.ErrorComment.endswith("is empty")


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PerformedProcedureStepStatus", "COMPLETED"),
        ("PerformedProcedureStepStatus", "DONE"),
        ("PerformedProcedureStepStartTime", "10-12"),
    ],
)
async def test_an_invalid_value_is_refused_and_nothing_changes(
    feed: Feed, modality: Modality, keyword: str, value: str
) -> None:
    order = await scheduled(feed, modality)
    uid, status = await modality.begins(in_progress(order, **{keyword: value}))
    assert status.Status == 0x0106
    assert len(await modality.sees(order)) == 1
    assert (await modality.says(uid, ended())).Status == 0x0112


async def test_an_unknown_instance_cannot_be_set(modality: Modality) -> None:
    status = await modality.says(generate_uid(), ended())
    assert status.Status == 0x0112
    assert status.ErrorComment == "there is no performed procedure step with this UID"


async def test_completion_needs_a_series_and_a_refusal_leaves_it_in_progress(feed: Feed, modality: Modality) -> None:
    order = await scheduled(feed, modality)
    uid, _ = await modality.begins(in_progress(order))
    assert (await modality.says(uid, ended("COMPLETED"))).Status == 0x0121
    assert (await modality.says(uid, ended("FINISHED"))).Status == 0x0106
    broken = a_series([generate_uid()])
    del broken.SeriesInstanceUID
    assert (await modality.says(uid, ended("COMPLETED", broken))).Status == 0x0120
    assert (await modality.says(uid, ended("COMPLETED", a_series([])))).Status == 0x0000


async def test_an_unscheduled_step_is_an_exam_of_its_own(modality: Modality, log: Log) -> None:
    study = generate_uid()
    uid, status = await modality.begins(in_progress(StudyInstanceUID=study))
    assert status.Status == 0x0000
    await modality.says(uid, ended("COMPLETED", a_series([generate_uid()])))
    started, completed = await facts_of(log, study, 2)
    assert (started.body["exam_key"], "order_id" in started.body) == (study, False)
    assert started.body["patient"]["id"] == {"value": "UNKNOWN1", "issuer": "MAIN"}
    assert completed.type == "exam.completed.v1"


async def test_a_modality_that_made_its_own_study_uid_is_known_by_the_accession_number(
    feed: Feed, modality: Modality, log: Log
) -> None:
    order, study = await scheduled(feed, modality), generate_uid()
    await modality.begins(in_progress(order, StudyInstanceUID=study))
    _, started = await facts_of(log, str(order.order_id), 2)
    assert started.body["study_instance_uid"] == study


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (None, "STARTED"),
        (ended("COMPLETED", a_series([generate_uid()])), "COMPLETED"),
        (ended("DISCONTINUED"), "DISCONTINUED"),
    ],
)
async def test_the_exam_wins_over_a_cancel_and_over_a_change(
    end: Dataset | None, state: str, feed: Feed, modality: Modality, log: Log
) -> None:
    order = await scheduled(feed, modality)
    uid, _ = await modality.begins(in_progress(order))
    if end:
        await modality.says(uid, end)
    stat, _, cancel = await feed.publish(changed(order, priority="STAT"), changed(order), cancelled(order))
    facts = await facts_of(log, str(order.order_id), 5 if end else 4)
    assert [fact.type for fact in facts[-2:]] == ["exam.cancel_refused.v1"] * 2
    assert [(fact.body["refused"], fact.body["state"]) for fact in facts[-2:]] == [("change", state), ("cancel", state)]
    assert [fact.headers["ce_causationid"] for fact in facts[-2:]] == [str(stat.id), str(cancel.id)]


async def test_the_exam_wins_over_a_hold_whichever_comes_first(feed: Feed, modality: Modality, log: Log) -> None:
    held, begun = await scheduled(feed, modality), await scheduled(feed, modality)
    await modality.begins(in_progress(begun))
    await feed.publish(paused(begun, OrderHeld), paused(held, OrderHeld))

    async def is_off_the_worklist() -> bool:
        return await modality.sees(held) == []

    await eventually(is_off_the_worklist)
    await modality.begins(in_progress(held))
    for order in (held, begun):
        facts = await facts_of(log, str(order.order_id), 3)
        assert [fact.type for fact in facts] == ["exam.scheduled.v1", "exam.started.v1", "exam.cancel_refused.v1"]
        assert facts[-1].body["refused"] == "hold"


async def test_an_exam_that_is_performed_after_its_cancel_reinstates_the_order(
    feed: Feed, modality: Modality, log: Log
) -> None:
    order = await scheduled(feed, modality)
    await feed.publish(cancelled(order))
    await facts_of(log, str(order.order_id), 2)
    await modality.begins(in_progress(order))
    facts = await facts_of(log, str(order.order_id), 4)
    assert [fact.type for fact in facts[1:]] == ["exam.cancelled.v1", "exam.started.v1", "exam.cancel_refused.v1"]


async def test_a_list_that_is_too_long_for_an_event_lies_in_the_object_store(
    feed: Feed, modality: Modality, log: Log, s3: S3
) -> None:
    order = await scheduled(feed, modality)
    uid, _ = await modality.begins(in_progress(order))
    instances = [f"1.2.826.0.1.3680043.8.498.{number:038d}" for number in range(10**37, 10**37 + 6000)]
    assert (await modality.says(uid, ended("COMPLETED", a_series(instances)))).Status == 0x0000
    *_, completed = await facts_of(log, str(order.order_id), 3)
    assert len(completed.value) < 4096
    assert completed.body["number_of_instances"] == 6000
    assert completed.body["series"][0]["number_of_instances"] == 6000
    ref = completed.body["instance_list"]
    stored = await read_object(s3, ref["key"])
    assert len(stored) == ref["size"]
    assert list(json.loads(stored).values()) == [instances]


async def read_object(s3: S3, key: str) -> bytes:
    settings = S3Settings(
        endpoint=s3.endpoint, bucket=s3.bucket, access_key=s3.access_key, secret_key=SecretStr(s3.secret_key)
    )
    return await S3Store(settings).get(key)


async def test_a_person_ends_what_its_modality_will_not(
    feed: Feed, modality: Modality, log: Log, http: httpx.AsyncClient
) -> None:
    order = await scheduled(feed, modality, procedure={"code": "MRARTHRO"})
    first, _ = await modality.sees(order)
    path = f"/api/scheduling/exams/{order.order_id}/finish"
    assert (await http.post(path)).status_code == 401
    user = {"X-FJ-User": "tess"}
    assert (await http.post(path, headers=user)).status_code == 409
    assert (await http.post("/api/scheduling/exams/none/finish", headers=user)).status_code == 404
    step_id = first.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID
    uid, _ = await modality.begins(in_progress(order, ScheduledProcedureStepID=step_id))
    await modality.says(uid, ended("IN PROGRESS", a_series([generate_uid()])))
    finished = (await http.post(path, headers=user)).json()
    assert [step["state"] for step in finished["steps"]] == ["COMPLETED", "CANCELLED"]
    assert await modality.sees(order) == []
    *_, completed = await facts_of(log, str(order.order_id), 3)
    assert (completed.type, completed.body["actor"], completed.body["number_of_instances"]) == (
        "exam.completed.v1",
        "tess",
        1,
    )
    late = await modality.says(uid, ended("COMPLETED", a_series([generate_uid()])))
    assert (late.Status, late.ErrorID) == (0x0110, 0xA710)
    assert (await http.post(path, headers=user)).status_code == 409
