"""An object store that fails as real ones do: receiving goes on, and what was acknowledged arrives once."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import pytest
from fj_testing import Log, Services, eventually
from fj_testing.between import Between, Fault, closed_at_once, too_busy, torn_before_the_answer, torn_in_the_request

from services.ingest.tests.builders import Modality, a_uid, an_instance, encoded
from services.ingest.tests.doors import World, store_of

if TYPE_CHECKING:
    from fj_testing.stack import S3
    from pydicom import Dataset

PIXELS: Final = 100_000
"""Of an instance, so that a pack is longer than what a torn connection lets through."""
pytestmark = [pytest.mark.servers, pytest.mark.failure, pytest.mark.timeout(180)]


@pytest.mark.parametrize("fault", [closed_at_once, too_busy, torn_in_the_request, torn_before_the_answer])
async def test_what_was_acknowledged_while_the_store_failed_arrives_once_when_it_is_well(
    fault: Fault, services: Services, log: Log, free_port: Callable[[], int], request: pytest.FixtureRequest
) -> None:
    services.create_topics()
    s3: S3 = request.getfixturevalue("s3")
    between, store, dimse = Between(s3.endpoint), free_port(), free_port()
    async with between.listening(store):
        process = services.start(
            "ingest",
            INGEST_DIMSE_PORT=dimse,
            INGEST_JOURNAL=str(request.getfixturevalue("tmp_path")),
            FJ_S3_ENDPOINT=f"http://127.0.0.1:{store}",
            FJ_S3_TIMEOUT_S=3,
            FJ_S3_RETRY_S=1,
        )
        world = World(process, log, store_of(s3))
        between.fault = fault
        between.cut()
        studies: dict[str, list[Dataset]] = {}
        for _ in range(3):
            uid, series = a_uid(), a_uid()
            studies[uid] = [an_instance(uid, series, pixels=PIXELS) for _ in range(2)]
            assert await Modality(dimse).store(*studies[uid]) == [0x0000] * 2

        async def has_failed() -> bool:
            return between.failed >= 3

        await eventually(has_failed, within=60, what="the shipper has met the fault")
        assert len((await world.journal())["segments"]) == len(studies)
        between.fault = None
        await world.journal_is_empty(within=60)
        facts = await log.wait_for(
            "instance-events", where=lambda record: record.key in studies, count=len(studies), within=60
        )
        for fact in facts:
            expected = [encoded(instance) for instance in studies[fact.key]]
            assert [await world.data_of(fact.body, nth) for nth in range(2)] == expected
        told = [record.key for record in await log.read("instance-events") if record.key in studies]
        assert sorted(told) == sorted(studies)
