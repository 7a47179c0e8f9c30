"""A person says whose the images are: what was read of them is withdrawn from one exam and given out for the other."""

from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from fj_events import LinkAct, ReportPhi, StudyRelinked
from reporting_service import handlers
from reporting_service.adapters.reading_room import PostgresReadingRoom
from reporting_service.domain.report import Status

from services.reporting.tests.room import Exam, Numbers, Room

if TYPE_CHECKING:
    from services.reporting.tests.room import Pool

pytestmark = pytest.mark.servers
WHY = "the wrong line was picked"


@pytest.fixture
def room(pool: "Pool") -> Room:
    return Room(pool)


def relinked(wrong: Exam, right: Exam | None, *, back: bool = False) -> StudyRelinked:
    """The images of the wrong order are the right one's, or nobody's; `back`: they are the wrong one's after all."""
    orders = [wrong.order_id, right.order_id if right else None]
    before, after = reversed(orders) if back else orders
    return StudyRelinked(
        site="MAIN",
        actor="tess",
        study_instance_uid=wrong.uid,
        previous_order_id=before,
        order_id=after,
        act=LinkAct.UNDO if back else LinkAct.LINK,
        reason=WHY,
    )


async def imaged(room: Room, exam: Exam) -> None:
    await room.does(lambda reports: handlers.on_order(exam.order(), reports))
    await room.does(lambda reports: handlers.on_study(exam.available(), reports))
    await room.does(lambda reports: handlers.on_matched(exam.matched(), reports))


async def placed(room: Room, exam: Exam) -> None:
    await room.does(lambda reports: handlers.on_order(exam.order(), reports))


async def read(room: Room, exam: Exam, status: str) -> None:
    reading = exam.reading(Status(status), Numbers(placer=exam.placer))
    await room.does(lambda reports: handlers.file_reading(reading, reports))


async def moved(room: Room, fact: StudyRelinked) -> None:
    await room.does(lambda reports: handlers.on_relinked(fact, reports))


async def said(room: Room, exam: Exam) -> list[tuple[str, int, str | None]]:
    """Kind, version and text of what was said for the order."""
    told = [(kind, body) for kind, body in await room.given_out(exam) if body.get("order_id") == str(exam.order_id)]
    return [(kind.split(".")[1], body["version"], body["content"].get("text")) for kind, body in told]


async def on_the_list(pool: "Pool") -> dict[str, UUID | None]:
    items = await PostgresReadingRoom(pool).reading_list(site=None, modality=None, limit=100)
    return {item.study_instance_uids[0]: item.order_id for item in items}


@pytest.mark.parametrize("first", ["order", "relinked"])
async def test_a_signed_report_follows_its_images_to_their_order(room: Room, first: str) -> None:
    wrong, right = Exam(), Exam()
    await imaged(room, wrong)
    await read(room, wrong, "P")
    await read(room, wrong, "F")
    if first == "order":
        await placed(room, right)
    await moved(room, relinked(wrong, right))
    if first == "relinked":
        await placed(room, right)
    assert (await said(room, wrong))[-1] == ("retracted", 3, None)
    assert await said(room, right) == [("finalized", 1, "Clear.")]
    fact = (await room.given_out(right))[0][1]
    assert (fact["study_instance_uids"], fact["placer_order_number"]["value"]) == ([wrong.uid], right.placer.value)
    withdrawn = next(body for kind, body in reversed(await room.given_out(wrong)) if kind == "report.retracted.v1")
    assert fact["moved_from"] == {"report_id": withdrawn["report_id"], "version": withdrawn["version"]}


async def test_the_wrong_order_is_read_anew_and_its_next_report_counts_on(room: Room) -> None:
    wrong, right = Exam(), Exam()
    await imaged(room, wrong)
    await placed(room, right)
    await read(room, wrong, "F")
    await moved(room, relinked(wrong, right))
    await read(room, wrong, "F")
    assert [(kind, version) for kind, version, _ in await said(room, wrong)] == [
        ("finalized", 1),
        ("retracted", 2),
        ("finalized", 3),
    ]


