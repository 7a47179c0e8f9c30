"""The reading list shows the survivor of a merge, whenever it came, and the number itself after an unmerge."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from fj_events import Fact, OrderPlaced, PatientPhi, PatientRegistered, Source, StudyAvailable
from fj_testing import (
    Feed,
    Log,
    ServiceProcess,
    Services,
    eventually,
    has_followed,
    merged,
    moved_with,
    person,
    unmerged,
    visits_followed,
)

from services.reporting.tests.room import Exam

pytestmark = pytest.mark.servers
Person = tuple[UUID, PatientPhi]


@pytest.fixture(scope="module")
def reporting(services: Services, free_port: Callable[[], int]) -> ServiceProcess:
    return services.start("reporting", REPORTING_MLLP_PORT=free_port())


@pytest.fixture
async def http(reporting: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=reporting.http) as client:
        yield client


def somebody(family_name: str) -> Person:
    patient_id = uuid4()
    return patient_id, person(f"P{patient_id.hex[:8]}", family_name)


def ordered(exam: Exam, whose: Person) -> OrderPlaced:
    return exam.order().model_copy(update={"patient_id": whose[0], "patient": whose[1]})


def imaged(exam: Exam, whose: Person) -> StudyAvailable:
    return exam.available().model_copy(update={"patient_id": whose[0], "patient": whose[1]})


async def shows(http: httpx.AsyncClient, exam: Exam, whose: Person) -> None:
    async def so() -> bool:
        items = (await http.get("/api/reporting/reading-list")).json()
        shown = [item["patient"] for item in items if item["study_instance_uids"] == [exam.uid]]
        number = whose[1].id
        assert number
        return [(one["id"]["value"], one["family_name"]) for one in shown] == [(number.value, whose[1].family_name)]

    await eventually(so, within=20, what=f"{exam.uid} of {whose[1].family_name}")


@pytest.mark.parametrize("first", ["merge", "exam"])
@pytest.mark.parametrize("matched", [True, False], ids=["ordered", "images alone"])
async def test_the_reading_list_shows_the_survivor(
    http: httpx.AsyncClient, feed: Feed, log: Log, first: str, *, matched: bool
) -> None:
    exam, old, survivor = Exam(), somebody("Unknown"), somebody("Example")
    merge = merged(old, survivor)
    known: list[Fact] = [ordered(exam, old), imaged(exam, old), exam.matched()] if matched else [imaged(exam, old)]
    facts = [merge, *known] if first == "merge" else [*known, merge]
    cause = (await feed.publish(*facts))[facts.index(merge)]
    await feed.repeat(merge, cause)
    await shows(http, exam, survivor)
    assert await has_followed(log, "reporting", cause.id) == [str(survivor[0])]
    registered = (survivor[0], survivor[1].model_copy(update={"family_name": "Sample"}))
    await feed.publish(
        PatientRegistered(
            site="MAIN", patient_id=survivor[0], provisional=False, source=Source.HL7, patient=registered[1]
        )
    )
    await shows(http, exam, registered)

    [undone] = await feed.publish(unmerged(merge))
    await shows(http, exam, old)
    assert await has_followed(log, "reporting", undone.id) == [str(old[0])]


async def test_an_exam_of_who_was_given_the_number_later_is_theirs(http: httpx.AsyncClient, feed: Feed) -> None:
    before, since, old, survivor = Exam(), Exam(), somebody("Unknown"), somebody("Example")
    given_away = datetime.now(UTC)
    await feed.publish(imaged(since, old), time=given_away + timedelta(minutes=1))
    await feed.publish(imaged(before, old), time=given_away - timedelta(minutes=1))
    await feed.publish(merged(old, survivor, until=given_away))
    await shows(http, before, survivor)
    await shows(http, since, old)


async def test_an_exam_that_goes_with_its_visit_is_followed_and_that_is_said_once(
    http: httpx.AsyncClient, feed: Feed, log: Log
) -> None:
    exam, former, present, visit_id = Exam(), somebody("Former"), somebody("Present"), uuid4()
    await feed.publish(ordered(exam, former), imaged(exam, former), exam.matched())
    await shows(http, exam, former)
    moved = moved_with(visit_id, ordered(exam, former), present)
    [cause] = await feed.publish(moved)
    await feed.repeat(moved, cause)
    assert await visits_followed(log, "reporting", cause.id) == [str(visit_id)]
    items = (await http.get("/api/reporting/reading-list")).json()
    [shown] = [item["patient"]["family_name"] for item in items if item["study_instance_uids"] == [exam.uid]]
    assert shown == "Present"
