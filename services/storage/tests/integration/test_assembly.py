"""From facts about images, orders and performed steps to facts about studies."""

import asyncio
import hashlib
import itertools
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest
from fj_events import Fact, Identifier, ObjectRef
from fj_testing import Feed, Log, Record, ServiceProcess, Services, eventually

from services.storage.tests.builders import ISSUER, Exam, Packer

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]
Rebuild: TypeAlias = Callable[[], Awaitable[None]]
STRAIGHT = {"study.received.v1", "study.matched.v1", "study.available.v1"}


@pytest.fixture
def rebuild(storage: ServiceProcess, services: Services) -> Rebuild:
    """`storage-service rebuild`, between a stop and a start."""

    async def act() -> None:
        storage.stop()
        command, environment = Path(sys.executable).with_name("storage-service"), services.environment("storage")
        done = await asyncio.create_subprocess_exec(command, "rebuild", env=environment, stderr=subprocess.PIPE)
        _, errors = await done.communicate()
        assert done.returncode == 0, errors.decode()
        storage.start()

    return act


async def told(log: Log, exam: Exam, *types: str) -> list[Record]:
    """The facts about the study, one of each of `types` and no other, in the order of `types`.

    Their order on the log is that of arrival, and topics do not wait for each other.
    """
    records = await log.wait_for("study-events", where=lambda record: record.key == exam.study_uid, count=len(types))
    assert [record.sequence for record in records] == list(range(1, len(types) + 1))
    assert records[0].type == "study.received.v1"
    assert sorted(record.type for record in records) == sorted(types)
    return sorted(records, key=lambda record: types.index(record.type))


async def nothing_more(log: Log, exam: Exam, count: int, feed: Feed, packer: Packer) -> None:
    """A later exam has run through, and about this study no more than `count` facts were told."""
    marker = Exam()
    images = marker.images(1)
    await feed.publish(marker.completed(images), await packer.ship(marker, images))
    await log.wait_for("study-events", where=lambda r: r.key == marker.study_uid and r.type == "study.available.v1")
    assert len(await log.wait_for("study-events", where=lambda record: record.key == exam.study_uid)) == count


async def test_a_study_is_received_matched_and_complete_by_its_mpps(feed: Feed, log: Log, packer: Packer) -> None:
    exam = Exam()
    images = exam.images(3)
    await feed.publish(exam.order(), exam.started(), await packer.ship(exam, images))
    await told(log, exam, "study.received.v1", "study.matched.v1")
    await feed.publish(exam.completed(images))
    received, matched, available = await told(log, exam, "study.received.v1", "study.matched.v1", "study.available.v1")
    assert received.body["station_ae_title"] == "CT1"
    assert received.body["modalities"] == ["CT"]
    assert matched.body["matched_by"] == "study_uid"
    assert matched.body["order_id"] == str(exam.order_id)
    assert available.body["completeness"] == "mpps"
    assert available.body["reason"] == "mpps lists 3, all here"
    assert available.body["number_of_instances"] == available.body["expected_instances"] == 3
    assert available.body["series"][0]["number_of_instances"] == 3
    assert available.body["order_id"] == str(exam.order_id)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_any_order_of_arrival_ends_the_same(
    feed: Feed, log: Log, packer: Packer, http: httpx.AsyncClient, order: Sequence[int]
) -> None:
    exam = Exam()
    images = exam.images(2)
    facts: list[Fact] = [exam.order(), await packer.ship(exam, images), exam.completed(images)]
    for number in order:
        await feed.publish(facts[number])
    records = await log.wait_for("study-events", where=lambda record: record.key == exam.study_uid, count=3)
    assert {record.type for record in records} == STRAIGHT
    study = (await http.get(f"/api/storage/studies/{exam.study_uid}")).json()
    assert (study["completeness"], study["completeness_reason"]) == ("mpps", "mpps lists 2, all here")
    assert (study["matched_by"], study["order_id"]) == ("study_uid", str(exam.order_id))
    assert (study["number_of_instances"], study["number_of_series"], study["unmatched_reason"]) == (2, 1, None)


