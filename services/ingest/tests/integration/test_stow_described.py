"""STOW-RS of metadata and bulk data (PS3.18 section 10.5.1.2): instances are put together and kept as files."""

import io
import json
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

import httpx
import pydicom
import pytest
from pydicom import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit

from services.ingest.tests.builders import an_instance
from services.ingest.tests.doors import World
from services.ingest.tests.stow import FAILED, OTHER, STORED, reasons, uids

pytestmark = pytest.mark.servers
BYTES_MAX = 4 * 1024 * 1024
SETTINGS = {"INGEST_STOW_BYTES_MAX": BYTES_MAX}
BASELINE = b"\xff\xd8\xff\xe0\x00\x04JF\xff\xc0\x00\x0b"
"""The beginning of a JPEG of process 1."""
Parts = list[tuple[dict[str, str], bytes]]


def described(instance: Dataset, uri: str | None = "bulk/1", **elements: Any) -> dict[str, Any]:
    """Its metadata; the pixels are elsewhere."""
    found: dict[str, Any] = instance.to_json_dict()
    del found["7FE00010"]
    if uri is not None:
        found["7FE00010"] = {"vr": "OW", "BulkDataURI": uri}
    return found | elements


def in_json(*instances: dict[str, Any]) -> tuple[dict[str, str], bytes]:
    return {"Content-Type": "application/dicom+json"}, json.dumps(instances).encode()


def octets(data: bytes, uri: str = "bulk/1", kind: str = "application/octet-stream") -> tuple[dict[str, str], bytes]:
    return {"Content-Type": kind, "Content-Location": uri}, data


async def stow(
    http: httpx.AsyncClient, parts: Parts, kind: str = "application/dicom+json", path: str = "/dicomweb/studies"
) -> httpx.Response:
    body = b""
    for headers, data in parts:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        body += b"--b\r\n" + lines.encode() + b"\r\n" + data + b"\r\n"
    content_type = f'multipart/related; type="{kind}"; boundary=b'
    return await http.post(path, content=body + b"--b--\r\n", headers={"Content-Type": content_type})


async def kept(world: World, instance: Dataset) -> Dataset:
    (fact,) = await world.facts(instance.StudyInstanceUID)
    return pydicom.dcmread(io.BytesIO(await world.file_of(fact, 0)))


async def test_metadata_and_uncompressed_pixels_become_a_file(world: World, http: httpx.AsyncClient) -> None:
    instance = an_instance(pixels=301)
    instance.BitsAllocated = 16
    lut = described(instance, "../bulk/pixels", **{"00283006": {"vr": "OW", "BulkDataURI": "lut"}})
    parts = [in_json(lut), octets(b"\1\2\3\4", "lut"), octets(instance.PixelData, "../bulk/pixels")]
    answer = await stow(http, parts)
    assert answer.status_code == 200, answer.text
    assert uids(answer, STORED) == [instance.SOPInstanceUID]
    file = await kept(world, instance)
    assert file.file_meta.MediaStorageSOPInstanceUID == instance.SOPInstanceUID
    assert (file.PixelData, file["PixelData"].VR) == (instance.PixelData + b"\0", "OW")
    assert file.LUTData == b"\1\2\3\4"
    assert (file.PatientName, file.SpecificCharacterSet) == (instance.PatientName, "ISO_IR 192")
    assert file.Rows == 8


@pytest.mark.parametrize(
    ("kind", "syntax", "frame"),
    [
        ("image/jpeg", JPEGBaseline8Bit, BASELINE + b"odd"),
        ("image/jp2", JPEG2000Lossless, b"\xff\x4f\xff\x51"),
        (f"application/octet-stream; transfer-syntax={JPEGBaseline8Bit}", JPEGBaseline8Bit, b"whatever"),
    ],
)
async def test_single_frames_of_compressed_pixels_are_encapsulated(
    world: World, http: httpx.AsyncClient, kind: str, syntax: str, frame: bytes
) -> None:
    instance = an_instance(NumberOfFrames=2)
    parts = [in_json(described(instance)), octets(frame, kind=kind), octets(frame + b"2", kind=kind)]
    answer = await stow(http, parts, path=f"/dicomweb/studies/{instance.StudyInstanceUID}")
    assert answer.status_code == 200, answer.text
    file = await kept(world, instance)
    assert file.file_meta.TransferSyntaxUID == syntax
    frames = list(generate_frames(file.PixelData, number_of_frames=2))
    assert [one[: len(frame)] for one in frames] == [frame, frame]


