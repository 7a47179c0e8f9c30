"""Where the operator says so, studies of which it is in doubt whose they are, are shown to the known alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import yaml
from fj_events import PatientPhi, PatientRegistered, Sex, Source
from fj_testing import Feed, Log, ServiceProcess, eventually
from pydicom.uid import ExplicitVRLittleEndian

from services.storage.tests.builders import Exam, Image, Packer
from services.storage.tests.scu import Destination, Workstation, a_query
from services.storage.tests.studies import facts_of

pytestmark = pytest.mark.servers
SETTINGS: Final = {"STORAGE_UNCONFIRMED": "known"}
TESS: Final = {"X-FJ-User": "tess"}
NOBODY: Final[Mapping[str, str]] = {}


@pytest.fixture(scope="module")
def peers(peer_ports: dict[str, int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("peers") / "peers.yaml"
    entries: dict[str, dict[str, Any]] = {
        title: {"host": "127.0.0.1", "port": port} for title, port in peer_ports.items()
    }
    entries["WS1"]["unconfirmed"] = True
    path.write_text(yaml.safe_dump(entries))
    return path


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("routes") / "routes.yaml"
    path.write_text(yaml.safe_dump([{"name": "mr", "when": {"modality": "MR"}, "to": ["WS1", "LATER"]}]))
    return str(path)


async def a_doubtful(feed: Feed, log: Log, packer: Packer, modality: str = "CT") -> tuple[Exam, list[Image]]:
    """A study of Ben under Ada's number, beside one of hers."""
    exam = Exam(accession=None, modality=modality)
    registered = {"patient_id": exam.patient_id, "provisional": False, "patient": exam.patient}
    await feed.publish(PatientRegistered.model_validate({"site": "MAIN", "source": Source.HL7, **registered}))
    ben = PatientPhi(id=exam.patient.id, family_name="Okafor", given_name="Ben", sex=Sex.MALE)
    images = exam.images(2)
    await feed.publish(await packer.ship(exam, images, patient=ben))
    await facts_of(log, exam, "study.available.v1")
    return exam, images


def addresses(exam: Exam, image: Image) -> list[str]:
    """Of all that is retrieved."""
    study = f"/dicomweb/studies/{exam.study_uid}"
    series = f"{study}/series/{image.series}"
    instance = f"{series}/instances/{image.uid}"
    old = f"/wado?requestType=WADO&studyUID={exam.study_uid}&seriesUID={image.series}&objectUID={image.uid}"
    whole = [one for level in (study, series, instance) for one in (level, f"{level}/metadata", f"{level}/rendered")]
    return [
        *whole,
        f"{instance}/frames/1",
        f"{instance}/thumbnail",
        f"{instance}/bulkdata/7FE00010",
        f"{study}/bulkdata",
        old,
    ]


async def found(http: httpx.AsyncClient, exam: Exam, headers: Mapping[str, str]) -> list[int]:
    """How many studies, series and instances a search finds, and how many studies the patient is said to have."""
    study = {"StudyInstanceUID": exam.study_uid}
    counts = [
        len((await http.get(f"/dicomweb/{level}", params=study, headers=headers)).json())
        for level in ("studies", "series", "instances")
    ]
    whose = {"PatientID": exam.patient_number or "", "includefield": "NumberOfPatientRelatedStudies"}
    studies = (await http.get("/dicomweb/studies", params=whose, headers=headers)).json()
    return [*counts, *{study["00201200"]["Value"][0] for study in studies}]


