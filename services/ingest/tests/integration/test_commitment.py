"""Storage commitment requests (PS3.4 Annex J) through DIMSE: committed as facts before they are confirmed."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncpg
import httpx
import pytest
import pytest_asyncio
from fj_dicom import General
from fj_testing import Services, eventually
from pydicom import Dataset
from pynetdicom import AE
from pynetdicom.association import Association

from services.ingest.tests.builders import CT, EXPLICIT, a_uid
from services.ingest.tests.doors import World

pytestmark = pytest.mark.servers
PUSH_MODEL, INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
PEERS = "CT9: {host: 127.0.0.1, port: 11199, site: NORTH}\n"


def a_request(*instances: str, transaction: str | None = None) -> Dataset:
    """The action information (PS3.4 table J.3-1)."""
    dataset = Dataset()
    dataset.TransactionUID = transaction or a_uid()
    dataset.ReferencedSOPSequence = []
    for instance in instances:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CT, instance
        dataset.ReferencedSOPSequence.append(item)
    return dataset


async def ask(port: int, wanted: Dataset, calling: str = "CT9", action: int = 1, instance: str = INSTANCE) -> Dataset:
    """The answer to an N-ACTION, as pynetdicom's requestor reads it."""

    def run() -> Dataset:
        ae = AE(calling)
        ae.add_requested_context(PUSH_MODEL, EXPLICIT)
        link = ae.associate("127.0.0.1", port, ae_title="FJ_STORE")
        assert link.is_established
        try:
            return act(link)
        finally:
            link.release()

    def act(link: Association) -> Dataset:
        status, _ = link.send_n_action(wanted, action, PUSH_MODEL, instance)
        return status

    return await asyncio.to_thread(run)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(world: World) -> World:
    """It takes images before it has its database, so its being ready is not enough for requests."""

    async def has_its_database() -> bool:
        return "PostgreSQL is awaited" not in (await http.get("/health/ready")).text

    async with httpx.AsyncClient(base_url=world.process.http) as http:
        await eventually(has_its_database)
    return world


async def test_a_request_is_a_fact_under_its_transaction(world: World, dimse_port: int) -> None:
    wanted = a_request("1.2.7.1", "1.2.7.2", "1.2.7.1")
    assert (await ask(dimse_port, wanted)).Status == 0x0000
    (fact,) = await world.facts(wanted.TransactionUID)
    assert (fact["site"], fact["calling_ae_title"]) == ("NORTH", "CT9")
    assert (fact["part"], fact["parts"], fact["number_of_references"]) == (1, 1, 2)
    assert [r["sop_instance_uid"] for r in fact["references"]] == ["1.2.7.1", "1.2.7.2"]
    assert {r["sop_class_uid"] for r in fact["references"]} == {CT}


async def test_a_long_request_is_told_in_numbered_parts_of_one_key(world: World, dimse_port: int) -> None:
    wanted = a_request(*(f"1.2.7.3.{number}" for number in range(4500)))
    assert (await ask(dimse_port, wanted)).Status == 0x0000
    facts = await world.facts(wanted.TransactionUID, count=3)
    assert [(fact["part"], fact["parts"], len(fact["references"])) for fact in facts] == [
        (1, 3, 2000),
        (2, 3, 2000),
        (3, 3, 500),
    ]
    assert {fact["number_of_references"] for fact in facts} == {4500}


async def test_the_same_request_again_changes_nothing_and_another_one_is_refused(world: World, dimse_port: int) -> None:
    wanted = a_request("1.2.7.4")
    assert [(await ask(dimse_port, wanted)).Status for _ in range(2)] == [0x0000, 0x0000]
    other = a_request("1.2.7.5", transaction=wanted.TransactionUID)
    answer = await ask(dimse_port, other)
    assert answer.Status == General.INVALID_ARGUMENT_VALUE
    assert "Transaction UID" in answer.ErrorComment
    last = a_request("1.2.7.6")
    assert (await ask(dimse_port, last)).Status == 0x0000
    await world.facts(last.TransactionUID)
    records = await world.log.read("instance-events")
    assert [record.key for record in records].count(wanted.TransactionUID) == 1


def without(keyword: str) -> Dataset:
    wanted = a_request("1.2.7.7")
    del wanted[keyword]
    return wanted


@pytest.mark.parametrize(
    ("wanted", "options", "status"),
    [
        (a_request("1.2.7.7"), {"calling": "STRANGER"}, General.NOT_AUTHORIZED),
        (a_request("1.2.7.7"), {"action": 2}, General.NO_SUCH_ACTION),
        (a_request("1.2.7.7"), {"instance": "1.2.3"}, General.NO_SUCH_SOP_INSTANCE),
        (without("TransactionUID"), {}, General.MISSING_ATTRIBUTE),
        (without("ReferencedSOPSequence"), {}, General.MISSING_ATTRIBUTE),
        (a_request(), {}, General.MISSING_ATTRIBUTE_VALUE),
        (a_request(""), {}, General.MISSING_ATTRIBUTE_VALUE),
        (a_request("1.2.x"), {}, General.INVALID_ATTRIBUTE_VALUE),
    ],
    ids=["stranger", "action", "instance", "no transaction", "no references", "empty", "empty UID", "no UID"],
)
async def test_what_is_no_request_is_refused_and_told_to_nobody(
    world: World, dimse_port: int, wanted: Dataset, options: dict[str, str | int], status: int
) -> None:
    answer = await ask(dimse_port, wanted, **options)  # type: ignore[arg-type]  # each row fits its own parameter
    assert answer.Status == status
    assert answer.ErrorComment
    last = a_request("1.2.7.8")
    assert (await ask(dimse_port, last)).Status == 0x0000
    await world.facts(last.TransactionUID)
    keys = {record.key for record in await world.log.read("instance-events")}
    assert wanted.get("TransactionUID", "-") not in keys


@pytest.mark.failure
async def test_without_a_database_nothing_is_confirmed(
    services: Services, free_port: Callable[[], int], settings: dict[str, str | int], tmp_path: Path
) -> None:
    port, nobody = free_port(), free_port()
    alone: dict[str, str | int] = {"INGEST_DIMSE_PORT": port, "INGEST_JOURNAL": str(tmp_path)}
    gone = {"INGEST_POSTGRES": f"postgresql://nobody:x@127.0.0.1:{nobody}/nothing"}
    services.start("ingest", "receiver", **settings | alone | gone)
    answer = await ask(port, a_request("1.2.7.9"))
    assert answer.Status == General.PROCESSING_FAILURE
    assert "database" in answer.ErrorComment


@pytest.mark.failure
async def test_a_receiver_alone_takes_requests_and_gets_over_lost_connections(
    world: World, services: Services, free_port: Callable[[], int], settings: dict[str, str | int], tmp_path: Path
) -> None:
    port = free_port()
    services.start("ingest", "receiver", **settings | {"INGEST_DIMSE_PORT": port, "INGEST_JOURNAL": str(tmp_path)})
    wanted = a_request("1.2.7.10")

    async def kept() -> bool:
        return bool((await ask(port, wanted)).Status == 0x0000)

    await eventually(kept)
    connection = await asyncpg.connect(services.database("ingest"))
    try:
        await connection.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user AND pid <> $1",
            connection.get_server_pid(),
        )
    finally:
        await connection.close()
    await eventually(kept)
    await world.facts(wanted.TransactionUID)
