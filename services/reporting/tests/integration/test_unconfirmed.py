"""Images of somebody else than their number is of: what is read of them waits for a person's word."""

from functools import partial
from typing import TYPE_CHECKING

import pytest
from fj_events import LinkAct, ReportPhi, StudyRelinked, StudyUnmatched
from reporting_service import handlers
from reporting_service.adapters.reading_room import PostgresReadingRoom
from reporting_service.domain.errors import Unconfirmed
from reporting_service.domain.report import Reading, Status
from reporting_service.ports import Reports

from services.reporting.tests.room import Exam, Numbers, Room

if TYPE_CHECKING:
    from services.reporting.tests.room import Pool

pytestmark = pytest.mark.servers


@pytest.fixture
def room(pool: "Pool") -> Room:
    return Room(pool)


async def doubted(room: Room, exam: Exam) -> None:
    """The order is known, its number is on the images, and they show somebody else."""
    unmatched = StudyUnmatched(
        site="MAIN",
        study_instance_uid=exam.uid,
        reason="another name",
        contradicted_by=("name",),
        unconfirmed_order_id=exam.order_id,
    )
    await room.does(lambda reports: handlers.on_order(exam.order(), reports))
    await room.does(lambda reports: handlers.on_study(exam.received(), reports))
    await room.does(lambda reports: handlers.on_unmatched(unmatched, reports))
    await room.does(lambda reports: handlers.on_study(exam.available(), reports))


async def read(room: Room, exam: Exam, numbers: Numbers) -> None:
    await room.does(lambda reports: handlers.file_reading(exam.reading(Status.FINAL, numbers), reports))


async def linked(room: Room, exam: Exam, to: Exam) -> None:
    fact = StudyRelinked(
        site="MAIN", actor="tess", study_instance_uid=exam.uid, order_id=to.order_id, act=LinkAct.LINK, reason="seen"
    )
    await room.does(lambda reports: handlers.on_relinked(fact, reports))


async def said(room: Room, exam: Exam) -> list[tuple[str, str | None]]:
    return [(kind.split(".")[1], body.get("order_id")) for kind, body in await room.given_out(exam)]


def numbers_of(exam: Exam, which: str) -> Numbers:
    return {
        "accession": Numbers(accession=exam.accession),
        "placer": Numbers(placer=exam.placer),
        "study": Numbers(study=exam.uid),
        "images": Numbers(accession=exam.number),
    }[which]


@pytest.mark.parametrize("which", ["accession", "placer", "study", "images"])
@pytest.mark.parametrize("right", ["the order of the number", "another order"])
async def test_a_report_goes_where_the_images_belong_once_that_is_said(room: Room, which: str, right: str) -> None:
    exam, other = Exam(), Exam()
    await doubted(room, exam)
    await room.does(lambda reports: handlers.on_order(other.order(), reports))
    await read(room, exam, numbers_of(exam, which))
    assert await said(room, exam) == []

    to, not_to = (exam, other) if right == "the order of the number" else (other, exam)
    await linked(room, exam, to)
    assert await said(room, to) == [("finalized", str(to.order_id))]
    if not_to is other:
        assert await said(room, other) == []


async def test_an_order_that_has_images_of_its_own_gets_its_report(room: Room) -> None:
    exam, own = Exam(), Exam()
    await doubted(room, exam)
    own.order_id = exam.order_id
    await room.does(lambda reports: handlers.on_study(own.available(), reports))
    await room.does(lambda reports: handlers.on_matched(own.matched(), reports))
    await read(room, exam, Numbers(placer=exam.placer))
    assert await said(room, exam) == [("finalized", str(exam.order_id))]


async def test_a_corrected_name_releases_what_was_held(room: Room) -> None:
    exam = Exam()
    await doubted(room, exam)
    await read(room, exam, Numbers(accession=exam.accession))
    await room.does(lambda reports: handlers.on_matched(exam.matched(), reports))
    assert await said(room, exam) == [("finalized", str(exam.order_id))]


async def test_a_report_waits_until_a_person_confirms_whose_images_without_an_order_are_and_stays_then(
    room: Room,
) -> None:
    exam = Exam()
    doubt = StudyUnmatched(site="MAIN", study_instance_uid=exam.uid, reason="another name", contradicted_by=("name",))
    await room.does(lambda reports: handlers.on_study(exam.received(), reports))
    await room.does(lambda reports: handlers.on_unmatched(doubt, reports))
    await room.does(lambda reports: handlers.on_study(exam.available().model_copy(update={"order_id": None}), reports))
    await read(room, exam, Numbers(study=exam.uid))
    assert await said(room, exam) == []
    for act in (LinkAct.CONFIRM, LinkAct.UNDO, LinkAct.CONFIRM):
        fact = StudyRelinked(site="MAIN", actor="tess", study_instance_uid=exam.uid, act=act, reason="asked")
        await room.does(partial(handlers.on_relinked, fact))
        assert await said(room, exam) == [("finalized", None)]


async def test_the_reading_list_says_so_and_nothing_is_signed_but_what_was_written_goes_along(
    room: Room, pool: "Pool"
) -> None:
    exam = Exam()
    await doubted(room, exam)
    items = await PostgresReadingRoom(pool).reading_list(site=None, modality=None, limit=100)
    [item] = [item for item in items if item.study_instance_uids == (exam.uid,)]
    assert (item.contradicted_by, item.unconfirmed_order_id) == (("name",), exam.order_id)

    written = ReportPhi(text="So far.")
    await room.does(lambda reports: handlers.write_draft(exam.uid, written, "rolf", reports))
    reading = exam.reading(Status.FINAL, Numbers())
    with pytest.raises(Unconfirmed):
        await room.does(lambda reports: _signs(exam, reading, reports))
    assert await said(room, exam) == []

    await linked(room, exam, exam)
    view = await PostgresReadingRoom(pool).read(str(exam.order_id))
    assert view is not None
    assert view.draft == written
    again = await PostgresReadingRoom(pool).reading_list(site=None, modality=None, limit=100)
    assert [item.contradicted_by for item in again if item.study_instance_uids == (exam.uid,)] == [()]


async def _signs(exam: Exam, reading: Reading, reports: Reports) -> None:
    await handlers.sign(exam.uid, reading, reports)


async def test_a_study_that_no_order_fits_and_nothing_contradicts_is_an_exam_of_its_own(room: Room) -> None:
    exam = Exam()
    await doubted(room, exam)
    await read(room, exam, Numbers(study=exam.uid))
    plain = StudyUnmatched(site="MAIN", study_instance_uid=exam.uid, reason="no order has this number")
    await room.does(lambda reports: handlers.on_unmatched(plain, reports))
    assert await said(room, exam) == [("finalized", None)]