async def test_facts_told_twice_count_once(feed: Feed, log: Log, packer: Packer) -> None:
    exam = Exam()
    images = exam.images(2)
    facts: list[Fact] = [exam.order(), await packer.ship(exam, images), exam.completed(images)]
    for fact in facts:
        (envelope,) = await feed.publish(fact)
        await feed.repeat(fact, envelope)
    await feed.publish(facts[1])  # the same images in a fact of its own
    await told(log, exam, "study.received.v1", "study.matched.v1", "study.available.v1")
    await feed.publish(await packer.ship(exam, images))  # and in a pack of their own, from an ingest that has forgotten
    await nothing_more(log, exam, 3, feed, packer)


async def test_without_an_mpps_silence_completes_it(feed: Feed, log: Log, packer: Packer) -> None:
    exam = Exam()
    await feed.publish(exam.order(), await packer.ship(exam, exam.images(2)))
    *_, available = await told(log, exam, "study.received.v1", "study.matched.v1", "study.available.v1")
    assert available.body["completeness"] == "quiet_time"
    assert available.body["reason"] == "quiet for 1 s, no mpps"


async def test_what_the_mpps_lists_and_never_comes_is_named(feed: Feed, log: Log, packer: Packer) -> None:
    exam = Exam()
    images = exam.images(3)
    await feed.publish(exam.order(), exam.completed(images), await packer.ship(exam, images[:2]))
    *_, available = await told(log, exam, "study.received.v1", "study.matched.v1", "study.available.v1")
    assert (available.body["completeness"], available.body["reason"]) == ("incomplete", "incomplete 2 of 3")
    assert (available.body["number_of_instances"], available.body["expected_instances"]) == (2, 3)


async def test_an_mpps_in_progress_holds_a_quiet_study_open_up_to_its_limit(
    feed: Feed, log: Log, packer: Packer
) -> None:
    exam = Exam()
    await feed.publish(exam.order(), exam.started(), await packer.ship(exam, exam.images(1)))
    received, _, available = await told(log, exam, "study.received.v1", "study.matched.v1", "study.available.v1")
    assert available.body["reason"] == "quiet for 4 s, mpps in progress"
    assert available.headers["ce_time"] > received.headers["ce_time"]


async def test_a_long_list_lies_in_the_object_store(feed: Feed, log: Log, packer: Packer) -> None:
    exam = Exam()
    images = exam.images(2)
    data = json.dumps({images[0].series: [image.uid for image in images]}).encode()
    key = f"lists/{exam.study_uid}.json"
    await packer.store.put(key, data)
    ref = ObjectRef(bucket=packer.bucket, key=key, size=len(data), sha256=hashlib.sha256(data).hexdigest())
    await feed.publish(await packer.ship(exam, images), exam.completed([], instance_list=ref), exam.order())
    records = await log.wait_for("study-events", where=lambda record: record.key == exam.study_uid, count=3)
    assert [r.body["completeness"] for r in records if r.type == "study.available.v1"] == ["mpps"]


async def test_late_images_update_and_never_complete_again(feed: Feed, log: Log, packer: Packer) -> None:
    exam = Exam()
    images = exam.images(2)
    await feed.publish(exam.order(), await packer.ship(exam, images), exam.completed(images))
    await told(log, exam, "study.received.v1", "study.matched.v1", "study.available.v1")
    await feed.publish(await packer.ship(exam, exam.images(1, series_number=2)))
    *_, updated = await told(
        log, exam, "study.received.v1", "study.matched.v1", "study.available.v1", "study.updated.v1"
    )
    assert (updated.body["added_instances"], updated.body["number_of_instances"]) == (1, 3)
    assert updated.body["number_of_series"] == 2