async def test_readers_who_name_nobody_find_and_get_nothing_of_them(
    http: httpx.AsyncClient, feed: Feed, log: Log, packer: Packer
) -> None:
    exam, images = await a_doubtful(feed, log, packer)
    other = Exam(accession=None, patient_number=exam.patient_number)
    await feed.publish(await packer.ship(other, other.images(1)))
    await facts_of(log, other, "study.available.v1")
    accept = {"Accept": "*/*"}
    for address in addresses(exam, images[0]):
        assert (await http.get(address, headers=accept)).status_code == 404, address
        assert (await http.get(address, headers=accept | TESS)).status_code in {200, 206}, address
    assert await found(http, exam, NOBODY) == [0, 0, 0, 1]
    assert await found(http, exam, TESS) == [1, 1, 2, 2]
    assert await found(http, other, NOBODY) == [1, 1, 1, 1]
    elsewhere = {**TESS, "X-Forwarded-For": "10.0.0.9"}
    assert await found(http, exam, elsewhere) == [0, 0, 0, 1]


async def test_who_names_nobody_is_told_nothing_of_them_by_the_api_of_studies_either(
    storage: ServiceProcess, feed: Feed, log: Log, packer: Packer
) -> None:
    exam, _ = await a_doubtful(feed, log, packer)
    other = Exam(accession=None, patient_number=exam.patient_number)
    await feed.publish(await packer.ship(other, other.images(1)))
    await facts_of(log, other, "study.available.v1")
    study = f"/api/storage/studies/{exam.study_uid}"
    asked = [study, *(f"{study}/{what}" for what in ("candidates", "registration", "links", "rejections", "keeping"))]
    lists = ("studies", "unmatched", "exceptions")
    async with httpx.AsyncClient(base_url=storage.http) as http:

        async def listed(of: Exam, headers: Mapping[str, str]) -> list[bool]:
            query = {"limit": 500}
            answers = [(await http.get(f"/api/storage/{each}", params=query, headers=headers)).json() for each in lists]
            return [of.study_uid in {one["study_instance_uid"] for one in answer} for answer in answers]

        await eventually(lambda: listed(exam, TESS), within=20)
        assert await listed(exam, TESS) == [True, True, True]
        assert await listed(exam, NOBODY) == [False, False, False]
        assert (await listed(other, NOBODY))[0]
        for address in asked:
            assert (await http.get(address)).status_code == 404, address
            assert (await http.get(address, headers=TESS)).status_code == 200, address
            assert (await http.get(address.replace(exam.study_uid, other.study_uid))).status_code == 200, address


async def test_peers_of_which_nothing_is_said_find_and_get_nothing_of_them(
    feed: Feed, log: Log, packer: Packer, workstation: Workstation, peer_ports: dict[str, int]
) -> None:
    exam, _ = await a_doubtful(feed, log, packer)
    query = a_query("STUDY", StudyInstanceUID=exam.study_uid)
    stranger = Workstation(workstation.port, "WS4")
    for asks, instances in ((workstation, 2), (stranger, 0)):
        assert len((await asks.finds(query)).identifiers) == bool(instances)
        assert len((await asks.gets(query, [ExplicitVRLittleEndian])).received) == instances
    with Destination("WS1", peer_ports["WS1"]) as ws1, Destination("WS4", peer_ports["WS4"]) as ws4:
        await workstation.moves(query, "WS4")
        await stranger.moves(query, "WS1")
        assert (ws1.received, ws4.received) == ([], [])
        await workstation.moves(query, "WS1")
        assert len(ws1.received) == 2


async def test_a_destination_that_may_not_see_them_is_sent_them_when_a_person_has_confirmed(
    storage: ServiceProcess, feed: Feed, log: Log, packer: Packer, peer_ports: dict[str, int]
) -> None:
    with Destination("WS1", peer_ports["WS1"]) as may, Destination("LATER", peer_ports["LATER"]) as may_not:
        exam, images = await a_doubtful(feed, log, packer, "MR")
        await eventually(lambda: len(may.received) == 2, within=20)
        assert may_not.received == []
        async with httpx.AsyncClient(base_url=storage.http, headers=TESS) as tess:
            confirm = f"/api/storage/studies/{exam.study_uid}/confirm"
            assert (await tess.post(confirm, json={"reason": "asked the patient"})).status_code == 200
        await eventually(lambda: len(may_not.received) == 2, within=20)
        assert {one.uid for one in may_not.received} == {image.uid for image in images}
        assert len(may.received) == 2
