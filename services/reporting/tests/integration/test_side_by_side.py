"""What belongs together comes at the same instant, in two transactions: neither misses what the other wrote."""

from typing import TYPE_CHECKING

import pytest
from fj_testing import beside
from reporting_service import handlers
from reporting_service.adapters.postgres import PostgresReports
from reporting_service.domain.report import Status

from services.reporting.tests.room import Exam, Numbers, Room

if TYPE_CHECKING:
    from services.reporting.tests.room import Pool

pytestmark = pytest.mark.servers


async def test_a_reading_about_a_study_that_is_just_finding_its_order_is_the_orders(pool: "Pool") -> None:
    room, exam = Room(pool), Exam()
    await room.does(lambda reports: handlers.on_order(exam.order(), reports))
    await room.does(lambda reports: handlers.on_study(exam.received(), reports))
    async with room.bus.unit() as tx:
        await handlers.on_matched(exam.matched(), PostgresReports(tx))
        reading = exam.reading(Status.FINAL, Numbers(accession=exam.number))
        filed = await beside(pool, room.does(lambda reports: handlers.file_reading(reading, reports)))
    await filed
    assert await room.report_of(exam) == str(exam.order_id)


async def test_a_reading_that_begins_to_wait_while_its_order_comes_is_filed(pool: "Pool") -> None:
    room, exam = Room(pool), Exam()
    await room.does(lambda reports: handlers.on_study(exam.received(), reports))
    await room.does(lambda reports: handlers.on_matched(exam.matched(), reports))
    async with room.bus.unit() as tx:
        await handlers.file_reading(exam.reading(Status.FINAL, Numbers(study=exam.uid)), PostgresReports(tx))
        ordered = await beside(pool, room.does(lambda reports: handlers.on_order(exam.order(), reports)))
    await ordered
    assert await room.report_of(exam) == str(exam.order_id)
    assert await pool.fetchval("SELECT count(*) FROM waiting") == 0


async def test_a_reading_that_begins_to_wait_while_its_study_finds_the_order_is_filed(pool: "Pool") -> None:
    room, exam = Room(pool), Exam()
    await room.does(lambda reports: handlers.on_order(exam.order(), reports))
    await room.does(lambda reports: handlers.on_study(exam.received(), reports))
    async with room.bus.unit() as tx:
        reading = exam.reading(Status.FINAL, Numbers(accession=exam.number))
        await handlers.file_reading(reading, PostgresReports(tx))
        matched = await beside(pool, room.does(lambda reports: handlers.on_matched(exam.matched(), reports)))
    await matched
    assert await room.report_of(exam) == str(exam.order_id)
    assert await pool.fetchval("SELECT count(*) FROM waiting") == 0
