"""Studies that are sent on: routing rules, the ledger, operators, and what other systems are told."""

import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
import yaml
from fj_testing import Feed, eventually, orthanc
from pydicom import Dataset

from services.storage.tests.builders import Exam, Image, Packer
from services.storage.tests.scu import Destination, Notified, Received

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]
OPERATOR = {"X-FJ-User": "olga"}


@pytest.fixture(scope="module")
def peers(peer_ports: dict[str, int], dimse_port: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("peers") / "peers.yaml"
    entries: dict[str, dict[str, Any]] = {
        title: {"host": "127.0.0.1", "port": port} for title, port in peer_ports.items()
    }
    entries["IAN1"]["availability_notification"] = True
    path.write_text(yaml.safe_dump(entries))
    return path


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("routes") / "routes.yaml"
    rules = [
        {"name": "mr", "when": {"modality": "MR", "site": "MAIN"}, "to": "WS1"},
        {"name": "us", "when": {"modality": ["US", "IVUS"]}, "to": ["LATER"]},
        {"name": "archive", "when": {"description": "*archive*"}, "to": "ORTHANC"},
    ]
    path.write_text(yaml.safe_dump(rules))
    return str(path)


async def of(http: httpx.AsyncClient, exam: Exam, destination: str) -> dict[str, Any]:
    """A send as operators see it; empty while there is none."""
    answer = await http.get("/api/storage/sends", params={"study_instance_uid": exam.study_uid})
    return next((one for one in answer.json() if one["destination"] == destination), {})


async def became(http: httpx.AsyncClient, exam: Exam, destination: str, state: str) -> dict[str, Any]:
    async def there() -> dict[str, Any]:
        found = await of(http, exam, destination)
        return found if found.get("state") == state else {}

    return await eventually(there, within=30)


def uids(received: list[Received]) -> list[str]:
    return sorted(one.uid for one in received)


def expected(*images: Image) -> list[str]:
    return sorted(image.uid for image in images)


def whole(*images: Image) -> dict[str, Dataset]:
    """Whole data sets, pixels and all."""
    return {image.uid: pydicom.dcmread(io.BytesIO(image.file)) for image in images}


async def test_an_available_study_goes_where_the_rules_say_and_late_images_follow(
    feed: Feed, packer: Packer, http: httpx.AsyncClient, peer_ports: dict[str, int]
) -> None:
    exam, other = Exam(modality="MR"), Exam(modality="CT")
    images, late = exam.images(3), exam.images(2)
    with Destination("WS1", peer_ports["WS1"]) as destination:
        await feed.publish(await packer.ship(exam, images), await packer.ship(other, other.images(1)))
        sent = await became(http, exam, "WS1", "SENT")
        assert (sent["reason"], sent["instances_sent"], sent["attempts"]) == ("rule mr", 3, 1)
        assert {(one.uid, one.data) for one in destination.received} == {(one.uid, one.data) for one in images}
        await feed.publish(await packer.ship(exam, late))
        await eventually(lambda: len(destination.received) == 5)
        assert (await became(http, exam, "WS1", "SENT"))["instances_sent"] == 5
    assert uids(destination.received) == expected(*images, *late)  # the first ones did not go twice
    assert await of(http, other, "WS1") == {}


async def test_a_destination_that_is_away_or_refuses_gets_the_rest_later(
    feed: Feed, packer: Packer, http: httpx.AsyncClient, peer_ports: dict[str, int]
) -> None:
    exam = Exam(modality="US")
    images = exam.images(3)
    await feed.publish(await packer.ship(exam, images))

    async def refused() -> bool:
        return bool((await of(http, exam, "LATER")).get("attempts"))

    await eventually(refused, within=20)
    assert (await of(http, exam, "LATER"))["last_error"] == "LATER cannot be reached: ConnectionRefusedError"
    asked: list[str] = []

    def take(uid: str) -> int:
        asked.append(uid)
        return 0xA700 if asked.count(images[1].uid) == 1 and uid == images[1].uid else 0x0000

    with Destination("LATER", peer_ports["LATER"], takes=take) as destination:
        sent = await became(http, exam, "LATER", "SENT")
    assert uids(destination.received) == expected(*images)
    assert len(asked) == 4  # what was taken was not sent again
    assert sent["last_error"] is None


async def test_an_operator_asks_for_a_send_repeats_and_cancels(
    feed: Feed, packer: Packer, http: httpx.AsyncClient, peer_ports: dict[str, int]
) -> None:
    exam = Exam()
    await feed.publish(await packer.ship(exam, exam.images(2)))
    await eventually(lambda: _is_indexed(http, exam))
    new = {"study_instance_uid": exam.study_uid, "destination": "WS4"}
    assert (await http.post("/api/storage/sends", json=new)).status_code == 401
    stranger = new | {"destination": "STRANGER"}
    assert (await http.post("/api/storage/sends", json=stranger, headers=OPERATOR)).status_code == 422
    with Destination("WS4", peer_ports["WS4"]) as destination:
        assert (await http.post("/api/storage/sends", json=new, headers=OPERATOR)).status_code == 202
        sent = await became(http, exam, "WS4", "SENT")
        assert sent["reason"] == "asked by olga"
        path = f"/api/storage/sends/{sent['send_id']}"
        await http.post(f"{path}/repeat", json={"everything": True}, headers=OPERATOR)
        await eventually(lambda: len(destination.received) == 4)
    assert (await became(http, exam, "WS4", "SENT"))["reason"] == "repeated by olga"
    assert (await http.post(f"{path}/cancel", headers=OPERATOR)).status_code == 409
    await http.post("/api/storage/sends", json=new | {"destination": "NOBODY"}, headers=OPERATOR)
    waiting = await became(http, exam, "NOBODY", "WAITING")
    answer = await http.post(f"/api/storage/sends/{waiting['send_id']}/cancel", headers=OPERATOR)
    assert (answer.status_code, answer.json()["state"]) == (200, "CANCELLED")
    assert (await http.post("/api/storage/sends/999999/repeat", headers=OPERATOR)).status_code == 404


async def test_a_peer_that_wants_it_is_told_what_can_be_retrieved(
    feed: Feed, packer: Packer, http: httpx.AsyncClient, peer_ports: dict[str, int]
) -> None:
    exam = Exam()
    images = exam.images(2)
    with Notified("IAN1", peer_ports["IAN1"]) as peer:
        await feed.publish(await packer.ship(exam, images))
        await became(http, exam, "IAN1", "SENT")
    (content,) = [content for content in peer.contents if content.StudyInstanceUID == exam.study_uid]
    (series,) = content.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == images[0].series
    told = {
        (item.ReferencedSOPInstanceUID, item.InstanceAvailability, item.RetrieveAETitle)
        for item in series.ReferencedSOPSequence
    }
    assert told == {(image.uid, "ONLINE", "FJ_QR") for image in images}


async def _is_indexed(http: httpx.AsyncClient, exam: Exam) -> bool:
    return bool((await http.get(f"/dicomweb/studies?StudyInstanceUID={exam.study_uid}")).json())


@pytest.fixture
async def department(
    peer_ports: dict[str, int], dimse_port: int, free_port: Callable[[], int], tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """Orthanc, which knows us and whom we know; its HTTP API."""
    ours = ("FJ_QR", "127.0.0.1", dimse_port)
    async with orthanc(tmp_path, free_port(), ours, peer_ports["ORTHANC"]) as http:
        yield http


async def test_orthanc_is_sent_a_study_and_asks_for_another(
    feed: Feed, packer: Packer, http: httpx.AsyncClient, department: httpx.AsyncClient
) -> None:
    forwarded, asked = Exam(description="for the archive"), Exam(family_name="Wanted")
    images, others = forwarded.images(3), asked.images(2)
    await feed.publish(await packer.ship(forwarded, images), await packer.ship(asked, others))
    await became(http, forwarded, "ORTHANC", "SENT")
    assert await _data_sets(department) == whole(*images)
    await eventually(lambda: _is_indexed(http, asked))
    query = {"Level": "Study", "Query": {"PatientName": "Wanted*", "StudyInstanceUID": ""}}
    found = (await department.post("/modalities/filmjacket/query", json=query)).json()
    assert len((await department.get(f"/queries/{found['ID']}/answers")).json()) == 1
    moved = await department.post(f"/queries/{found['ID']}/answers/0/retrieve", json={"TargetAet": "ORTHANC"})
    assert moved.status_code == 200
    assert await _data_sets(department) == whole(*images, *others)


async def _data_sets(department: httpx.AsyncClient) -> dict[str, Dataset]:
    """What it gives out of what it was sent, by SOP Instance UID."""
    files = [await department.get(f"/instances/{one}/file") for one in (await department.get("/instances")).json()]
    found = [pydicom.dcmread(io.BytesIO(file.content)) for file in files]
    return {str(one.SOPInstanceUID): one for one in found}
