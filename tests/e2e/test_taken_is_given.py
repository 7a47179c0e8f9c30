"""What `ingest` takes can be got and moved again: private SOP classes, retired ones, rare transfer syntaxes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import httpx
import pytest
import yaml
from fj_testing import ServiceProcess, Services, eventually
from pydicom import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.sop_class import register_uid

from services.storage.tests.builders import Exam, Image
from services.storage.tests.scu import Destination, Workstation, a_query

pytestmark = pytest.mark.servers
PRIVATE = UID("1.3.46.670589.2.5.1.1")
RETIRED = UID("1.2.840.10008.5.1.4.1.1.3")
"""Ultrasound Multi-frame Image Storage, retired in 1993."""
DICOS = UID("1.2.840.10008.5.1.4.1.1.501.1")
"""DICOS CT Image Storage: of luggage."""
HIERARCHICAL = UID("1.2.840.10008.1.2.4.64")
"""A JPEG process that was retired in 2001."""
SYNTAXES = (ExplicitVRLittleEndian, HIERARCHICAL)
for number, sop_class in enumerate((PRIVATE, RETIRED, DICOS)):
    register_uid(sop_class, f"Rare{number}Storage", StorageServiceClass)  # else pynetdicom as destination refuses it
SETTINGS = {"FJ_SOP_CLASSES": f'["{PRIVATE}"]'}


@pytest.fixture(scope="module")
def dimse_port(free_port: Callable[[], int]) -> int:
    return free_port()


@pytest.fixture(scope="module")
def destination_port(free_port: Callable[[], int]) -> int:
    """Where WS1 listens, while a test lets it."""
    return free_port()


@pytest.fixture(scope="module")
def storage(
    services: Services, dimse_port: int, destination_port: int, tmp_path_factory: pytest.TempPathFactory
) -> ServiceProcess:
    peers = tmp_path_factory.mktemp("peers") / "peers.yaml"
    peers.write_text(yaml.safe_dump({"WS1": {"host": "127.0.0.1", "port": destination_port}}))
    return services.start(
        "storage",
        STORAGE_QUIET_TIME=1,
        STORAGE_DIMSE_PORT=dimse_port,
        FJ_PEERS=str(peers),
        **SETTINGS,
    )


@pytest.fixture(scope="module")
def workstation(storage: ServiceProcess, dimse_port: int) -> Workstation:
    return Workstation(dimse_port)


@pytest.fixture
async def http(storage: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=storage.http, timeout=20) as client:
        yield client


@pytest.fixture(scope="module")
def ingest_port(services: Services, free_port: Callable[[], int]) -> int:
    """Where an `ingest` with the same settings listens."""
    port = free_port()
    services.start("ingest", INGEST_DIMSE_PORT=port, INGEST_SEGMENT_IDLE=1, **SETTINGS)
    return port


async def test_what_was_stored_is_got_and_moved(
    workstation: Workstation, destination_port: int, ingest_port: int, http: httpx.AsyncClient
) -> None:
    exam = Exam()
    classes = (PRIVATE, RETIRED, DICOS)
    images = [exam.images(1, number, SOPClassUID=sop_class)[0] for number, sop_class in enumerate(classes, 1)]
    images += exam.images(1, len(classes) + 1, syntax=HIERARCHICAL, SOPClassUID=RETIRED)
    assert await asyncio.to_thread(store, ingest_port, images) == [0x0000] * len(images)
    await eventually(lambda: _are_here(http, exam, len(images)), within=30)

    stored = {(image.uid, image.transfer_syntax, image.data) for image in images}
    query = a_query("STUDY", StudyInstanceUID=exam.study_uid)
    got = await workstation.gets(query, SYNTAXES, *classes)
    assert {(one.uid, one.transfer_syntax, one.data) for one in got.received} == stored
    assert (got.answers.final.Status, got.answers.final.NumberOfCompletedSuboperations) == (0x0000, len(images))
    with Destination("WS1", destination_port, SYNTAXES, sop_classes=classes) as destination:
        moved = await workstation.moves(query, "WS1")
    assert {(one.uid, one.transfer_syntax, one.data) for one in destination.received} == stored
    assert (moved.final.Status, moved.final.NumberOfCompletedSuboperations) == (0x0000, len(images))


async def test_a_class_that_nobody_named_is_neither_taken_nor_given(workstation: Workstation, ingest_port: int) -> None:
    stranger = UID("1.3.46.670589.2.5.1.2")
    ae = AE("CT1")
    ae.add_requested_context(stranger)
    link = await asyncio.to_thread(ae.associate, "127.0.0.1", ingest_port, ae_title="FJ_STORE")
    assert [context.result for context in link.rejected_contexts] == [3]
    with workstation.associated([(PRIVATE, SYNTAXES), (stranger, SYNTAXES)], scp_of=(PRIVATE, stranger)) as link:
        assert [(context.abstract_syntax, context.result) for context in link.rejected_contexts] == [(stranger, 3)]


def store(port: int, images: Sequence[Image]) -> list[int]:
    """By pynetdicom's C-STORE; the status of each."""
    ae = AE("CT1")
    for sop_class, syntax in {(str(image.data_set.SOPClassUID), image.transfer_syntax) for image in images}:
        ae.add_requested_context(sop_class, syntax)
    link = ae.associate("127.0.0.1", port, ae_title="FJ_STORE")
    assert link.is_established
    try:
        return [link.send_c_store(_sent(image)).Status for image in images]
    finally:
        link.release()


def _sent(image: Image) -> Dataset:
    """With the transfer syntax at it, from which pynetdicom chooses a context."""
    image.data_set.ensure_file_meta()
    image.data_set.file_meta.TransferSyntaxUID = UID(image.transfer_syntax)
    return image.data_set


async def _are_here(http: httpx.AsyncClient, exam: Exam, count: int) -> bool:
    answer = await http.get(f"/dicomweb/studies/{exam.study_uid}/instances")
    return answer.status_code == 200 and len(answer.json()) == count