async def test_taken_back_the_report_is_the_first_orders_again(room: Room) -> None:
    wrong, right = Exam(), Exam()
    await imaged(room, wrong)
    await placed(room, right)
    await read(room, wrong, "F")
    await moved(room, relinked(wrong, right))
    await moved(room, relinked(wrong, right, back=True))
    assert [(kind, version) for kind, version, _ in await said(room, right)] == [("finalized", 1), ("retracted", 2)]
    assert (await said(room, wrong))[-1] == ("finalized", 3, "Clear.")


async def test_the_reading_list_and_what_is_being_written_move(room: Room, pool: "Pool") -> None:
    wrong, right = Exam(), Exam()
    await imaged(room, wrong)
    await placed(room, right)
    await room.does(
        lambda reports: handlers.write_draft(str(wrong.order_id), ReportPhi(text="So far."), "rolf", reports)
    )
    await moved(room, relinked(wrong, right))
    assert (await on_the_list(pool))[wrong.uid] == right.order_id
    view = await PostgresReadingRoom(pool).read(str(right.order_id))
    assert view is not None
    assert view.draft == ReportPhi(text="So far.")
    nobodys = relinked(wrong, None).model_copy(update={"previous_order_id": right.order_id, "act": LinkAct.UNLINK})
    await moved(room, nobodys)
    assert (await on_the_list(pool))[wrong.uid] is None


async def test_what_was_read_of_images_that_were_taken_off_their_order_waits_until_a_person_says_whose_they_are(
    room: Room,
) -> None:
    wrong, right = Exam(), Exam()
    await imaged(room, wrong)
    await placed(room, right)
    await read(room, wrong, "F")
    off = relinked(wrong, None).model_copy(update={"act": LinkAct.UNLINK})
    await moved(room, off)
    [*_, (kind, body)] = await room.given_out(wrong)
    assert (kind, body.get("order_id")) == ("report.retracted.v1", str(wrong.order_id))
    on = relinked(wrong, right).model_copy(update={"previous_order_id": None})
    await moved(room, on)
    back = on.model_copy(update={"previous_order_id": right.order_id, "order_id": None, "act": LinkAct.UNDO})
    await moved(room, back)
    assert [kind for kind, _, _ in await said(room, right)] == ["finalized", "retracted"]
    await moved(room, relinked(wrong, wrong).model_copy(update={"previous_order_id": None}))
    assert [(kind, version) for kind, version, _ in await said(room, wrong)] == [
        ("finalized", 1),
        ("retracted", 2),
        ("finalized", 3),
    ]
    assert all(body["order_id"] for _, body in await room.given_out(wrong))


async def test_what_was_read_of_a_match_that_rested_on_an_undone_merge_waits_until_the_merge_is_made_again(
    room: Room,
) -> None:
    exam = Exam()
    await imaged(room, exam)
    await read(room, exam, "F")
    await moved(room, relinked(exam, None).model_copy(update={"act": LinkAct.UNMERGE, "actor": None}))
    [*_, (kind, body)] = await room.given_out(exam)
    assert (kind, body["order_id"]) == ("report.retracted.v1", str(exam.order_id))
    await room.does(lambda reports: handlers.on_matched(exam.matched(), reports))
    assert [(kind, version) for kind, version, _ in await said(room, exam)] == [
        ("finalized", 1),
        ("retracted", 2),
        ("finalized", 3),
    ]
    assert all(body["order_id"] for _, body in await room.given_out(exam))


async def test_an_order_with_a_report_of_its_own_keeps_it(room: Room) -> None:
    wrong, right = Exam(), Exam()
    await imaged(room, wrong)
    await imaged(room, right)
    await read(room, right, "F")
    await read(room, wrong, "P")
    await moved(room, relinked(wrong, right))
    assert (await said(room, wrong))[-1][0] == "retracted"
    assert [(kind, version) for kind, version, _ in await said(room, right)] == [("finalized", 1)]
