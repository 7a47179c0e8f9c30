"""A wrong worklist entry has been dealt with when a person moves its images, whichever fact is heard first."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from fj_events import CodedConcept, ExamPutBack, Identifier, LinkAct, MatchRule, Priority, StudyMatched, StudyRelinked
from fj_testing import Feed, ServiceProcess, Services, eventually

from services.portal.tests.integration.test_exceptions import listed, until

pytestmark = pytest.mark.servers
KIND = "wrong worklist entry"
THEN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LATER = THEN + timedelta(minutes=5)
NUMBER = Identifier(value="A1", issuer="MAIN")


@pytest.fixture(scope="module")
def portal(services: Services) -> ServiceProcess:
    return services.start("portal")


@pytest.fixture
async def http(portal: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=portal.http, timeout=20) as client:
        yield client


def put_back(order_id: UUID, *, by_modality: bool = True) -> ExamPutBack:
    code = CodedConcept(code="110514", text="Incorrect worklist entry selected", system="DCM")
    return ExamPutBack(
        site="MAIN",
        exam_key=str(order_id),
        order_id=order_id,
        accession_number=NUMBER,
        study_instance_uid="2.25.1",
        requested_procedure_id="1",
        procedure=CodedConcept(code="CTCHEST"),
        priority=Priority.ROUTINE,
        steps=(),
        reason="put back",
        step_ids=(),
        state="SCHEDULED",
        discontinuation_reason=code if by_modality else None,
    )


def matched(study: str, order_id: UUID) -> StudyMatched:
    return StudyMatched(
        site="MAIN",
        study_instance_uid=study,
        order_id=order_id,
        patient_id=uuid4(),
        accession_number=NUMBER,
        matched_by=MatchRule.ACCESSION,
        reason="the same accession number",
        ordered_study_instance_uid="2.25.1",
    )


def relinked(study: str, before: UUID, after: UUID | None, act: LinkAct = LinkAct.LINK) -> StudyRelinked:
    return StudyRelinked(
        site="MAIN",
        actor="tess",
        study_instance_uid=study,
        previous_order_id=before,
        order_id=after,
        act=act,
        reason="the wrong line",
    )


async def heard(http: httpx.AsyncClient, name: str, count: int) -> None:
    """So many facts are on the timeline of the exam that goes by this name."""

    async def so() -> bool:
        answer = await http.get(f"/api/portal/exams/{name}")
        return answer.status_code == httpx.codes.OK and len(answer.json()["timeline"]) >= count

    await eventually(so, within=30, what=f"{count} facts of {name}")


@pytest.mark.parametrize("after", [uuid4(), None], ids=["linked", "unlinked"])
async def test_it_leaves_the_list_when_its_images_are_moved(
    http: httpx.AsyncClient, feed: Feed, after: UUID | None
) -> None:
    order_id, study = uuid4(), f"2.25.{uuid4().int}"
    await feed.publish(matched(study, order_id), put_back(order_id), time=THEN)
    await until(http, str(order_id), KIND)
    act = LinkAct.LINK if after else LinkAct.UNLINK
    await feed.publish(relinked(study, order_id, after, act), time=LATER)
    await until(http, str(order_id))


async def test_heard_after_its_images_were_moved_it_does_not_come_and_a_newer_one_does(
    http: httpx.AsyncClient, feed: Feed
) -> None:
    order_id, right, study = uuid4(), uuid4(), f"2.25.{uuid4().int}"
    await feed.publish(matched(study, order_id), time=THEN)
    await feed.publish(relinked(study, order_id, right), time=LATER)
    await heard(http, str(right), 1)
    await feed.publish(put_back(order_id), time=THEN)
    await heard(http, str(order_id), 2)
    assert await listed(http, str(order_id)) == {}
    await feed.publish(put_back(order_id), time=LATER + timedelta(minutes=1))
    await until(http, str(order_id), KIND)


async def test_what_a_person_put_back_is_nothing_to_look_at(http: httpx.AsyncClient, feed: Feed) -> None:
    order_id = uuid4()
    await feed.publish(put_back(order_id, by_modality=False))
    await heard(http, str(order_id), 1)
    assert await listed(http, str(order_id)) == {}


async def test_images_that_a_person_confirms_where_they_are_leave_it_on_the_list(
    http: httpx.AsyncClient, feed: Feed
) -> None:
    order_id, study = uuid4(), f"2.25.{uuid4().int}"
    await feed.publish(matched(study, order_id), put_back(order_id), time=THEN)
    await until(http, str(order_id), KIND)
    await feed.publish(relinked(study, order_id, order_id, LinkAct.CONFIRM), time=LATER)
    await heard(http, str(order_id), 3)
    assert set(await listed(http, str(order_id))) == {KIND}
