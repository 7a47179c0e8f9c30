"""Series are found by when their performed procedure step began (PS3.18 section 10.6, PS3.4 section C.6)."""

from datetime import date

import httpx
import pytest
from fj_events import SeriesAttributes
from fj_testing import Feed, eventually

from services.storage.tests.builders import Exam, Packer
from services.storage.tests.integration.test_searching import found
from services.storage.tests.scu import Workstation, a_query

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]
COMBINED = b"\0\1\0\0\0"
DATE, TIME = "PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime"


@pytest.fixture
async def exam(feed: Feed, packer: Packer, http: httpx.AsyncClient) -> Exam:
    """Of four series: begun late on one day, early and at noon of the next, and one that does not say when."""
    exam = Exam()
    begun = ((date(2026, 3, 2), "235900"), (date(2026, 3, 3), "0010"), (date(2026, 3, 3), "121500.5"), (None, None))
    for number, (day, time) in enumerate(begun, 1):
        series = SeriesAttributes(
            number=number, modality="CT", performed_step_start_date=day, performed_step_start_time=time
        )
        await feed.publish(await packer.ship(exam, exam.images(1, number), series=series))

    async def here() -> bool:
        return len(await found(http, "", f"/studies/{exam.study_uid}/series")) == len(begun)

    await eventually(here)
    return exam


ASKED = [
    ("20260303", "", {2, 3}),
    ("20260302-20260303", "", {1, 2, 3}),
    ("20260303-", "", {2, 3}),
    ("-20260302", "", {1}),
    ("20260301", "", set()),
    ("", "00-13", {2, 3}),
    ("", "2359", {1}),
    ("20260302-20260303", "2300-0100", {1, 2}),
]
"""Date, time, numbers of the series; date and time as one moment."""


async def test_by_qido(http: httpx.AsyncClient, exam: Exam) -> None:
    for day, time, numbers in ASKED:
        series = await found(http, f"{DATE}={day}&{TIME}={time}", f"/studies/{exam.study_uid}/series")
        assert {one["00200011"]["Value"][0] for one in series} == numbers, (day, time)
    second, *_, last = await found(http, f"StudyInstanceUID={exam.study_uid}&offset=1", "/series")
    assert (second["00400244"], second["00400245"]) == (
        {"vr": "DA", "Value": ["20260303"]},
        {"vr": "TM", "Value": ["0010"]},
    )
    assert (last["00400244"], last["00400245"]) == ({"vr": "DA"}, {"vr": "TM"})
    (instance,) = await found(http, f"{DATE}=20260302", f"/studies/{exam.study_uid}/instances")
    assert instance["00200013"]["Value"] == [1]


async def test_by_c_find(workstation: Workstation, exam: Exam) -> None:
    for day, time, numbers in ASKED:
        query = a_query("SERIES", "SeriesNumber", StudyInstanceUID=exam.study_uid, **{DATE: day, TIME: time})
        answers = await workstation.finds(query, options=COMBINED)
        assert {one.SeriesNumber for one in answers.identifiers} == numbers, (day, time)
        assert {one.Status for one in answers.statuses} <= {0xFF00, 0x0000}
    query = a_query("SERIES", DATE, TIME, StudyInstanceUID=exam.study_uid, SeriesNumber="3")
    (third,) = (await workstation.finds(query)).identifiers
    assert (third[DATE].value, third[TIME].value) == ("20260303", "121500.5")
