"""What is found, and metadata, as XML (PS3.18 sections 10.4.4 and 10.6.4; PS3.19 annex A.1)."""

from typing import Any, Final
from xml.etree.ElementTree import Element, fromstring

import httpx
import pytest
from fj_testing import Feed, eventually

from services.storage.tests.builders import Exam, Packer
from services.storage.tests.integration.test_retrieving import get, instance, parts, stored

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]
XML: Final = {"Accept": 'multipart/related; type="application/dicom+xml"'}
IN_DICOM: Final = {"n": "http://dicom.nema.org/PS3.19/models/NativeDICOM"}


def documents(answer: httpx.Response) -> list[Element]:
    assert answer.headers["content-type"].startswith('multipart/related; type="application/dicom+xml"; boundary=')
    answer.headers["content-length"] = str(len(answer.content))  # metadata is sent as it is made
    found = parts(answer)
    assert {kind for kind, _ in found} <= {"application/dicom+xml"}
    return [fromstring(body) for _, body in found]  # noqa: S314 - our own service wrote it


def values(document: Element, keyword: str) -> list[str | None]:
    return [one.text for one in document.findall(f"n:DicomAttribute[@keyword='{keyword}']/n:Value", IN_DICOM)]


async def both(http: httpx.AsyncClient, path: str) -> tuple[list[Element], list[dict[str, Any]]]:
    """The same answer in XML and in JSON."""
    described: list[dict[str, Any]] = (await get(http, path, {"Accept": "application/dicom+json"})).json()
    return documents(await get(http, path, XML)), described


async def test_what_is_found_comes_as_xml(feed: Feed, packer: Packer, http: httpx.AsyncClient) -> None:
    exam = Exam(family_name="Müller & Söhne")
    address = await stored(feed, packer, http, exam, exam.images(2))
    for path in (f"/dicomweb/studies?StudyInstanceUID={exam.study_uid}", f"{address}/series", f"{address}/instances"):
        found, described = await both(http, path)
        assert len(found) == len(described) > 0
        for document, result in zip(found, described, strict=True):
            assert values(document, "RetrieveURL") == result["00081190"]["Value"]
            told = {one.attrib["tag"] for one in document}
            assert told == result.keys()
    (study,), _ = await both(http, f"/dicomweb/studies?StudyInstanceUID={exam.study_uid}")
    path = "n:DicomAttribute[@keyword='PatientName']/n:PersonName[@number='1']/n:Alphabetic/n:FamilyName"
    assert [name.text for name in study.findall(path, IN_DICOM)] == ["Müller & Söhne"]


async def test_a_page_of_what_is_found_says_that_there_is_more(
    feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam = Exam()
    address = await stored(feed, packer, http, exam, exam.images(3))
    answer = await get(http, f"{address}/instances?limit=2", XML)
    assert len(documents(answer)) == 2
    assert "additional results" in answer.headers["warning"]
    assert (await get(http, "/dicomweb/studies?StudyInstanceUID=1.2.3", XML, 204)).content == b""


async def test_metadata_comes_as_xml_before_and_after_it_is_kept(
    feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam = Exam()
    images = exam.images(3)
    address = await stored(feed, packer, http, exam, images, exam.images(1, 2))

    async def right() -> httpx.Response:
        found, described = await both(http, f"{address}/metadata")
        assert [values(one, "SOPInstanceUID") for one in found] == [one["00080018"]["Value"] for one in described]
        for document, data in zip(found, described, strict=True):
            (bulk,) = document.findall("n:DicomAttribute[@keyword='PixelData']/n:BulkData", IN_DICOM)
            assert bulk.attrib["uri"] == data["7FE00010"]["BulkDataURI"]
            assert (await http.get(bulk.attrib["uri"])).status_code == 200
        return await get(http, f"{address}/metadata", XML)

    await right()
    await feed.publish(exam.completed([*images]))

    async def kept() -> bool:
        last = [await get(http, f"{address}/metadata", XML) for _ in range(2)]
        return last[0].headers["etag"] == last[1].headers["etag"]

    await eventually(kept)
    etag = (await right()).headers["etag"]
    assert (await http.get(f"{address}/metadata", headers=XML | {"If-None-Match": etag})).status_code == 304
    in_json = await http.get(f"{address}/metadata", headers={"If-None-Match": etag})
    assert in_json.status_code == 200  # another form has a tag of its own
    assert len(documents(await get(http, f"{address}/series/{images[0].series}/metadata", XML))) == 3


async def test_metadata_of_one_instance_comes_as_xml_alone_or_in_a_part(
    feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam = Exam()
    (image,) = exam.images(1)
    path = f"{instance(await stored(feed, packer, http, exam, [image]), image)}/metadata"
    (document,) = documents(await get(http, path, XML))
    assert values(document, "SOPInstanceUID") == [image.uid]
    alone = await get(http, path, {"Accept": "application/dicom+xml"})
    assert alone.headers["content-type"] == "application/dicom+xml"
    assert values(fromstring(alone.content), "SOPInstanceUID") == [image.uid]  # noqa: S314 - our own service wrote it
    head = await http.head(path, headers={"Accept": "application/dicom+xml"})
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == alone.headers["etag"]
