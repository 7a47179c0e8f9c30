"""What of a study can be had is what its ImagingStudy says, whatever was rejected, retired or removed."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from fj_events import SeriesSummary
from fj_fhir import check
from fj_testing import Feed, Services, eventually

from services.ehr_sync.tests.builders import Exam

pytestmark = pytest.mark.servers
Shows = Callable[[Exam, str, int | None], Awaitable[Any]]


def left(exam: Exam, number: int) -> tuple[SeriesSummary, ...]:
    """The series with so many instances."""
    return (SeriesSummary(series_instance_uid=f"{exam.uid}.1", modality="CT", number=1, number_of_instances=number),)


@pytest.fixture(scope="module")
def address(services: Services) -> str:
    return f"{services.start('ehr_sync').http}/fhir"


@pytest.fixture
async def shows(address: str) -> AsyncIterator[Shows]:
    """The ImagingStudy, as soon as it has this status and so many instances; found by a search too."""

    async def shown(exam: Exam, status: str, instances: int | None) -> Any:
        async def now() -> Any:
            study = (await http.get(f"/ImagingStudy/{exam.uid}")).json()
            return study if (study.get("status"), study.get("numberOfInstances")) == (status, instances) else None

        study = await eventually(now, within=20, what=f"an ImagingStudy {status} with {instances}")
        check("ImagingStudy", study)
        found = (await http.get("/ImagingStudy", params={"identifier": f"urn:dicom:uid|urn:oid:{exam.uid}"})).json()
        assert [entry["resource"]["status"] for entry in found["entry"]] == [status]
        assert (status == "cancelled") == ("endpoint" not in study)
        assert sum(one["numberOfInstances"] for one in study.get("series", [])) == (instances or 0)
        return study

    async with httpx.AsyncClient(base_url=address) as http:
        yield shown


async def test_rejected_instances_are_not_counted_and_reinstated_ones_are(shows: Shows, feed: Feed) -> None:
    exam = Exam("H1")
    await feed.publish(exam.registered(), exam.placed(), exam.received(), exam.matched(), exam.available())
    await shows(exam, "available", 3)
    await feed.publish(exam.rejected(2, left(exam, 2)))
    await shows(exam, "available", 2)
    await feed.publish(exam.rejected(0, ()))
    study = await shows(exam, "cancelled", 0)
    assert study["basedOn"][0]["reference"] == f"ServiceRequest/{exam.order_id}"
    await feed.publish(exam.shown_again(3, left(exam, 3)))
    await shows(exam, "available", 3)


async def test_a_retired_study_is_cancelled_until_it_is_recalled_and_for_good_when_it_is_removed(
    shows: Shows, feed: Feed
) -> None:
    exam = Exam("H2")
    await feed.publish(exam.registered(), exam.placed(), exam.received(), exam.matched(), exam.available())
    await feed.publish(exam.retired())
    await shows(exam, "cancelled", 0)
    await feed.publish(exam.recalled(3, left(exam, 3)))
    await shows(exam, "available", 3)
    await feed.publish(exam.retired(), exam.removed())
    await shows(exam, "cancelled", 0)
    await feed.publish(exam.received())
    await shows(exam, "registered", None)
    await feed.publish(exam.available())
    await shows(exam, "available", 3)


async def test_a_study_of_which_only_rejected_instances_go_stays(shows: Shows, feed: Feed) -> None:
    exam = Exam("H3")
    await feed.publish(exam.registered(), exam.placed(), exam.received(), exam.matched(), exam.available())
    await feed.publish(exam.rejected(2, left(exam, 2)), exam.retired(left=2), exam.removed(left=2))
    await feed.publish(exam.rejected(1, left(exam, 1)))
    await shows(exam, "available", 1)


async def test_a_study_that_is_hidden_while_images_arrive_is_as_far_as_it_was_afterwards(
    shows: Shows, feed: Feed
) -> None:
    exam = Exam("H4")
    await feed.publish(exam.registered(), exam.placed(), exam.received(), exam.retired())
    await shows(exam, "cancelled", 0)
    await feed.publish(exam.recalled(2, left(exam, 2)))
    await shows(exam, "registered", None)