async def test_the_same_uid_with_other_bytes_is_kept_beside_the_first(
    feed: Feed, log: Log, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam = Exam()
    (first,) = exam.images(1)
    other = exam.image(first.series, 1, 7, SOPInstanceUID=first.uid)
    await feed.publish(await packer.ship(exam, [first]), await packer.ship(exam, [other]), exam.completed([first]))
    await log.wait_for("study-events", where=lambda r: r.key == exam.study_uid and r.type == "study.available.v1")

    async def both_are_kept() -> (
        bool
    ):  # the first one and its performed step may be all that is known when it is available
        study = (await http.get(f"/api/storage/studies/{exam.study_uid}")).json()
        return (study["number_of_instances"], study["conflicting_instances"]) == (1, 1)

    await eventually(both_are_kept)
    path = f"/dicomweb/studies/{exam.study_uid}/series/{first.series}/instances/{first.uid}"
    answer = await http.get(path, headers={"Accept": "application/dicom; transfer-syntax=*"})
    assert answer.content == first.file


async def exceptions(http: httpx.AsyncClient, exam: Exam) -> list[dict[str, str]]:
    """What the exceptions list says of a study."""
    listed: list[dict[str, str]] = (await http.get("/api/storage/exceptions")).raise_for_status().json()
    return [one for one in listed if one["study_instance_uid"] == exam.study_uid]


async def test_a_uid_conflict_is_told_once_and_stands_on_the_exceptions_list(
    feed: Feed, log: Log, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam = Exam()
    first, plain = exam.images(2)
    others = [exam.image(first.series, 1, number, SOPInstanceUID=first.uid) for number in (7, 8)]
    pack = await packer.ship(exam, [first, plain])
    second = await packer.ship(exam, [others[0], plain])
    third = await packer.ship(exam, [*others, others[1]])
    await feed.publish(exam.order(), pack, pack, second, second, third, exam.completed([first, plain]))
    told_ = await log.wait_for(
        "study-events", where=lambda r: r.key == exam.study_uid and r.type == "study.conflicted.v1", count=2
    )
    await log.wait_for("study-events", where=lambda r: r.key == exam.study_uid and r.type == "study.available.v1")
    conflicts = [(told.body["pack"]["key"], told.body["instances"]) for told in told_]
    assert [(key, [(one["revision"], one["sha256"]) for one in found]) for key, found in conflicts] == [
        (second.pack.key, [(1, others[0].sha256)]),
        (third.pack.key, [(2, others[1].sha256)]),
    ]
    assert {one["current_sha256"] for _, found in conflicts for one in found} == {first.sha256}
    listed = await exceptions(http, exam)
    assert [one["kind"] for one in listed] == ["uid_conflict"] * 2
    assert {one["event_id"] for one in listed} == {told.headers["ce_id"] for told in told_}


async def test_an_accession_number_matches_where_the_uid_differs(feed: Feed, log: Log, packer: Packer) -> None:
    ordered = Exam()
    exam = Exam(accession=ordered.accession, patient_number=ordered.patient_number)
    await feed.publish(ordered.order(), await packer.ship(exam, exam.images(1)))
    _, matched, _ = await told(log, exam, "study.received.v1", "study.matched.v1", "study.available.v1")
    assert (matched.body["matched_by"], matched.body["order_id"]) == ("accession", str(ordered.order_id))
    assert matched.body["ordered_study_instance_uid"] == ordered.study_uid


async def test_the_same_number_of_another_issuer_is_another_number(feed: Feed, log: Log, packer: Packer) -> None:
    ordered = Exam()
    exam = Exam(accession=ordered.accession)
    foreign = ordered.order(accession_number=Identifier(value=ordered.accession or "", issuer="OTHER"))
    await feed.publish(foreign, await packer.ship(exam, exam.images(1)))
    await told(log, exam, "study.received.v1", "study.unmatched.v1", "study.available.v1")


async def test_the_performed_step_of_the_order_completes_images_with_another_uid(
    feed: Feed, log: Log, packer: Packer
) -> None:
    ordered = Exam()
    exam = Exam(accession=ordered.accession)
    images = exam.images(2)
    await feed.publish(ordered.order(), ordered.completed(images), await packer.ship(exam, images))
    *_, available = await told(log, exam, "study.received.v1", "study.matched.v1", "study.available.v1")
    assert available.body["completeness"] == "mpps"


async def test_the_only_open_order_of_the_patient_takes_images_without_numbers(
    feed: Feed, log: Log, packer: Packer
) -> None:
    ordered = Exam()
    exam = Exam(accession=None, patient_number=ordered.patient_number)
    await feed.publish(ordered.order(), await packer.ship(exam, exam.images(1)))
    _, matched, _ = await told(log, exam, "study.received.v1", "study.matched.v1", "study.available.v1")
    assert (matched.body["matched_by"], matched.body["order_id"]) == ("patient", str(ordered.order_id))
    assert "this is the only open CT order of this patient within 1 d" in matched.body["reason"]


async def test_a_study_without_an_order_waits_on_the_list_until_the_order_comes(
    feed: Feed, log: Log, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam = Exam()
    images = exam.images(1)
    await feed.publish(await packer.ship(exam, images), exam.completed(images, order_id=None, exam_key=exam.study_uid))
    *_, unmatched = await told(log, exam, "study.received.v1", "study.available.v1", "study.unmatched.v1")
    assert unmatched.body["reason"].endswith(f"accession number {exam.accession}^{ISSUER}")
    assert exam.study_uid in [
        study["study_instance_uid"] for study in (await http.get("/api/storage/unmatched")).json()
    ]
    assert [one["kind"] for one in await exceptions(http, exam)] == ["unmatched_study"]
    await feed.publish(exam.order())
    await told(log, exam, "study.received.v1", "study.available.v1", "study.unmatched.v1", "study.matched.v1")
    assert exam.study_uid not in (await http.get("/api/storage/unmatched")).text
    assert await exceptions(http, exam) == []


async def test_two_processes_close_each_study_once(
    feed: Feed, log: Log, packer: Packer, services: Services, free_port: Callable[[], int]
) -> None:
    second = services.start("storage", STORAGE_QUIET_TIME=1, STORAGE_DIMSE_PORT=free_port())
    exams = [Exam() for _ in range(12)]
    for exam in exams:
        await feed.publish(exam.order(), await packer.ship(exam, exam.images(1)))
    for exam in exams:
        await told(log, exam, "study.received.v1", "study.matched.v1", "study.available.v1")
    await nothing_more(log, exams[0], 3, feed, packer)
    for exam in exams:
        await told(log, exam, "study.received.v1", "study.matched.v1", "study.available.v1")
    second.stop()


async def test_what_was_said_while_storage_was_down_counts_before_its_silence(
    feed: Feed, log: Log, packer: Packer, storage: ServiceProcess
) -> None:
    exam = Exam()
    images = exam.images(2)
    await feed.publish(exam.order(), await packer.ship(exam, images[:1]))
    await told(log, exam, "study.received.v1", "study.matched.v1")
    storage.kill()
    await feed.publish(await packer.ship(exam, images[1:]), exam.completed(images))
    await asyncio.sleep(1.5)  # longer than the quiet time, in which nobody listens
    storage.start()
    *_, available = await told(log, exam, "study.received.v1", "study.matched.v1", "study.available.v1")
    assert available.body["reason"] == "mpps lists 2, all here"


async def test_the_index_can_be_made_anew_from_the_log(
    feed: Feed, log: Log, packer: Packer, rebuild: Rebuild, http: httpx.AsyncClient
) -> None:
    exam = Exam()
    images = exam.images(3)
    await feed.publish(exam.order(), await packer.ship(exam, images), exam.completed(images))
    await told(log, exam, "study.received.v1", "study.matched.v1", "study.available.v1")
    before = (await http.get(f"/api/storage/studies/{exam.study_uid}")).json()
    query = f"/dicomweb/studies?StudyInstanceUID={exam.study_uid}&includefield=all"
    study = (await http.get(query)).json()
    assert study[0]["00321064"]["Value"][0]["00080100"]["Value"] == ["CTCHEST"]
    found = (await http.get(f"/dicomweb/studies/{exam.study_uid}/instances")).json()
    await rebuild()
    assert (await http.get(query)).json() == study
    assert (await http.get(f"/dicomweb/studies/{exam.study_uid}/instances")).json() == found
    after = (await http.get(f"/api/storage/studies/{exam.study_uid}")).json()
    assert after | {"described_series": 0} == before | {"described_series": 0}
    await nothing_more(log, exam, 3, feed, packer)
