"""A clock that jumps while images come: what was acknowledged arrives once, whatever time it was."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from fj_testing import Log, Services, eventually
from fj_testing.clock import Clock
from fj_testing.log import Record
from fj_testing.stack import S3

from services.ingest.tests.builders import Modality, an_instance, encoded
from services.ingest.tests.doors import World, store_of

pytestmark = [pytest.mark.servers, pytest.mark.failure, pytest.mark.timeout(180)]
STUDY: Final = "1.2.11.1"
JUMPS: Final = ("+0", "-3600s", "+7200s", "-86400s", "+31536000s", "+0")


async def test_images_that_come_while_the_clock_jumps_arrive_once(
    services: Services, log: Log, s3: S3, free_port: Callable[[], int], tmp_path: Path
) -> None:
    services.create_topics()
    port, clock = free_port(), Clock(tmp_path / "clock")
    process = services.start(
        "ingest",
        INGEST_DIMSE_PORT=port,
        INGEST_JOURNAL=str(tmp_path / "journal"),
        INGEST_SEGMENT_IDLE=1,
        FJ_S3_RETRY_S=1,
        **clock.environment,
    )
    world = World(process, log, store_of(s3))
    sent = []
    for jump in JUMPS:
        clock.set(jump)
        sent.append(an_instance(STUDY, f"{STUDY}.1"))
        assert await Modality(port).store(sent[-1], sent[0]) == [0x0000, 0x0000]

    # An object store refuses who is more than a quarter of an hour off; now nobody is.
    await world.journal_is_empty(within=60)

    async def told() -> bool:
        return sum(len(record.body["instances"]) for record in await of_study(log)) >= len(sent)

    await eventually(told, within=30, what="all of them are told")
    records = await of_study(log)
    assert len({record.body["received_at"][:4] for record in records}) > 1  # the clock did jump
    got = {}
    for record in records:
        for nth, instance in enumerate(record.body["instances"]):
            assert instance["sop_instance_uid"] not in got
            got[instance["sop_instance_uid"]] = await world.data_of(record.body, nth)
    assert got == {each.SOPInstanceUID: encoded(each) for each in sent}


async def of_study(log: Log) -> list[Record]:
    return [record for record in await log.read("instance-events") if record.key == STUDY]
