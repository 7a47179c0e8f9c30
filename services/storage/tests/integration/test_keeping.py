"""How long a running `storage` keeps studies: holds, rules, recalls, removals, and what comes again."""

import asyncio
import hashlib
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from fj_objects import NoSuchObject
from fj_testing import Feed, Log, ServiceProcess, Services, eventually

from services.storage.tests.builders import Exam, Image, Packer
from services.storage.tests.integration.test_rejecting import a_code, a_note

pytestmark = pytest.mark.servers
PERSON = {"X-FJ-User": "records.officer"}
WHY = {"reason": "court order"}
LONG_AGO = date(2011, 5, 6)
RULES = """
retention:
  - name: us-10-years
    when: {modality: US}
    keep: {years: 10}
  - name: mr-100-years
    when: {modality: MR}
    keep: {years: 100}
rejected:
  - name: expired-notes
    codes: ["113039"]
    after: {days: 0}
"""


@pytest.fixture(scope="module")
def lifecycle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lifecycle") / "lifecycle.yaml"
    path.write_text(RULES)
    return path


@pytest.fixture(scope="module")
def keeping(services: Services, dimse_port: int, lifecycle: Path) -> ServiceProcess:
    return services.start(
        "storage",
        STORAGE_QUIET_TIME=1,
        STORAGE_DIMSE_PORT=dimse_port,
        FJ_LIFECYCLE=str(lifecycle),
        STORAGE_LIFECYCLE_SECONDS="0.3",
        STORAGE_DELETION_DELAY=0,
    )


@pytest.fixture
async def http(keeping: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=keeping.http, timeout=20) as client:
        yield client


@pytest.fixture
async def database(services: Services) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(services.database("storage"))
    yield connection
    await connection.close()


@dataclass
class Room:
    """One study, seen from outside."""

    exam: Exam
    http: httpx.AsyncClient
    log: Log
    database: "asyncpg.Connection[asyncpg.Record]"

    @property
    def api(self) -> str:
        return f"/api/storage/studies/{self.exam.study_uid}"

    async def found(self) -> int:
        """How many instances a search shows."""
        return len((await self.http.get(f"/dicomweb/studies/{self.exam.study_uid}/instances")).json())

    async def shows(self, count: int) -> None:
        async def shown() -> bool:
            return await self.found() == count

        await eventually(shown, within=20)

    async def available(self) -> None:
        async def is_there() -> bool:
            answer = await self.http.get(self.api)
            return answer.status_code == 200 and answer.json()["available_at"] is not None

        await eventually(is_there, within=20)

    async def told(self, type_: str, count: int = 1) -> list[Any]:
        def ours(record: Any) -> bool:
            return bool(record.key == self.exam.study_uid and record.type == type_)

        return [one.body for one in await self.log.wait_for("study-events", where=ours, count=count, within=20)]

    async def types(self) -> list[str]:
        return [one.type for one in await self.log.read("study-events") if one.key == self.exam.study_uid]

    async def says(self, act: str, **more: Any) -> httpx.Response:
        return await self.http.post(f"{self.api}/{act}", json=WHY | more, headers=PERSON)

    async def keeping(self) -> Any:
        return (await self.http.get(f"{self.api}/keeping")).json()

    async def grace_ends(self) -> None:
        await self.database.execute(
            "UPDATE retirement SET removal_at = now() WHERE study_instance_uid = $1", self.exam.study_uid
        )


@pytest.fixture
def room(http: httpx.AsyncClient, log: Log, database: "asyncpg.Connection[asyncpg.Record]") -> Callable[[Exam], Room]:
    return lambda exam: Room(exam, http, log, database)


async def gone(packer: Packer, key: str) -> bool:
    try:
        await packer.store.head(key)
    except NoSuchObject:
        return True
    return False


def hash_of(images: list[Image]) -> str:
    return hashlib.sha256("".join(sorted(f"{one.uid} {one.sha256}\n" for one in images)).encode()).hexdigest()


