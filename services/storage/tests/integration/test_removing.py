"""What is due is removed by a running `storage`: its tombstone, a rebuilt index, and what comes again."""

import asyncio
import hashlib
import subprocess
from collections.abc import Callable
from datetime import date

import pytest
from fj_testing import Feed, ServiceProcess, Services, eventually
from storage_service.adapters.sql import Pool

from services.storage.tests.builders import Exam, Image, Packer
from services.storage.tests.integration.test_rejecting import a_code, a_note
from services.storage.tests.studies import Study, is_gone

pytestmark = pytest.mark.servers
RULES = """
retention: [{name: us-10-years, when: {modality: US}, keep: {years: 10}}]
rejected: [{name: expired-notes, codes: ["113039"], after: {days: 0}}]
"""


def hash_of(images: list[Image]) -> str:
    return hashlib.sha256("".join(sorted(f"{one.uid} {one.sha256}\n" for one in images)).encode()).hexdigest()


async def test_a_study_that_is_due_is_hidden_then_removed_and_leaves_a_tombstone(
    study_of: Callable[[Exam], Study], feed: Feed, packer: Packer, pool: Pool
) -> None:
    study, other = study_of(Exam(modality="US", study_date=date(2011, 5, 6))), study_of(Exam(modality="US"))
    images, more = study.exam.images(3), study.exam.images(2, series_number=2)
    packs = [await packer.ship(study.exam, some) for some in (images, more)]
    await feed.publish(await packer.ship(other.exam, other.exam.images(1)), *packs)
    (retired,) = await study.told("study.retired.v1")
    assert (retired["rule"], retired["reason"]) == ("us-10-years", "10 years since study")
    assert retired["number_of_instances"] == 5
    await study.shows(0)
    assert not await is_gone(packer.store, packs[0].pack.key)
    due = (await study.http.get("/api/storage/retention/retired")).json()
    assert retired["retirement_id"] in {one["retirement_id"] for one in due}

    await study.grace_ends()
    (removed,) = await study.told("study.removed.v1")
    assert removed["content_sha256"] == hash_of(images + more)
    assert (removed["number_of_series"], removed["number_of_instances"], removed["number_of_packs"]) == (2, 5, 2)
    assert removed["bytes"] == sum(fact.pack.size for fact in packs)

    async def deleted() -> bool:
        return all([await is_gone(packer.store, fact.pack.key) for fact in packs])

    await eventually(deleted, within=20)
    assert (await study.http.get(study.api)).status_code == 404
    for table in ("study", "series", "study_route", "rejected", "pack", "send", "key_object"):
        count = await pool.fetchval(f"SELECT count(*) FROM {table} WHERE study_instance_uid = $1", study.exam.study_uid)
        assert (table, count) == (table, 0)
    (stone,) = (await study.keeping())["tombstones"]
    assert (stone["rule"], stone["number_of_instances"]) == ("us-10-years", 5)
    await other.shows(1)


async def test_a_note_that_retention_is_over_removes_where_the_rule_says_so(
    study_of: Callable[[Exam], Study], feed: Feed, packer: Packer
) -> None:
    study, unsafe = study_of(Exam()), study_of(Exam())
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


async def test_what_was_removed_stays_so_in_a_rebuilt_index_and_is_a_new_study_when_it_comes_again(
    study_of: Callable[[Exam], Study], feed: Feed, packer: Packer, storage: ServiceProcess
) -> None:
    study, kept = study_of(Exam()), study_of(Exam())
    images = study.exam.images(2)
    await feed.publish(await packer.ship(study.exam, images), await packer.ship(kept.exam, kept.exam.images(1)))
    await study.available()
    await study.says("retire")
    await study.grace_ends()
    await study.told("study.removed.v1")

    storage.stop()
    rebuilt = await asyncio.to_thread(
        subprocess.run, [*storage.program.command[:1], "rebuild"], env=storage.program.environment, check=False
    )
    assert rebuilt.returncode == 0
    await asyncio.to_thread(storage.start)
    await kept.shows(1)
    assert await study.found() == 0
    assert (await study.types()).count("study.received.v1") == 1

    await feed.publish(await packer.ship(study.exam, images))
    await study.shows(2)
    await study.told("study.available.v1", 2)
    assert len((await study.keeping())["tombstones"]) == 1


async def test_a_removal_that_was_killed_before_it_deleted_is_finished_later(
    study_of: Callable[[Exam], Study], feed: Feed, packer: Packer, services: Services, storage: ServiceProcess
) -> None:
    study = study_of(Exam())
    fact = await packer.ship(study.exam, study.exam.images(2))
    await feed.publish(fact)
    await study.available()
    await study.says("retire")
    storage.stop()
    slow = services.start("storage", "clock,relay", STORAGE_DELETION_DELAY=3600)
    await study.grace_ends()
    await study.told("study.removed.v1")
    slow.kill()
    assert not await is_gone(packer.store, fact.pack.key)
    await asyncio.to_thread(storage.start)
    await study.pool.execute("UPDATE doomed_object SET due_at = now() WHERE key = $1", fact.pack.key)

    async def deleted() -> bool:
        return await is_gone(packer.store, fact.pack.key)

    await eventually(deleted, within=20)
