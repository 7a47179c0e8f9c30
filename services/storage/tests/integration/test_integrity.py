"""The scrub of a running `storage`: what is no longer what was stored is found, told once, and seen to be well."""

from typing import Any

import httpx
import pytest
from fj_objects import ObjectStore
from fj_testing import Feed, Log, ServiceProcess, Services, eventually

from services.storage.tests.builders import Exam, Image, Packer

pytestmark = pytest.mark.servers
DAMAGED, RESTORED = "study.damaged.v1", "study.restored.v1"
PERSON = {"X-FJ-User": "pacs.admin"}


@pytest.fixture(scope="module")
def storage(services: Services, dimse_port: int) -> ServiceProcess:
    return services.start("storage", STORAGE_QUIET_TIME=60, STORAGE_DIMSE_PORT=dimse_port)


async def shipped(http: httpx.AsyncClient, feed: Feed, packer: Packer) -> tuple[Exam, list[Image], str]:
    """A study of three images in one pack; the name of the pack."""
    exam = Exam()
    images = exam.images(3)
    fact = await packer.ship(exam, images)
    await feed.publish(fact)

    async def is_here() -> bool:
        return (await http.get(f"/api/storage/studies/{exam.study_uid}")).status_code == 200

    await eventually(is_here)
    return exam, images, fact.pack.key


async def look(http: httpx.AsyncClient, exam: Exam) -> None:
    answer = await http.post(f"/api/storage/studies/{exam.study_uid}/verification", headers=PERSON)
    assert (answer.status_code, answer.json()) == (202, {"packs": 1})


async def listed(http: httpx.AsyncClient, exam: Exam) -> list[dict[str, Any]]:
    entries = (await http.get("/api/storage/exceptions")).json()
    return [entry for entry in entries if entry["study_instance_uid"] == exam.study_uid]


async def told(log: Log, exam: Exam) -> list[tuple[str, Any]]:
    facts = [record for record in await log.read("study-events") if record.key == exam.study_uid]
    return [(record.type, record.body) for record in facts if record.type in {DAMAGED, RESTORED}]


async def put_anew(store: ObjectStore, key: str, data: bytes) -> None:
    """Behind the back of everybody."""
    await store.delete(key)
    await store.put(key, data)


async def test_an_altered_instance_is_named_and_the_others_of_its_pack_are_not(
    http: httpx.AsyncClient, feed: Feed, packer: Packer, log: Log
) -> None:
    exam, images, key = await shipped(http, feed, packer)
    good = await packer.store.get(key)
    place = good.index(images[1].file) + len(images[1].file) - 3
    await put_anew(packer.store, key, good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
    await look(http, exam)
    await eventually(lambda: listed(http, exam), within=20)
    (entry,) = await listed(http, exam)
    assert (entry["kind"], entry["summary"]) == ("damaged_study", "1 instances are altered in the object store")

    await put_anew(packer.store, key, good)
    await look(http, exam)

    async def is_well() -> bool:
        return not await listed(http, exam)

    await eventually(is_well, within=20)

    async def both() -> bool:
        return len(await told(log, exam)) == 2

    await eventually(both)
    (first, damaged), (second, _) = await told(log, exam)
    assert (first, second) == (DAMAGED, RESTORED)
    assert (damaged["damage"], damaged["instances"], damaged["pack"]["key"]) == ("altered", [images[1].uid], key)


async def test_a_pack_that_is_gone_or_cut_is_told_once_however_often_it_is_looked_at(
    http: httpx.AsyncClient, feed: Feed, packer: Packer, log: Log
) -> None:
    exam, images, key = await shipped(http, feed, packer)
    await packer.store.delete(key)

    async def is_looked_at() -> bool:
        return bool((await http.get("/api/storage/integrity")).json()["asked_for"] == 0)

    for _ in range(2):
        await look(http, exam)
        await eventually(is_looked_at, within=20)
    assert len(await listed(http, exam)) == 1
    await eventually(lambda: told(log, exam))
    ((_, missing),) = await told(log, exam)
    assert (missing["damage"], missing["number_of_instances"]) == ("missing", 3)
    assert set(missing["instances"]) == {image.uid for image in images}
    assert (await http.get("/api/storage/integrity")).json()["damaged_packs"] == 1


async def test_who_has_a_study_looked_at_is_on_the_log(
    http: httpx.AsyncClient, feed: Feed, packer: Packer, log: Log
) -> None:
    exam, _, _ = await shipped(http, feed, packer)
    await look(http, exam)
    asked = await log.wait_for(
        "study-events", where=lambda r: r.key == exam.study_uid and r.type == "study.verification_asked.v1"
    )
    assert [(fact.body["actor"], fact.body["number_of_packs"]) for fact in asked] == [("pacs.admin", 1)]


async def test_only_a_person_has_a_study_looked_at_and_only_one_that_is_here(http: httpx.AsyncClient) -> None:
    assert (await http.post("/api/storage/studies/1.2.3/verification")).status_code == 401
    assert (await http.post("/api/storage/studies/1.2.3/verification", headers=PERSON)).status_code == 404
