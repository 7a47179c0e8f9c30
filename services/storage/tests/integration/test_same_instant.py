"""What is known of a patient or an order changes in the very instant in which images are matched to that order."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from fj_events import PatientPhi
from fj_testing import Feed, eventually, merged
from storage_service.adapters import current, orders
from storage_service.adapters.sql import Database, Pool, lock_known

from services.storage.tests.builders import Exam, Packer
from services.storage.tests.studies import Study, knows

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]
Change = Callable[[Database, Exam], Awaitable[None]]


async def another_name(db: Database, exam: Exam) -> None:
    """A registration, as `PostgresStudies.put_patient` takes it."""
    assert exam.patient_id
    await lock_known(db, [exam.patient_id])
    await current.put_patient(db, exam.patient_id, exam.patient.model_copy(update={"family_name": "Renamed"}))


async def a_merge(db: Database, exam: Exam) -> None:
    """As `fj_survivors` and `PostgresStudies.patient_moved` take it."""
    assert exam.patient_id
    survivor = Exam(family_name="Renamed")
    assert survivor.patient_id
    fact = merged((exam.patient_id, exam.patient), (survivor.patient_id, survivor.patient))
    said = (one.model_dump_json(exclude_none=True) for one in (fact.patient, fact.survivor))
    await db.execute("INSERT INTO survivor VALUES ($1, $2, NULL, $3, $4)", fact.patient_id, fact.survivor_id, *said)
    await current.follow(db, {fact.patient_id, fact.survivor_id}, fact.patient_id)


async def another_patient_of_the_order(db: Database, exam: Exam) -> None:
    """As `PostgresStudies.put_order` takes it."""
    other = Exam(family_name="Renamed")
    assert other.patient_id
    fact = exam.order(patient_id=other.patient_id, patient=other.patient)
    await lock_known(db, [other.patient_id, exam.order_id])
    await orders.put(db, fact, datetime.now(UTC), exam.study_date)


@pytest.mark.parametrize("change", [another_name, a_merge, another_patient_of_the_order])
async def test_objects_say_what_is_known_when_both_have_committed(
    feed: Feed, packer: Packer, pool: Pool, study_of: Callable[[Exam], Study], change: Change
) -> None:
    exam = Exam()
    images = Exam(accession=exam.accession, patient_number=None)
    await feed.publish(exam.order())
    await knows(pool, exam)
    async with pool.acquire() as connection, connection.transaction():
        await change(connection, exam)
        patient = PatientPhi(family_name="Example", given_name="Ada")
        await feed.publish(await packer.ship(images, images.images(1), patient=patient))
        await study_of(images).told("study.matched.v1")

    async def renamed() -> bool:
        found = (
            await study_of(images).http.get("/dicomweb/studies", params={"StudyInstanceUID": images.study_uid})
        ).json()
        return bool(found[0]["00100010"]["Value"][0]["Alphabetic"].startswith("Renamed"))

    await eventually(renamed, within=20, what="the name that is known now")
