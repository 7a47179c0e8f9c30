"""A running `storage` removes nothing before `ingest` has said that it takes what comes of a study for new."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fj_events import InstancesForgotten
from fj_testing import Feed, eventually

from services.storage.tests.builders import Exam, Packer
from services.storage.tests.studies import Study

pytestmark = pytest.mark.servers
RULES = "rejected: [{name: expired, codes: ['113039'], after: {days: 0}}]"


@pytest.fixture
async def study(study_of: Callable[[Exam], Study], feed: Feed, packer: Packer) -> Study:
    """Of three instances, available."""
    study = study_of(Exam())
    await feed.publish(await packer.ship(study.exam, study.exam.images(3)))
    await study.available()
    return study


def forgotten(retired: Any, **more: Any) -> InstancesForgotten:
    """What `ingest` says to that."""
    about = {key: retired[key] for key in ("site", "study_instance_uid", "retirement_id")}
    return InstancesForgotten(**about | more)


async def waiting(study: Study) -> list[Any]:
    """What the exceptions list says of its removal."""
    entries = (await study.http.get("/api/storage/exceptions")).json()
    about = (study.exam.study_uid, "delayed_removal")
    return [one for one in entries if (one["study_instance_uid"], one["kind"]) == about]


async def test_a_study_is_removed_when_ingest_has_forgotten_it(study: Study, feed: Feed) -> None:
    await study.says("retire")
    (retired,) = await study.told("study.retired.v1")
    await study.is_overdue(timedelta(hours=1))
    await asyncio.sleep(5)  # two looks of the clock
    assert "study.removed.v1" not in await study.types()
    await feed.publish(forgotten(retired))
    await study.told("study.removed.v1")
    assert "study.removal_delayed.v1" not in await study.types()


async def test_rejected_instances_are_removed_when_ingest_has_forgotten_them(study: Study, feed: Feed) -> None:
    found = (await study.http.get(f"/dicomweb/studies/{study.exam.study_uid}/instances")).json()
    series, instance = (found[0][tag]["Value"][0] for tag in ("0020000E", "00080018"))
    await study.says("reject", code="113039", series=series, instances=[instance])
    (retired,) = await study.told("study.retired.v1")
    await study.is_overdue(timedelta(hours=1))
    await asyncio.sleep(5)  # two looks of the clock
    assert "study.removed.v1" not in await study.types()
    await feed.publish(forgotten(retired))
    (removed,) = await study.told("study.removed.v1")
    assert (removed["number_of_instances"], removed["number_left"]) == (1, 2)


async def test_what_came_again_after_the_retirement_and_was_taken_for_known_recalls_the_study(
    study: Study, feed: Feed
) -> None:
    await study.says("retire")
    (retired,) = await study.told("study.retired.v1")
    await feed.publish(forgotten(retired, received_again_at=datetime.now(UTC)))
    (recalled,) = await study.told("study.recalled.v1")
    assert (recalled["cause"], recalled["number_of_instances"]) == ("images", 3)
    await study.shows(3)


async def test_what_came_again_before_the_retirement_goes_with_it(study: Study, feed: Feed) -> None:
    before = datetime.now(UTC)
    await study.says("retire")
    (retired,) = await study.told("study.retired.v1")
    await feed.publish(forgotten(retired, received_again_at=before))
    await study.is_overdue(timedelta())
    await study.told("study.removed.v1")


async def test_an_answer_to_an_earlier_retirement_lets_nothing_go_and_what_it_says_counts(
    study: Study, feed: Feed
) -> None:
    for _ in range(2):
        await study.says("retire")
        await study.says("recall")
    await study.says("retire")
    first, second, third = await study.told("study.retired.v1", 3)
    await feed.publish(forgotten(first))
    await study.is_overdue(timedelta(hours=1))
    await asyncio.sleep(3)  # one look of the clock
    assert "study.removed.v1" not in await study.types()
    await feed.publish(forgotten(second, received_again_at=datetime.now(UTC)), forgotten(third))
    assert (await study.told("study.recalled.v1", 3))[2]["cause"] == "images"
    await study.shows(3)


async def test_a_removal_that_waits_for_a_day_is_on_the_exceptions_list_until_it_is_done(
    study: Study, feed: Feed
) -> None:
    await study.says("retire")
    (retired,) = await study.told("study.retired.v1")
    await study.is_overdue(timedelta(days=1))
    (told,) = await study.told("study.removal_delayed.v1")
    assert told["retirement_id"] == retired["retirement_id"]
    (entry,) = await waiting(study)
    assert told["reason"] in entry["summary"]
    await asyncio.sleep(3)  # one look of the clock
    assert (await study.types()).count("study.removal_delayed.v1") == 1
    await feed.publish(forgotten(retired))
    await study.told("study.removed.v1")

    async def off_the_list() -> bool:
        return not await waiting(study)

    await eventually(off_the_list, within=20)


async def test_a_recall_takes_a_waiting_removal_off_the_list(study: Study) -> None:
    await study.says("retire")
    await study.is_overdue(timedelta(days=1))
    await study.told("study.removal_delayed.v1")
    assert (await study.says("recall")).status_code == 204
    assert await waiting(study) == []