async def test_metadata_in_xml(world: World, http: httpx.AsyncClient) -> None:
    instance = an_instance()
    root = Element("NativeDicomModel", {"xmlns": "http://dicom.nema.org/PS3.19/models/NativeDICOM"})
    for tag, element in described(instance).items():
        attribute = SubElement(root, "DicomAttribute", {"tag": tag, "vr": element["vr"]})
        if "BulkDataURI" in element:
            SubElement(attribute, "BulkData", {"uri": element["BulkDataURI"]})
        for number, value in enumerate(element.get("Value", ()), 1):
            if element["vr"] == "PN":
                name = SubElement(attribute, "PersonName", {"number": str(number)})
                family, given = value["Alphabetic"].split("^")
                group = SubElement(name, "Alphabetic")
                SubElement(group, "FamilyName").text, SubElement(group, "GivenName").text = family, given
            else:
                SubElement(attribute, "Value", {"number": str(number)}).text = str(value)
    parts = [({"Content-Type": "application/dicom+xml"}, tostring(root)), octets(instance.PixelData)]
    answer = await stow(http, parts, "application/dicom+xml")
    assert answer.status_code == 200, answer.text
    file = await kept(world, instance)
    assert (file.PixelData, file.Rows, file.SeriesNumber) == (instance.PixelData, 8, 2)
    assert str(file.PatientName).startswith("Müller^Jörg")


async def test_each_instance_has_its_own_result(world: World, http: httpx.AsyncClient) -> None:
    whole, without, foreign, nameless = an_instance(), an_instance(), an_instance(), an_instance()
    path = f"/dicomweb/studies/{whole.StudyInstanceUID}"
    for instance in (without, nameless):
        instance.StudyInstanceUID = whole.StudyInstanceUID
    anonymous = described(nameless, None)
    del anonymous["00080018"]
    instances = [described(whole), described(without, "nowhere"), described(foreign), anonymous]
    answer = await stow(http, [in_json(*instances), octets(whole.PixelData)], path=path)
    assert answer.status_code == 202
    assert uids(answer, STORED) == [whole.SOPInstanceUID]
    assert uids(answer, FAILED) == [without.SOPInstanceUID, foreign.SOPInstanceUID]
    assert reasons(answer, FAILED) == [0xC000, 0xA900]
    assert len(answer.json()[OTHER]["Value"]) == 1
    assert (await kept(world, whole)).SOPInstanceUID == whole.SOPInstanceUID


@pytest.mark.parametrize(
    "parts",
    [
        [({"Content-Type": "application/dicom+json"}, b"{")],
        [({"Content-Type": "application/dicom+json"}, b"[1]")],
        [({"Content-Type": "application/dicom+json"}, b"[" * 100_000)],
        [({"Content-Type": "application/dicom+xml"}, b"<!DOCTYPE x><NativeDicomModel/>")],
        [({"Content-Type": "application/dicom+json"}, b'[{"00080016": {"vr": "XX", "Value": 3}}]')],
        [({"Content-Type": "application/dicom+json"}, b"[]" + b" " * BYTES_MAX)],
    ],
    ids=["torn", "no data set", "deep", "document type", "no VR", "too long"],
)
async def test_what_cannot_be_understood_is_refused(http: httpx.AsyncClient, parts: Parts) -> None:
    answer = await stow(http, parts)
    assert answer.status_code in {409, 413, 503}
    if answer.status_code == 409:
        assert STORED not in answer.json()


async def test_a_body_without_metadata_has_no_instance(http: httpx.AsyncClient) -> None:
    assert (await stow(http, [octets(b"pixels")])).status_code == 400
