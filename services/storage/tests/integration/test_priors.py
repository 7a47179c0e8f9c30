"""The earlier images of who has an exam today are on the local disk before anybody opens them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from fj_events import ExamRescheduled, ExamScheduled, ScheduledStep
from fj_testing import Feed, ServiceProcess, Services, eventually, merged

from services.storage.tests.builders import Exam, Packer
from services.storage.tests.integration.test_read_cache import packs

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]


@pytest.fixture(scope="module")
def storage(services: Services, cache: Path, dimse_port: int) -> ServiceProcess:
    return services.start(
        "storage", STORAGE_QUIET_TIME=600, STORAGE_CACHE_FOLDER=str(cache), STORAGE_DIMSE_PORT=dimse_port
    )


@pytest.fixture(scope="module")
def door(services: Services, free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of a second process, on another machine, that only answers."""
    folder = tmp_path_factory.mktemp("door")
    services.start("storage", "listener", STORAGE_CACHE_FOLDER=str(folder), STORAGE_DIMSE_PORT=free_port())
    return folder


def planned(exam: Exam, starts_at: datetime) -> ExamScheduled:
    order = exam.order()
    step = ScheduledStep(
        step_id="S1", modality=exam.modality, station_ae_title="CT1", starts_at=starts_at, duration_minutes=15
    )
    return ExamScheduled(
        site="MAIN",
        exam_key=str(exam.order_id),
        order_id=exam.order_id,
        accession_number=order.accession_number,
        study_instance_uid=exam.study_uid,
        requested_procedure_id=order.requested_procedure_id,
        procedure=order.procedure,
        priority=order.priority,
        steps=(step,),
        reason="the first free slot",
    )


async def indexed(http: httpx.AsyncClient, *exams: Exam) -> None:
    uids = ",".join(exam.study_uid for exam in exams)

    async def here() -> bool:
        answer = await http.get("/dicomweb/studies", params={"StudyInstanceUID": uids})
        return answer.status_code == 200 and len(answer.json()) == len(exams)

    await eventually(here, within=20)


async def test_priors_of_an_exam_that_is_near_are_in_every_cache_also_those_under_a_merged_number(
    feed: Feed, packer: Packer, http: httpx.AsyncClient, cache: Path, door: Path
) -> None:
    prior, old, stranger = Exam(), Exam(), Exam()
    today = Exam(patient_number=prior.patient_number)
    later = Exam(patient_number=stranger.patient_number)
    for exam in (prior, old, stranger):
        await feed.publish(await packer.ship(exam, exam.images(1)))
    assert prior.patient_id
    assert old.patient_id
    await feed.publish(merged((old.patient_id, old.patient), (prior.patient_id, prior.patient)))
    await indexed(http, prior, old, stranger)
    assert not packs(cache)

    now = datetime.now(UTC)
    await feed.publish(planned(later, now + timedelta(days=3)), later.order())
    await feed.publish(planned(today, now + timedelta(hours=2)), today.order())
    await eventually(lambda: len(packs(cache)) == len(packs(door)) == 2, within=30, what="two packs in each cache")
    metrics = (await http.get("/metrics")).text
    assert 'storage_prior_packs_total{became="fetched"} 2.0' in metrics


async def test_an_exam_that_is_put_off_is_looked_at_again(
    feed: Feed, packer: Packer, http: httpx.AsyncClient, cache: Path
) -> None:
    first = Exam()
    today = Exam(patient_number=first.patient_number)
    await feed.publish(await packer.ship(first, first.images(1)))
    await indexed(http, first)
    before = len(packs(cache))
    now = datetime.now(UTC)
    await feed.publish(planned(today, now + timedelta(hours=2)), today.order())
    await eventually(lambda: len(packs(cache)) == before + 1, within=30, what="the prior")

    again = Exam(patient_number=first.patient_number)
    await feed.publish(await packer.ship(again, again.images(1)))
    await indexed(http, again)
    await feed.publish(ExamRescheduled.model_validate(planned(today, now + timedelta(hours=4)).model_dump()))
    await eventually(lambda: len(packs(cache)) == before + 2, within=30, what="what has come since")
