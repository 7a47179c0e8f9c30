"""Lag and dead letters of `ingest` at its HTTP door: about the group, whichever of its processes is asked."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from fj_events import StudyRetired
from fj_testing import Feed, Log, ServiceProcess, Services, eventually

from services.ingest.tests.builders import a_uid

pytestmark = pytest.mark.servers
ADA = {"X-FJ-User": "ada"}


@pytest.fixture(scope="module")
def consumer(services: Services, tmp_path_factory: pytest.TempPathFactory) -> ServiceProcess:
    """Consumes and relays, and receives nothing."""
    return services.start("ingest", "consumer,relay", INGEST_JOURNAL=str(tmp_path_factory.mktemp("journal")))


@pytest.fixture(scope="module")
def receiver(
    services: Services, free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory
) -> ServiceProcess:
    """Receives, and consumes nothing."""
    journal = str(tmp_path_factory.mktemp("journal"))
    return services.start("ingest", "receiver", INGEST_DIMSE_PORT=free_port(), INGEST_JOURNAL=journal)


@pytest.fixture
async def operator(receiver: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    """Who asks the process that does not consume."""
    async with httpx.AsyncClient(base_url=f"{receiver.http}/api/ingest", timeout=30) as http:
        await eventually(lambda: _answers(http), what="the receiver has reached its database")
        yield http


@pytest.fixture
async def broken(services: Services, consumer: ServiceProcess) -> AsyncIterator["Broken"]:
    connection = await asyncpg.connect(services.database("ingest"))
    yield Broken(connection)
    await connection.close()


class Broken:
    """A database in which nothing can be forgotten, until it is mended."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection

    async def broken(self) -> None:
        await self._connection.execute("ALTER TABLE received_again RENAME TO received_once")

    async def mended(self) -> None:
        await self._connection.execute("ALTER TABLE received_once RENAME TO received_again")


async def _answers(http: httpx.AsyncClient) -> bool:
    return (await http.get("/dead-letters")).status_code == 200


def retired(study: str) -> StudyRetired:
    return StudyRetired(
        site="MAIN",
        study_instance_uid=study,
        retirement_id=uuid4(),
        reason="10 years since study",
        removal_at=datetime.now(UTC),
        number_of_instances=1,
    )


async def letters(http: httpx.AsyncClient) -> list[dict[str, Any]]:
    page = (await http.get("/dead-letters")).raise_for_status().json()
    assert page["total"] == len(page["dead_letters"])
    found: list[dict[str, Any]] = page["dead_letters"]
    return found


async def test_a_dead_letter_of_the_group_is_replayed_and_dropped_at_a_process_that_does_not_consume(
    operator: httpx.AsyncClient, broken: Broken, feed: Feed, log: Log
) -> None:
    await broken.broken()
    replayed, dropped = retired(a_uid()), retired(a_uid())
    await feed.publish(replayed, dropped)

    async def both() -> dict[str, int]:
        found = {letter["key"]: letter["id"] for letter in await letters(operator)}
        return found if len(found) == 2 else {}

    ids = await eventually(both, within=30, what="two dead letters")
    address = f"/dead-letters/{ids[replayed.study_instance_uid]}/replay"
    assert (await operator.post(address)).status_code == 401
    await broken.mended()
    assert (await operator.post(address, headers=ADA)).status_code == 202
    drop = f"/dead-letters/{ids[dropped.study_instance_uid]}/drop"
    assert (await operator.post(drop, headers=ADA, json={"reason": "not ours"})).status_code == 204
    await log.wait_for("instance-events", where=lambda one: one.type == "instance.forgotten.v1", within=30)
    assert await letters(operator) == []
    acts = await log.wait_for("operator-events", count=2, within=30)
    assert {(act.type, act.body["room"], act.body["actor"], act.body.get("reason")) for act in acts} == {
        ("letter.replayed.v1", "ingest", "ada", None),
        ("letter.dropped.v1", "ingest", "ada", "not ours"),
    }
    assert [record.key for record in await log.read("instance-events")] == [replayed.study_instance_uid]


async def test_the_lag_is_that_of_the_group_also_while_nobody_consumes(
    operator: httpx.AsyncClient, consumer: ServiceProcess, feed: Feed
) -> None:
    async def lag() -> int:
        answer = (await operator.get("/lag")).raise_for_status().json()
        assert (answer["group"], {part["topic"] for part in answer["partitions"]}) == ("ingest", {"study-events"})
        found: int = answer["lag"]
        return found

    async def caught_up() -> bool:
        return await lag() == 0

    await eventually(caught_up, within=30, what="all before it is taken")
    consumer.stop()
    await feed.publish(*(retired(a_uid()) for _ in range(3)))
    assert await lag() == 3
    consumer.start()
    await eventually(caught_up, within=30, what="the consumer has caught up")


async def test_operators_are_told_that_the_database_is_awaited(
    services: Services, free_port: Callable[[], int], tmp_path: Path
) -> None:
    cut_off = services.start(
        "ingest",
        INGEST_DIMSE_PORT=free_port(),
        INGEST_JOURNAL=str(tmp_path),
        INGEST_POSTGRES=f"postgresql://nobody:x@127.0.0.1:{free_port()}/nothing",
    )
    async with httpx.AsyncClient(base_url=f"{cut_off.http}/api/ingest") as http:
        assert (await http.get("/journal")).status_code == 200
        answers = [
            await http.get("/lag"),
            await http.get("/dead-letters"),
            await http.post("/dead-letters/1/replay", headers=ADA),
            await http.post("/dead-letters/1/drop", headers=ADA),
        ]
    assert {(answer.status_code, answer.json()["detail"]) for answer in answers} == {(503, "The database is awaited")}
    assert all(answer.headers["Retry-After"] for answer in answers)
