"""All bulk data of a study, a series or an instance: what its metadata has addresses of."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fj_testing import Feed
from pydicom import Dataset
from pydicom.uid import JPEGBaseline8Bit, generate_uid

from services.storage.tests.builders import Exam, Image, Packer, an_encapsulated, an_image, items
from services.storage.tests.integration.test_retrieving import get, instance, parts, stored

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]
STORED = {"Accept": "multipart/related; type=application/octet-stream; transfer-syntax=*"}
FRAMES = [b"first frame.", b"second frame"]


def named(data_set: dict[str, Any]) -> Iterator[str]:
    """The addresses in metadata."""
    for element in data_set.values():
        if "BulkDataURI" in element:
            yield element["BulkDataURI"]
        for item in element.get("Value", ()) if element["vr"] == "SQ" else ():
            yield from named(item)


def sent(answer: httpx.Response) -> list[tuple[str, str, bytes]]:
    """Location, content type and body of each part."""
    answer.headers["content-length"] = str(len(answer.content))
    lines = [line for line in answer.content.split(b"\r\n") if line.startswith(b"Content-Location: ")]
    locations = [line.decode().removeprefix("Content-Location: ") for line in lines]
    return [(where, *part) for where, part in zip(locations, parts(answer), strict=True)]


def coloured(exam: Exam) -> Image:
    """With bulk data before its pixels, on two levels."""
    path = Dataset()
    path.ICCProfile = bytes(range(256)) * 8
    return exam.image(SERIES, 1, 1, ICCProfile=bytes(range(255, -1, -1)) * 8, OpticalPathSequence=items(path))


def compressed(exam: Exam) -> Image:
    data_set = exam.image(generate_uid(), 2, 2, NumberOfFrames=2).data_set
    data_set.PixelData, data_set["PixelData"].VR = an_encapsulated(FRAMES, table=True), "OB"
    data_set["PixelData"].is_undefined_length = True
    return an_image(data_set, JPEGBaseline8Bit)


SERIES = generate_uid()


async def test_every_level_gives_all_that_its_metadata_names(
    feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam = Exam()
    first, second = coloured(exam), compressed(exam)
    text = exam.image(SERIES, 1, 3).data_set
    del text.PixelData
    nothing = an_image(text)
    address = await stored(feed, packer, http, exam, [first, nothing], [second])
    for level in (instance(address, first), f"{address}/series/{SERIES}"):
        found = sent(await get(http, f"{level}/bulkdata", STORED))
        described = (await get(http, f"{level}/metadata", {})).json()
        addresses = [where for data_set in described for where in named(data_set)]
        assert len(addresses) == 3
        assert sorted(addresses) == sorted(where for where, _, _ in found)
        for where, kind, body in found:
            assert kind.startswith("application/octet-stream")
            assert (await get(http, where, STORED)).content.count(body) == 1
    whole = await get(http, f"{address}/bulkdata", STORED)
    everything = sent(whole)
    assert len(everything) == 5
    for where, body in ((f"/frames/{number}", frame) for number, frame in enumerate(FRAMES, 1)):
        assert [data for place, _, data in everything if place.endswith(where)] == [body]
    known = STORED | {"If-None-Match": whole.headers["etag"]}
    assert (await http.get(f"{address}/bulkdata", headers=known)).status_code == 304
    assert (await http.head(f"{address}/bulkdata", headers=STORED)).status_code == 200
    await get(http, f"{instance(address, nothing)}/bulkdata", STORED, 404)
    await get(http, f"{address}/series/1.2/bulkdata", STORED, 404)
    for accept in ("application/octet-stream", "application/dicom"):
        await get(http, f"{address}/bulkdata", {"Accept": accept}, 406)


async def test_pixels_in_it_come_as_frames_would(feed: Feed, packer: Packer, http: httpx.AsyncClient) -> None:
    exam = Exam()
    image = compressed(exam)
    address = await stored(feed, packer, http, exam, [image])
    found = sent(await get(http, f"{address}/bulkdata", {"Accept": "multipart/related"}))
    assert [(kind, body) for _, kind, body in found] == [
        (f"image/jpeg; transfer-syntax={JPEGBaseline8Bit}", frame) for frame in FRAMES
    ]
    plain = {"Accept": "multipart/related; type=application/octet-stream"}
    await get(http, f"{address}/bulkdata", plain, 406)  # it would be decoded, and is no JPEG
