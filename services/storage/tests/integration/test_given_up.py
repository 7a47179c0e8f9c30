"""What storage gives up is told to a person, who has it tried again or says that nothing is to be done."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fj_events import CommitmentRequested, SopReference
from fj_testing import Feed, Log, Record, ServiceProcess, Services, eventually
from pydicom.uid import CTImageStorage, DeflatedExplicitVRLittleEndian, KeyObjectSelectionDocumentStorage, generate_uid

from services.storage.tests.builders import Exam, Packer
from services.storage.tests.scu import Destination, Modality

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]
PERSON = {"X-FJ-User": "olga"}
AN_INSTANT = "1e-9"
"""Days: whoever is away is given up after the first attempt."""


@pytest.fixture(scope="module")
def storage(services: Services, dimse_port: int, peers: Path) -> ServiceProcess:
    return services.start(
        "storage",
        STORAGE_QUIET_TIME=1,
        STORAGE_DIMSE_PORT=dimse_port,
        FJ_PEERS=str(peers),
        STORAGE_COMMITMENT_PATIENCE=0,
        STORAGE_SEND_DAYS=AN_INSTANT,
        STORAGE_COMMITMENT_DAYS=AN_INSTANT,
    )


Said = Callable[[str, int], Awaitable[list[Record]]]


@pytest.fixture
def said(log: Log) -> Said:
    """So many facts about a piece of work, in order."""

    async def wait(work_id: str, count: int) -> list[Record]:
        return await log.wait_for("operator-events", where=lambda fact: fact.key == work_id, count=count, within=20)

    return wait


def settled(fact: Record) -> tuple[Any, ...]:
    assert fact.type == "work.settled.v1"
    return fact.body["settled_as"], fact.body.get("actor"), fact.body.get("reason")


async def test_a_destination_that_stays_away_is_on_the_list_until_a_person_or_more_images_say_otherwise(
    feed: Feed, packer: Packer, http: httpx.AsyncClient, peer_ports: dict[str, int], said: Said
) -> None:
    exam = Exam()
    images = exam.images(2)
    await feed.publish(await packer.ship(exam, images))

    async def indexed() -> bool:
        return (await http.get(f"/api/storage/studies/{exam.study_uid}")).status_code == 200

    await eventually(indexed, within=20)
    new = {"study_instance_uid": exam.study_uid, "destination": "WS1"}
    [send] = (await http.post("/api/storage/sends", json=new, headers=PERSON)).json()
    address, work_id = f"/api/storage/sends/{send['send_id']}", f"storage.images.{send['send_id']}"
    [up] = await said(work_id, 1)
    assert (up.type, up.body["destination"], up.body["about"]) == ("work.given_up.v1", "WS1", exam.study_uid)
    assert (up.body["reason"], up.body["address"]) == ("WS1 cannot be reached: ConnectionRefusedError", address)
    assert (await http.get(address)).json()["state"] == "FAILED"
    assert (await http.get("/api/storage/sends/999999")).status_code == 404

    await http.post("/api/storage/sends", json=new, headers=PERSON)
    assert settled((await said(work_id, 3))[1]) == ("repeated", "olga", "asked by olga")
    assert (await http.post(f"{address}/cancel")).status_code == 401
    cancelled = await http.post(f"{address}/cancel", json={"reason": "it was sold"}, headers=PERSON)
    assert cancelled.json()["state"] == "CANCELLED"
    assert settled((await said(work_id, 4))[3]) == ("cancelled", "olga", "it was sold")
    assert (await http.post(f"{address}/cancel", headers=PERSON)).status_code == 409

    with Destination("WS1", peer_ports["WS1"]) as destination:
        assert (await http.post(f"{address}/repeat", json={"reason": "it is back"}, headers=PERSON)).status_code == 202
        await eventually(lambda: len(destination.received) == 2)
    assert settled((await said(work_id, 5))[4]) == ("repeated", "olga", "it is back")


async def test_a_modality_that_cannot_be_told_what_became_of_its_request(
    feed: Feed, http: httpx.AsyncClient, peer_ports: dict[str, int], said: Said
) -> None:
    def a_request() -> CommitmentRequested:
        return CommitmentRequested(
            site="MAIN",
            transaction_uid=str(generate_uid()),
            calling_ae_title="CT1",
            requested_at=datetime.now(UTC),
            part=1,
            parts=1,
            number_of_references=1,
            references=(SopReference(sop_class_uid=CTImageStorage, sop_instance_uid="1.2.3"),),
        )

    told, untold = a_request(), a_request()
    await feed.publish(told, untold)
    addresses = [f"/api/storage/commitments/{one.transaction_uid}" for one in (told, untold)]
    for request, address in zip((told, untold), addresses, strict=True):
        [up] = await said(f"storage.commitment.{request.transaction_uid}", 1)
        assert (up.body["destination"], up.body["address"]) == ("CT1", address)
        assert (await http.get(address)).json()["state"] == "ABANDONED"
    with Modality("CT1", peer_ports["CT1"]) as modality:
        assert (await http.post(f"{addresses[0]}/repeat", headers=PERSON)).status_code == 202
        await eventually(lambda: modality.reports, within=20)
    assert modality.reports[0].content.TransactionUID == told.transaction_uid
    assert settled((await said(f"storage.commitment.{told.transaction_uid}", 2))[1]) == ("repeated", "olga", None)
    because = {"reason": "a test of the modality"}
    assert (await http.post(f"{addresses[1]}/cancel", json=because, headers=PERSON)).status_code == 200
    facts = await said(f"storage.commitment.{untold.transaction_uid}", 2)
    assert settled(facts[1]) == ("cancelled", "olga", "a test of the modality")
    assert (await http.get(addresses[1])).json()["state"] == "CANCELLED"
    assert (await http.post(f"{addresses[1]}/repeat", headers=PERSON)).status_code == 409
    assert (await http.get("/api/storage/commitments/1.2")).status_code == 404


async def test_a_note_that_cannot_be_read_waits_for_a_person(
    feed: Feed, packer: Packer, http: httpx.AsyncClient, said: Said
) -> None:
    exam = Exam()
    note = exam.image(generate_uid(), 99, 1, SOPClassUID=KeyObjectSelectionDocumentStorage, Modality="KO")
    rubbish = b"this was never deflated"
    file = note.file[: -len(note.data)] + rubbish
    torn = replace(note, transfer_syntax=DeflatedExplicitVRLittleEndian, data=rubbish, file=file)
    await feed.publish(await packer.ship(exam, [torn]))
    address = f"/api/storage/notes/{exam.study_uid}/{note.series}/{note.uid}"
    work_id = f"storage.rejection_note.{note.series}/{note.uid}"
    [up] = await said(work_id, 1)
    assert (up.body["kind"], up.body["about"], up.body["address"]) == ("rejection_note", exam.study_uid, address)
    assert (await http.get(address)).json()["outcome"] == "unreadable"
    assert (await http.post(f"{address}/repeat", headers=PERSON)).status_code == 202
    again = await said(work_id, 3)
    assert (settled(again[1]), again[2].type) == (("repeated", "olga", None), "work.given_up.v1")
    because = {"reason": "the images are hidden by hand"}
    assert (await http.post(f"{address}/cancel", json=because, headers=PERSON)).status_code == 200
    assert settled((await said(work_id, 4))[3]) == ("cancelled", "olga", "the images are hidden by hand")
    assert (await http.get(address)).json()["outcome"] == "dismissed"
    assert (await http.post(f"{address}/cancel", headers=PERSON)).status_code == 409
