"""A C-FIND that its requestor has had enough of (C-CANCEL, PS3.4 section C.4.1.3.3)."""

import httpx
import pytest
from fj_events import SeriesAttributes
from fj_testing import Feed, eventually

from services.storage.tests.builders import Exam, Packer
from services.storage.tests.integration.test_searching import found
from services.storage.tests.scu import Workstation, a_query

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]
INSTANCES, AT_ONCE = 1500, 500
LONG = "x" * 20_000
"""30 MB of matches: more than sockets hold that are not read."""
SETTINGS = {"STORAGE_FIND_LIMIT": INSTANCES}


async def test_a_query_that_is_cancelled_ends_before_all_is_sent_and_the_next_is_answered(
    workstation: Workstation, feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam = Exam()
    images = exam.images(INSTANCES)
    series = SeriesAttributes(number=1, modality="CT", description=LONG)
    for first in range(0, INSTANCES, AT_ONCE):
        await feed.publish(await packer.ship(exam, images[first : first + AT_ONCE], series=series))

    async def here() -> bool:
        (study,) = await found(http, f"StudyInstanceUID={exam.study_uid}") or [None]
        return study is not None and study["00201208"]["Value"] == [INSTANCES]

    await eventually(here, within=30)
    path = {"StudyInstanceUID": exam.study_uid, "SeriesInstanceUID": images[0].series}
    query = a_query("IMAGE", "SOPInstanceUID", "SeriesDescription", **path)
    cancelled = await workstation.finds(query, cancel_after=1)
    assert cancelled.final.Status == 0xFE00
    assert 1 <= len(cancelled.identifiers) < INSTANCES
    assert {status.Status for status in cancelled.statuses[:-1]} == {0xFF00}
    query.InstanceNumber = "7"
    (seventh,) = (await workstation.finds(query)).identifiers
    assert seventh.SOPInstanceUID == images[6].uid
