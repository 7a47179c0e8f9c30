"""What belongs together comes at the same instant, in two transactions: neither misses what the other wrote."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import pytest
from fj_bus import Bus, BusSettings
from fj_events import (
    ClinicalPhi,
    CodedConcept,
    Identifier,
    MatchRule,
    OrderPlaced,
    PatientPhi,
    Priority,
    ReportPhi,
    Source,
    StudyMatched,
    StudyReceived,
)
from fj_runtime import migrate
from fj_testing import beside
from reporting_service import handlers
from reporting_service.adapters.postgres import PostgresReports
from reporting_service.domain.report import Reading, Status
from reporting_service.main import MIGRATIONS
from reporting_service.ports import Reports

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

pytestmark = pytest.mark.servers
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
async def pool(database: str) -> "AsyncIterator[Pool]":
    async with asyncpg.create_pool(database, min_size=1) as pool:
        async with pool.acquire() as connection:
            await migrate(connection, MIGRATIONS)
        yield pool


class Exam:
    """An order whose images have a Study UID and an accession number of their own."""

    def __init__(self) -> None:
        self.order_id = uuid4()
        self.uid = f"2.25.{uuid4().int}"
        self.number = Identifier(value=self.uid[-12:], issuer="CT")

    def order(self) -> OrderPlaced:
        return OrderPlaced(
            site="MAIN",
            order_id=self.order_id,
            patient_id=uuid4(),
            accession_number=Identifier(value=f"A{self.uid[-12:]}", issuer="MAIN"),
            study_instance_uid=f"2.25.{self.order_id.int}",
            requested_procedure_id="RP1",
            procedure=CodedConcept(code="CTCHEST"),
            priority=Priority.ROUTINE,
            source=Source.HL7,
            patient=PatientPhi(),
            clinical=ClinicalPhi(),
        )

    def received(self) -> StudyReceived:
        return StudyReceived(
            site="MAIN",
            study_instance_uid=self.uid,
            accession_number=self.number,
            modalities=("CT",),
            patient=PatientPhi(),
            received_at=NOW,
        )

    def matched(self) -> StudyMatched:
        return StudyMatched(
            site="MAIN",
            study_instance_uid=self.uid,
            order_id=self.order_id,
            patient_id=uuid4(),
            accession_number=self.order().accession_number,
            matched_by=MatchRule.PATIENT,
            reason="the only open CT order of this patient",
            ordered_study_instance_uid=f"2.25.{self.order_id.int}",
        )

    def reading(self, *, by_number: bool) -> Reading:
        return Reading(
            site="MAIN",
            status=Status.FINAL,
            content=ReportPhi(text="Clear."),
            at=NOW,
            source=Source.HL7,
            accession_numbers=(self.number,) if by_number else (),
            study_instance_uids=() if by_number else (self.uid,),
        )


class Room:
    """The handlers, each call in a transaction of its own."""

    def __init__(self, pool: "Pool") -> None:
        self.bus = Bus(pool, BusSettings(kafka="127.0.0.1:9"), "reporting")

    async def does(self, act: Callable[[Reports], Awaitable[None]]) -> None:
        async with self.bus.unit() as tx:
            await act(PostgresReports(tx))

    async def report_of(self, exam: Exam) -> str | None:
        """The key of the order's report."""
        query = "SELECT exam_key FROM reports WHERE order_id = $1"
        key: str | None = await self.bus.pool.fetchval(query, exam.order_id)
        return key


async def test_a_reading_about_a_study_that_is_just_finding_its_order_is_the_orders(pool: "Pool") -> None:
    room, exam = Room(pool), Exam()
    await room.does(lambda reports: handlers.on_order(exam.order(), reports))
    await room.does(lambda reports: handlers.on_study(exam.received(), reports))
    async with room.bus.unit() as tx:
        await handlers.on_matched(exam.matched(), PostgresReports(tx))
        reading = exam.reading(by_number=True)
        filed = await beside(pool, room.does(lambda reports: handlers.file_reading(reading, reports)))
    await filed
    assert await room.report_of(exam) == str(exam.order_id)


async def test_a_reading_that_begins_to_wait_while_its_order_comes_is_filed(pool: "Pool") -> None:
    room, exam = Room(pool), Exam()
    await room.does(lambda reports: handlers.on_study(exam.received(), reports))
    await room.does(lambda reports: handlers.on_matched(exam.matched(), reports))
    async with room.bus.unit() as tx:
        await handlers.file_reading(exam.reading(by_number=False), PostgresReports(tx))
        ordered = await beside(pool, room.does(lambda reports: handlers.on_order(exam.order(), reports)))
    await ordered
    assert await room.report_of(exam) == str(exam.order_id)
    assert await pool.fetchval("SELECT count(*) FROM waiting") == 0
