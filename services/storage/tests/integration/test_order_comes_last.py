"""Images or a performed step are heard of before their order, on its way in another topic: the study waits for it.

Readers of `study-events` so know whose a study is before they hear that it is complete.
"""

import itertools
from collections.abc import Sequence
from typing import Any, Final

import pytest
from fj_testing import Feed, Log, eventually
from storage_service.adapters.sql import Pool

from services.storage.tests.builders import Exam, Packer

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]
SETTINGS: Final = {"STORAGE_QUIET_TIME": 300}
"""Longer than any test: nothing here is closed by silence."""
ARRIVALS: Final = itertools.product(itertools.permutations(range(3)), (False, True))
HEARD: Final = """
SELECT (SELECT count(*) FROM known_order WHERE order_id = $1)
     + (SELECT count(*) FROM exam WHERE study_instance_uid = $2 AND state = 'COMPLETED')
     + (SELECT count(*) FROM study_route WHERE study_instance_uid = $2 AND received_at IS NOT NULL)
"""


async def says(log: Log, exam: Exam, count: int) -> list[str]:
    """The first facts about the study, in their order."""
    found = await log.wait_for("study-events", where=lambda record: record.key == exam.study_uid, count=count)
    return [record.type for record in found]


@pytest.mark.parametrize(("arrival", "typed_in"), list(ARRIVALS))
async def test_whose_it_is_is_told_before_it_is_complete(
    arrival: Sequence[int], *, typed_in: bool, feed: Feed, log: Log, packer: Packer, pool: Pool
) -> None:
    """The order, the images and the end of the performed step, each heard of when the one before is kept.

    Where the modality worked without its worklist, the images alone name the order: by its accession number.
    """
    exam = Exam()
    images = exam.images(2)
    step: dict[str, Any] = {"order_id": None, "exam_key": exam.study_uid} if typed_in else {}
    facts = (exam.order(), await packer.ship(exam, images), exam.completed(images, **step))
    for nth, number in enumerate(arrival, 1):
        await feed.publish(facts[number])

        async def is_kept(nth: int = nth) -> bool:
            return bool(await pool.fetchval(HEARD, exam.order_id, exam.study_uid) == nth)

        await eventually(is_kept)
    assert await says(log, exam, 3) == ["study.received.v1", "study.matched.v1", "study.available.v1"]


async def test_images_and_a_step_that_name_no_order_wait_for_none(feed: Feed, log: Log, packer: Packer) -> None:
    exam = Exam(accession=None)
    images = exam.images(2)
    await feed.publish(await packer.ship(exam, images), exam.completed(images, order_id=None, exam_key=exam.study_uid))
    assert await says(log, exam, 2) == ["study.received.v1", "study.available.v1"]
