"""STOW-RS (PS3.18 section 10.5) over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from xml.etree.ElementTree import fromstring

import httpx
import pytest
from dicomweb_client.web import DICOMwebClient
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from services.ingest.tests.builders import an_instance, encoded, part10
from services.ingest.tests.doors import World
from services.ingest.tests.stow import FAILED, OTHER, STORED, reasons, uids

pytestmark = pytest.mark.servers
BOUNDARY = "fj-boundary"
MULTIPART = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
BYTES_MAX = 4 * 1024 * 1024
SETTINGS = {"INGEST_STOW_BYTES_MAX": BYTES_MAX}


def body(*files: bytes, end: bool = True, kind: str = "application/dicom") -> bytes:
    parts = b"".join(b"--%b\r\nContent-Type: %b\r\n\r\n%b\r\n" % (BOUNDARY.encode(), kind.encode(), f) for f in files)
    return parts + (b"--%b--\r\n" % BOUNDARY.encode() if end else b"")


async def stow(
    http: httpx.AsyncClient, content: bytes, path: str = "/dicomweb/studies", **headers: str
) -> httpx.Response:
    return await http.post(path, content=content, headers={"Content-Type": MULTIPART} | headers)


async def test_all_stored_is_200_and_bit_for_bit(world: World, http: httpx.AsyncClient) -> None:
    sent = [an_instance("1.2.4.1", "1.2.4.1.1", pixels=700_000) for _ in range(3)]
    answer = await stow(http, body(*map(part10, sent)), **{"X-FJ-User": "Tess"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/dicom+json"
    assert uids(answer, STORED) == [dataset.SOPInstanceUID for dataset in sent]
    assert answer.json()["00081190"]["Value"] == [f"{world.process.http}/dicomweb/studies/1.2.4.1"]
    (fact,) = await world.facts("1.2.4.1")
    assert (fact["source"], fact["actor"], fact.get("calling_ae_title")) == ("DICOMWEB", "Tess", None)
    assert [await world.file_of(fact, nth) for nth in range(3)] == [part10(dataset) for dataset in sent]
    assert await world.data_of(fact) == encoded(sent[0])


async def test_stored_in_part_is_202_and_says_which(world: World, http: httpx.AsyncClient) -> None:
    good, cut, foreign = an_instance("1.2.4.2"), an_instance("1.2.4.2"), an_instance("1.2.4.3")
    files = [part10(good), part10(cut)[:-100], part10(foreign), b"no DICOM at all" * 100]
    answer = await stow(http, body(*files), "/dicomweb/studies/1.2.4.2")
    assert answer.status_code == 202
    assert uids(answer, STORED) == [good.SOPInstanceUID]
    assert uids(answer, FAILED) == [cut.SOPInstanceUID, foreign.SOPInstanceUID]
    assert reasons(answer, FAILED) == [0xC000, 0xA900]
    assert reasons(answer, OTHER) == [0xC000]
    (fact,) = await world.facts("1.2.4.2")
    assert len(fact["instances"]) == 1


def an_unknown_class() -> Dataset:
    return an_instance(SOPClassUID="1.2.840.10008.1.1")


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (part10(an_unknown_class()), 0x0122),
        (part10(an_instance()).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.7\0"), 0xC122),
        (part10(an_instance(SOPInstanceUID="1.2.3"))[:300], 0xC000),
    ],
)
async def test_nothing_stored_is_409_with_the_reason(
    world: World, http: httpx.AsyncClient, file: bytes, reason: int
) -> None:
    answer = await stow(http, body(file))
    assert answer.status_code == 409
    assert reasons(answer, FAILED) + reasons(answer, OTHER) == [reason]
    assert answer.headers["warning"].startswith("299 ")


async def test_a_body_that_ends_early_costs_its_last_part(world: World, http: httpx.AsyncClient) -> None:
    whole, cut = an_instance("1.2.4.4"), an_instance("1.2.4.4")
    answer = await stow(http, body(part10(whole), part10(cut), end=False)[:-500])
    assert answer.status_code == 202
    assert uids(answer, STORED) == [whole.SOPInstanceUID]
    assert uids(answer, FAILED) == [cut.SOPInstanceUID]
    (fact,) = await world.facts("1.2.4.4")
    assert len(fact["instances"]) == 1


async def test_a_body_without_length_is_bounded_too(world: World, http: httpx.AsyncClient) -> None:
    small, large = an_instance("1.2.4.5"), an_instance("1.2.4.5", pixels=BYTES_MAX)

    async def streamed() -> AsyncIterator[bytes]:
        yield body(part10(small), part10(large))

    answer = await http.post("/dicomweb/studies", content=streamed(), headers={"Content-Type": MULTIPART})
    assert answer.status_code == 202
    assert uids(answer, STORED) == [small.SOPInstanceUID]
    assert reasons(answer, FAILED) == [0xA700]


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{}", {"Content-Type": "application/json"}, 415),
        (b"", {"Content-Type": 'multipart/related; type="application/json"; boundary=x'}, 415),
        (b"", {"Content-Type": 'multipart/related; type="application/dicom"'}, 400),
        (b"", {}, 400),
        (b"this is no multipart body", {}, 400),
        (body(b"x" * (BYTES_MAX + 1)), {}, 413),
        (body(b"x"), {"Accept": "text/html"}, 406),
        (body(b"x"), {"Content-Encoding": "gzip"}, 415),
    ],
)
async def test_what_is_no_request_is_a_problem(
    world: World, http: httpx.AsyncClient, content: bytes, headers: dict[str, str], status: int
) -> None:
    answer = await stow(http, content, **headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in answer.text


async def test_a_study_that_is_no_uid_is_a_problem(world: World, http: httpx.AsyncClient) -> None:
    answer = await stow(http, body(part10(an_instance())), "/dicomweb/studies/1.2.x")
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"


async def test_one_file_is_a_body_of_its_own(world: World, http: httpx.AsyncClient) -> None:
    """Cut short, it is refused as a part would be."""
    sent, cut = an_instance("1.2.4.6", pixels=3_000_000), an_instance("1.2.4.6")
    headers = {"Content-Type": "application/dicom"}
    answer = await http.post("/dicomweb/studies/1.2.4.6", content=part10(sent), headers=headers)
    assert answer.status_code == 200, answer.text
    assert uids(answer, STORED) == [sent.SOPInstanceUID]
    broken = await http.post("/dicomweb/studies", content=part10(cut)[:-100], headers=headers)
    assert broken.status_code == 409
    assert reasons(broken, FAILED) == [0xC000]
    assert (await http.post("/dicomweb/studies", content=b"", headers=headers)).status_code == 400
    (fact,) = await world.facts("1.2.4.6")
    assert await world.file_of(fact) == part10(sent)


async def test_the_answer_is_xml_for_whoever_takes_nothing_else(world: World, http: httpx.AsyncClient) -> None:
    good, foreign = an_instance("1.2.4.7"), an_instance("1.2.4.8")
    files = body(part10(good), part10(foreign))
    answer = await stow(http, files, "/dicomweb/studies/1.2.4.7", Accept="application/dicom+xml")
    assert (answer.status_code, answer.headers["content-type"]) == (202, "application/dicom+xml")
    root = fromstring(answer.content)  # noqa: S314 - our own service wrote it
    assert root.find("DicomAttribute[@keyword='ReferencedSOPSequence']/Item[@number='1']") is not None
    reason = root.find("DicomAttribute[@tag='00081198']/Item/DicomAttribute[@keyword='FailureReason'][@vr='US']/Value")
    assert reason is not None
    assert reason.text == str(0xA900)


async def test_dicomweb_client_stores_a_study(world: World) -> None:
    """A client that others use, with its own way of writing bodies and reading answers."""
    study = [an_instance("1.2.4.9", "1.2.4.9.1") for _ in range(3)]
    for dataset in study:
        dataset.preamble, dataset.file_meta = bytes(128), FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    client = DICOMwebClient(f"{world.process.http}/dicomweb")
    answer = await asyncio.to_thread(client.store_instances, study)
    assert [item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence] == [
        dataset.SOPInstanceUID for dataset in study
    ]
    assert answer.RetrieveURL.endswith("/dicomweb/studies/1.2.4.9")
    (fact,) = await world.facts("1.2.4.9")
    assert len(fact["instances"]) == 3


async def test_a_part_of_another_kind_is_not_stored(world: World, http: httpx.AsyncClient) -> None:
    answer = await stow(http, body(part10(an_instance()), kind="application/octet-stream"))
    assert answer.status_code == 409