async def test_a_study_that_is_due_is_hidden_then_removed_and_leaves_a_tombstone(
    room: Callable[[Exam], Room], feed: Feed, packer: Packer, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    study, other = room(Exam(modality="US", study_date=LONG_AGO)), room(Exam(modality="US"))
    images, more = study.exam.images(3), study.exam.images(2, series_number=2)
    packs = [await packer.ship(study.exam, some) for some in (images, more)]
    await feed.publish(await packer.ship(other.exam, other.exam.images(1)), *packs)
    (retired,) = await study.told("study.retired.v1")
    assert (retired["rule"], retired["reason"]) == ("us-10-years", "10 years since study")
    assert retired["number_of_instances"] == 5
    await study.shows(0)
    assert not await gone(packer, packs[0].pack.key)
    due = (await study.http.get("/api/storage/retention/retired")).json()
    assert retired["retirement_id"] in {one["retirement_id"] for one in due}

    await study.grace_ends()
    (removed,) = await study.told("study.removed.v1")
    assert removed["content_sha256"] == hash_of(images + more)
    assert (removed["number_of_series"], removed["number_of_instances"], removed["number_of_packs"]) == (2, 5, 2)
    assert removed["bytes"] == sum(fact.pack.size for fact in packs)

    async def deleted() -> bool:
        return all([await gone(packer, fact.pack.key) for fact in packs])

    await eventually(deleted, within=20)
    assert (await study.http.get(study.api)).status_code == 404
    for table in ("study", "series", "study_route", "rejected", "pack", "send", "key_object"):
        count = await database.fetchval(
            f"SELECT count(*) FROM {table} WHERE study_instance_uid = $1", study.exam.study_uid
        )
        assert (table, count) == (table, 0)
    (stone,) = (await study.keeping())["tombstones"]
    assert (stone["rule"], stone["number_of_instances"]) == ("us-10-years", 5)
    await other.shows(1)


async def test_the_rules_can_be_asked_before_they_act(room: Callable[[Exam], Room], feed: Feed, packer: Packer) -> None:
    study = room(Exam(modality="MR", study_date=LONG_AGO))
    await feed.publish(await packer.ship(study.exam, study.exam.images(1)))
    await study.available()
    then = (await study.http.get("/api/storage/retention/due", params={"on": "2111-05-06"})).json()
    assert then["by_rule"]["mr-100-years"] == 1
    (found,) = [one for one in then["studies"] if one["study_instance_uid"] == study.exam.study_uid]
    assert (found["rule"], found["since"]) == ("mr-100-years", "2111-05-06")
    before = (await study.http.get("/api/storage/retention/due", params={"on": "2111-05-05"})).json()
    assert study.exam.study_uid not in {one["study_instance_uid"] for one in before["studies"]}
    await study.shows(1)


async def test_what_is_on_hold_is_never_retired_and_a_hold_recalls_what_is(
    room: Callable[[Exam], Room], feed: Feed, packer: Packer
) -> None:
    study = room(Exam(modality="US", study_date=LONG_AGO))
    await feed.publish(await packer.ship(study.exam, study.exam.images(2)))
    await study.told("study.retired.v1")
    assert (await study.http.post(f"{study.api}/hold", json=WHY)).status_code == 401
    held = await study.says("hold")
    assert held.status_code == 200
    (recalled,) = await study.told("study.recalled.v1")
    assert (recalled["cause"], recalled["number_of_instances"]) == ("hold", 2)
    (told,) = await study.told("study.held.v1")
    assert (told["actor"], told["reason"], told["hold_id"]) == (
        "records.officer",
        "court order",
        held.json()["hold_id"],
    )
    assert (await study.says("retire")).status_code == 409
    assert (await study.says("reject", code="113039")).status_code == 200
    await asyncio.sleep(1)  # three looks of the clock
    assert (await study.types()).count("study.retired.v1") == 1
    assert (await study.says("restore")).status_code == 200
    await study.shows(2)

    assert (await study.says(f"holds/{held.json()['hold_id']}/lift")).status_code == 200
    (lifted,) = await study.told("study.hold_lifted.v1")
    assert not lifted["still_held"]
    await study.told("study.retired.v1", 2)
    assert (await study.keeping())["holds"] == []


async def test_a_hold_on_a_patient_holds_what_comes_later_too(
    room: Callable[[Exam], Room], feed: Feed, packer: Packer
) -> None:
    first = room(Exam(modality="CT"))
    second = room(Exam(modality="US", study_date=LONG_AGO, patient_number=first.exam.patient_number))
    await feed.publish(await packer.ship(first.exam, first.exam.images(1)))
    await first.available()
    assert (await first.says("hold", whole_patient=True)).status_code == 200
    await feed.publish(await packer.ship(second.exam, second.exam.images(1)))
    await second.available()
    (hold,) = (await second.keeping())["holds"]
    assert hold["patient_id"] == str(first.exam.patient_id)
    await asyncio.sleep(1)  # three looks of the clock
    assert "study.retired.v1" not in await second.types()
    await second.shows(1)


async def test_a_person_retires_and_recalls_and_a_restore_does_not_undo_that(
    room: Callable[[Exam], Room], feed: Feed, packer: Packer
) -> None:
    study = room(Exam())
    await feed.publish(await packer.ship(study.exam, study.exam.images(2)))
    await study.available()
    assert (await study.says("recall")).status_code == 409
    retired = await study.says("retire")
    assert (await study.says("retire")).json() == retired.json(), "said twice"
    assert (await study.told("study.retired.v1"))[0]["actor"] == "records.officer"
    await study.shows(0)
    assert (await study.says("restore")).status_code == 409
    assert (await study.says("recall")).status_code == 204
    await study.shows(2)
    assert (await study.told("study.recalled.v1"))[0]["cause"] == "person"
    assert (await study.types()).count("study.retired.v1") == 1


async def test_a_retrieval_is_noted_and_a_search_is_not(
    room: Callable[[Exam], Room], feed: Feed, packer: Packer
) -> None:
    study, searched = room(Exam()), room(Exam())
    for each in (study, searched):
        await feed.publish(await packer.ship(each.exam, each.exam.images(1)))
        await each.available()
        await each.shows(1)
    assert (await study.http.get(f"/dicomweb/studies/{study.exam.study_uid}/metadata")).status_code == 200

    async def noted() -> list[str]:
        rows = await study.database.fetch("SELECT study_instance_uid FROM study_access")
        return [row["study_instance_uid"] for row in rows]

    await eventually(noted, within=30)
    assert study.exam.study_uid in await noted()
    assert searched.exam.study_uid not in await noted()


async def test_images_that_come_bring_a_retired_study_back(
    room: Callable[[Exam], Room], feed: Feed, packer: Packer
) -> None:
    study = room(Exam())
    images = study.exam.images(2)
    await feed.publish(await packer.ship(study.exam, images))
    await study.available()
    await study.says("retire")
    await study.shows(0)
    again = await packer.ship(study.exam, images)
    await feed.publish(again)
    (recalled,) = await study.told("study.recalled.v1")
    assert recalled["cause"] == "images"
    await study.shows(2)


async def test_a_note_that_retention_is_over_removes_where_the_rule_says_so(
    room: Callable[[Exam], Room], feed: Feed, packer: Packer
) -> None:
    study, unsafe = room(Exam()), room(Exam())
    for each, code in ((study, "113039"), (unsafe, "113037")):
        images = each.exam.images(2)
        await feed.publish(await packer.ship(each.exam, images))
        await each.available()
        await feed.publish(await packer.ship(each.exam, [a_note(each.exam, images, a_code(code))]))
        await each.told("study.rejected.v1")
    (retired,) = await study.told("study.retired.v1")
    assert (retired["rule"], retired["number_of_instances"]) == ("expired-notes", 0)
    await study.grace_ends()
    assert (await study.told("study.removed.v1"))[0]["number_of_instances"] == 3
    assert "study.retired.v1" not in await unsafe.types()


async def test_a_rejection_that_is_taken_back_in_the_grace_keeps_the_study(
    room: Callable[[Exam], Room], feed: Feed, packer: Packer
) -> None:
    study = room(Exam())
    await feed.publish(await packer.ship(study.exam, study.exam.images(2)))
    await study.available()
    await study.says("reject", code="113039")
    await study.told("study.retired.v1")
    assert (await study.says("restore")).status_code == 200
    assert (await study.told("study.recalled.v1"))[0]["cause"] == "rule"
    await study.shows(2)


async def test_what_was_removed_stays_so_in_a_rebuilt_index_and_is_a_new_study_when_it_comes_again(
    room: Callable[[Exam], Room], feed: Feed, packer: Packer, keeping: ServiceProcess
) -> None:
    study, kept = room(Exam()), room(Exam())
    images = study.exam.images(2)
    await feed.publish(await packer.ship(study.exam, images), await packer.ship(kept.exam, kept.exam.images(1)))
    await study.available()
    await study.says("retire")
    await study.grace_ends()
    await study.told("study.removed.v1")

    keeping.stop()
    rebuilt = await asyncio.to_thread(
        subprocess.run, [*keeping.program.command[:1], "rebuild"], env=keeping.program.environment, check=False
    )
    assert rebuilt.returncode == 0
    await asyncio.to_thread(keeping.start)
    await kept.shows(1)
    assert await study.found() == 0
    assert (await study.types()).count("study.received.v1") == 1

    await feed.publish(await packer.ship(study.exam, images))
    await study.shows(2)
    await study.told("study.available.v1", 2)
    assert len((await study.keeping())["tombstones"]) == 1


async def test_a_removal_that_was_killed_before_it_deleted_is_finished_later(
    room: Callable[[Exam], Room], feed: Feed, packer: Packer, services: Services, keeping: ServiceProcess
) -> None:
    study = room(Exam())
    fact = await packer.ship(study.exam, study.exam.images(2))
    await feed.publish(fact)
    await study.available()
    await study.says("retire")
    keeping.stop()
    slow = services.start("storage", "clock,relay", STORAGE_DELETION_DELAY=3600)
    await study.grace_ends()
    await study.told("study.removed.v1")
    slow.kill()
    assert not await gone(packer, fact.pack.key)
    await asyncio.to_thread(keeping.start)
    await study.database.execute("UPDATE doomed_object SET due_at = now() WHERE key = $1", fact.pack.key)

    async def deleted() -> bool:
        return await gone(packer, fact.pack.key)

    await eventually(deleted, within=20)
