"""What decides a match together comes at the same instant, in two transactions: neither misses what the other wrote.

A study that has been quiet for long is looked at by nobody but these.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import pytest
from fj_bus import Bus, BusSettings, Tx
from fj_events import ExamScheduled, Identifier, ObjectRef, PatientUpdated, ScheduledStep, Source, patient_key
from fj_runtime import migrate
from fj_testing import PATIENT_NAMESPACE, beside
from pydicom.uid import generate_uid
from storage_service import handlers
from storage_service.adapters.postgres import PostgresStudies
from storage_service.domain.assembly import Patience
from storage_service.handlers import Rules, Work
from storage_service.main import MIGRATIONS

from services.storage.tests.builders import ISSUER, Exam

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

pytestmark = pytest.mark.servers
LATER = timedelta(hours=1)
DAY = date(2026, 3, 2)


@pytest.fixture(scope="module")
async def pool(database: str) -> "AsyncIterator[Pool]":
    async with asyncpg.create_pool(database, min_size=1) as pool:
        async with pool.acquire() as connection:
            await migrate(connection, MIGRATIONS)
        yield pool


class Store:
    """The handlers, each call in a transaction of its own."""

    def __init__(self, pool: "Pool") -> None:
        self.bus = Bus(pool, BusSettings(kafka="127.0.0.1:9"), "storage")
        self.rules = Rules(Patience(timedelta(minutes=1), timedelta(hours=4)), timedelta(days=1))

    def work(self, tx: Tx, *, silence: bool = False) -> Work:
        studies = PostgresStudies(tx.connection, tx.emit)
        now = datetime.now(UTC) + (LATER if silence else timedelta(0))
        return Work(studies, self.rules, now, silence=silence)

    async def does(self, act: Callable[[Work], Awaitable[Any]]) -> None:
        async with self.bus.unit() as tx:
            await act(self.work(tx))

    async def looks_at_what_is_due(self) -> None:
        async with self.bus.unit() as tx:
            await handlers.close_due(self.work(tx, silence=True), 50)

    async def has_images_of(self, *exams: Exam) -> None:
        for exam in exams:
            fact = exam.stored(exam.images(1), ObjectRef(bucket="b", key=exam.study_uid, size=1, sha256="00"), [512])
            await self.does(lambda work, fact=fact: handlers.on_instances_stored([fact], work))  # type: ignore[misc]

    async def has_a_lonely_study_of(self, exam: Exam) -> None:
        """Images without an accession number, and a long silence after them."""
        await self.has_images_of(exam)
        await self.looks_at_what_is_due()
        assert await self.order_of(exam) is None

    async def order_of(self, exam: Exam) -> UUID | None:
        query = "SELECT order_id FROM study_route WHERE study_instance_uid = $1 AND due_at IS NULL"
        order_id: UUID | None = await self.bus.pool.fetchval(query, exam.study_uid)
        return order_id


def ordered(exam: Exam, **changed: Any) -> Callable[[Work], Awaitable[None]]:
    fact = exam.order(study_instance_uid=f"2.25.{exam.order_id.int}", **changed)
    return lambda work: handlers.on_order_known(fact, datetime.now(UTC), DAY, work)


def planned(exam: Exam) -> Callable[[Work], Awaitable[None]]:
    order = exam.order()
    step = ScheduledStep(
        step_id="S1", modality=exam.modality, station_ae_title="CT1", starts_at=order.asked_for, duration_minutes=15
    )
    fact = ExamScheduled(
        site="MAIN",
        exam_key=str(exam.order_id),
        order_id=exam.order_id,
        accession_number=order.accession_number,
        study_instance_uid=f"2.25.{exam.order_id.int}",
        requested_procedure_id="RP1",
        procedure=order.procedure,
        priority=order.priority,
        steps=(step,),
        reason="as asked for",
    )
    return lambda work: handlers.on_exam_planned(fact, work)


async def test_an_order_and_the_other_numbers_of_its_patient(pool: "Pool") -> None:
    store, exam = Store(pool), Exam(accession=None)
    await store.has_a_lonely_study_of(exam)
    namespace, known_as = UUID(PATIENT_NAMESPACE), Identifier(value=f"N{exam.number}", issuer=ISSUER)
    patient_id = patient_key(namespace, ISSUER, known_as.value)
    fact = PatientUpdated(
        site="MAIN",
        patient_id=patient_id,
        provisional=False,
        source=Source.HL7,
        patient=exam.patient.model_copy(update={"id": known_as, "other_ids": (exam.patient.id,)}),
    )
    async with store.bus.unit() as tx:
        await ordered(exam, patient_id=patient_id)(store.work(tx))
        patient = await beside(pool, store.does(lambda work: handlers.on_patient(fact, namespace, work)))
        await store.looks_at_what_is_due()
    await patient
    await store.looks_at_what_is_due()
    assert await store.order_of(exam) == exam.order_id


async def test_an_order_that_leaves_the_modality_to_its_plan(pool: "Pool") -> None:
    store, exam = Store(pool), Exam(accession=None)
    await store.has_a_lonely_study_of(exam)
    async with store.bus.unit() as tx:
        await planned(exam)(store.work(tx))
        order = await beside(pool, store.does(ordered(exam, modality=None)))
        await store.looks_at_what_is_due()
    await order
    await store.looks_at_what_is_due()
    assert await store.order_of(exam) == exam.order_id


async def test_one_order_of_the_patient_is_not_the_order_of_two_studies(pool: "Pool") -> None:
    store, exam = Store(pool), Exam(accession=None)
    other = replace(exam, study_uid=str(generate_uid()))
    await store.does(ordered(exam))
    await store.has_images_of(exam, other)
    await store.looks_at_what_is_due()
    orders = [await store.order_of(exam), await store.order_of(other)]
    assert sorted(orders, key=str) == sorted([exam.order_id, None], key=str)


async def test_an_order_whose_own_study_came_takes_no_other_one_of_its_patient(pool: "Pool") -> None:
    store, own = Store(pool), Exam()
    other = replace(own, study_uid=str(generate_uid()), accession=None)
    await store.has_images_of(own, other)
    async with store.bus.unit() as tx:
        work = store.work(tx, silence=True)
        await work.studies.put_order(own.order(), datetime.now(UTC), DAY)
        await handlers.close_due(work, 50)
    assert (await store.order_of(own), await store.order_of(other)) == (own.order_id, None)
