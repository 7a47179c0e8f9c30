"""The projection is made anew from the log, and nobody is told anything by it."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from ehr_sync_service.adapters.retention import PostgresRetention
from fj_bus import Bus, BusSettings
from fj_events import Envelope, Fact
from fj_local.services import script
from fj_testing import Feed, Services, eventually

from services.ehr_sync.tests.builders import Exam
from services.ehr_sync.tests.listener import Listener

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]  # processes start several times
TABLES = ("patients", "patient_names", "orders", "studies", "reports", "plans")


async def rows(dsn: str) -> dict[str, list[Any]]:
    connection = await asyncpg.connect(dsn)
    try:
        return {
            table: sorted(map(tuple, await connection.fetch(f"SELECT * FROM {table}")), key=str) for table in TABLES
        }
    finally:
        await connection.close()


async def forget_everything(dsn: str) -> None:
    """As the retention does after a long time."""
    async with asyncpg.create_pool(dsn, min_size=1) as pool:
        unit = Bus(pool, BusSettings(kafka="127.0.0.1:1"), "ehr_sync").unit
        assert await PostgresRetention(unit, timedelta(days=-1), batch=5).run() == 12


async def rebuild(environment: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        script("ehr_sync"), "rebuild", env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()


async def test_a_rebuild_makes_the_same_tables_and_tells_nobody_what_the_ledger_has_forgotten_either(
    services: Services, kafka: str, topic_prefix: str, free_port: Callable[[], int]
) -> None:
    ehr, newcomer = Listener(free_port()), Listener(free_port())
    service = services.start("ehr_sync", EHR_SYNC_HL7_DESTINATIONS=f"ehr=127.0.0.1:{ehr.port}")
    exams = [Exam(f"R{number}") for number in range(3)]
    told = list[tuple[Fact, Envelope]]()
    async with ehr.up(), newcomer.up(), Feed(kafka, topic_prefix) as facts:
        for exam in exams:
            await facts.publish(
                exam.registered(), exam.placed(), exam.scheduled(), exam.started(), exam.received(), exam.matched()
            )
            await facts.publish(exam.performed(), exam.available(), exam.preliminary())
            final = exam.finalized()
            told += [(final, envelope) for envelope in await facts.publish(final)]
            await facts.publish(exam.order_completed())
        await eventually(lambda: all(len(ehr.told(exam.placer)) == 4 for exam in exams), within=20)
        dsn = services.database("ehr_sync")
        await eventually(lambda: _is_complete(dsn, len(exams)), within=20)
        before = await rows(dsn)
        service.stop()
        await forget_everything(dsn)
        both = f"ehr=127.0.0.1:{ehr.port},newcomer=127.0.0.1:{newcomer.port}"
        await rebuild(services.environment("ehr_sync") | {"EHR_SYNC_HL7_DESTINATIONS": both})
        assert await rows(dsn) == before
        services.start("ehr_sync", EHR_SYNC_HL7_DESTINATIONS=both)
        for fact, envelope in told:
            await facts.repeat(fact, envelope)
        late = Exam("R9")
        await facts.publish(late.placed(), late.finalized())
        await eventually(lambda: newcomer.told(late.placer) == ["ORU F"], within=20)
        assert len(newcomer.taken) == 1
        assert all(len(ehr.told(exam.placer)) == 4 for exam in exams)


async def _is_complete(dsn: str, exams: int) -> bool:
    found = await rows(dsn)
    return (
        [len(found[table]) for table in TABLES] == [exams, 3 * exams, exams, exams, exams, exams]
        and all("available" in row for row in found["studies"])
        and all("completed" in row for row in found["orders"])
    )
