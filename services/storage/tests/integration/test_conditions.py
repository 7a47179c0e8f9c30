"""Conditional and range requests, and HEAD."""

import httpx
import pytest
from fj_testing import Feed, eventually
from pydicom.uid import JPEGLSLossless, RLELossless

from services.storage.tests.builders import Exam, Packer
from services.storage.tests.integration.test_retrieving import ALL, FRAMES, get, instance, stored
from services.storage.tests.integration.test_showing import wado

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]
DICOM = {"Accept": "application/dicom"}
OCTETS = {"Accept": "application/octet-stream"}


async def test_what_a_client_has_already_is_not_sent_again(feed: Feed, packer: Packer, http: httpx.AsyncClient) -> None:
    exam = Exam()
    images = exam.images(2)
    address = await stored(feed, packer, http, exam, images)
    first, second = (instance(address, image) for image in images)
    tags = set()
    for path, headers in (
        (address, ALL),
        (f"{address}/series/{images[0].series}", ALL),
        (first, ALL),
        (first, DICOM),
        (second, DICOM),
        (f"{first}/frames/1", FRAMES),
        (f"{first}/frames/1", OCTETS),
    ):
        whole = await get(http, path, headers)
        again = await get(http, path, headers)
        etag = whole.headers["etag"]
        assert (again.headers["etag"], again.content) == (etag, whole.content)
        assert "no-cache" in whole.headers["cache-control"]
        for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            answer = await http.get(path, headers=headers | {"If-None-Match": known})
            assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
        assert (await get(http, path, headers | {"If-None-Match": '"other"'})).content == whole.content
        head = await http.head(path, headers=headers)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("etag", "content-length", "content-type"):
            assert head.headers[name] == whole.headers[name]
        tags.add(etag)
    assert len(tags) == 6  # study and series are the same parts in the same form


async def test_metadata_is_known_by_what_it_describes(feed: Feed, packer: Packer, http: httpx.AsyncClient) -> None:
    exam = Exam()
    images = exam.images(2)
    address = await stored(feed, packer, http, exam, images)
    assert "etag" not in (await get(http, f"{address}/metadata", {})).headers
    await feed.publish(exam.completed(images))

    async def tagged() -> bool:
        return "etag" in (await get(http, f"{address}/metadata", {})).headers

    await eventually(tagged)
    whole = await get(http, f"{address}/metadata", {})
    answer = await http.get(f"{address}/metadata", headers={"If-None-Match": whole.headers["etag"]})
    assert (answer.status_code, answer.content) == (304, b"")
    assert whole.headers["content-encoding"] == "gzip"
    plain = await get(http, f"{address}/metadata", {"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == whole.content
    assert plain.headers["etag"] != whole.headers["etag"]
    elsewhere = await get(http, f"{address}/metadata", {"Host": "elsewhere", "If-None-Match": whole.headers["etag"]})
    assert b"elsewhere" in elsewhere.content
    assert (await http.head(f"{address}/metadata")).headers.get("content-length") != "0"


async def test_what_is_made_of_the_stored_is_known_again_too(
    feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam = Exam()
    (image,) = exam.images(1, WindowCenter=100, WindowWidth=200)
    address = await stored(feed, packer, http, exam, [image])
    where = instance(address, image)
    file = wado(exam, image, contentType="application/dicom")
    tags = set()
    for path, headers in (
        (f"{where}/metadata", {}),
        (f"{where}/rendered", {"Accept": "image/png"}),
        (f"{where}/rendered", {"Accept": "image/jpeg"}),
        (f"{where}/rendered?window=5,9", {"Accept": "image/jpeg"}),
        (f"{where}/thumbnail", {}),
        (where, {"Accept": f"application/dicom; transfer-syntax={JPEGLSLossless}"}),
        (address, {"Accept": f'multipart/related; type="application/dicom"; transfer-syntax={RLELossless}'}),
        (f"{where}/frames/1", {"Accept": "image/jls"}),
        (wado(exam, image), {}),
        (file, {}),
        (f"{file}&transferSyntax={JPEGLSLossless}", {}),
    ):
        whole = await get(http, path, headers)
        etag = whole.headers["etag"]
        assert "no-cache" in whole.headers["cache-control"]
        answer = await http.get(path, headers=headers | {"If-None-Match": etag})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
        assert (await get(http, path, headers | {"If-None-Match": '"other"'})).content == whole.content
        head = await http.head(path, headers=headers)
        assert (head.status_code, head.headers["etag"], head.content) == (200, etag, b"")
        assert head.headers.get("content-length") in {None, str(len(whole.content))}
        assert whole.headers.get("accept-ranges") == ("bytes" if path == file else None)
        tags.add(etag)
    assert len(tags) == 10  # /wado shows the same picture as /rendered


async def test_ranges(feed: Feed, packer: Packer, http: httpx.AsyncClient) -> None:
    exam = Exam()
    (image,) = exam.images(1, Rows=512, Columns=512, NumberOfFrames=20, PixelData=bytes(range(256)) * 40960)
    address = await stored(feed, packer, http, exam, [image])
    where, frame = instance(address, image), f"{instance(address, image)}/frames/2"
    pixels = image.data_set.PixelData[512 * 512 * 2 : 2 * 512 * 512 * 2]
    old = wado(exam, image, contentType="application/dicom")
    for path, headers, whole in ((where, DICOM, image.file), (frame, OCTETS, pixels), (old, {}, image.file)):
        plain = await get(http, path, headers)
        assert plain.content == whole
        assert plain.headers["accept-ranges"] == "bytes"
        size, etag = len(whole), plain.headers["etag"]
        for asked, begin, end in (
            ("bytes=0-9", 0, 10),
            ("bytes=100-", 100, size),
            ("bytes=-7", size - 7, size),
            (f"bytes=5-{size + 10}", 5, size),
            (f"bytes=-{size + 10}", 0, size),
        ):
            cut = await http.get(path, headers=headers | {"Range": asked, "If-Range": etag})
            assert (cut.status_code, cut.content) == (206, whole[begin:end])
            assert cut.headers["content-range"] == f"bytes {begin}-{end - 1}/{size}"
            assert cut.headers["content-length"] == str(end - begin)
        for asked in ("bytes=0-1,5-6", "lines=1-2", "bytes=-", "bytes=x-"):
            assert (await get(http, path, headers | {"Range": asked})).content == whole
        assert (await get(http, path, headers | {"Range": "bytes=0-9", "If-Range": '"other"'})).content == whole
        known = await http.get(path, headers=headers | {"Range": f"bytes={size}-", "If-None-Match": etag})
        assert (known.status_code, known.content) == (304, b"")
        beyond = await get(http, path, headers | {"Range": f"bytes={size}-"}, 416)
        assert beyond.headers["content-range"] == f"bytes */{size}"
    many = await get(http, where, ALL | {"Range": "bytes=0-9"})
    assert many.headers["content-type"].startswith("multipart/related")
    assert "accept-ranges" not in many.headers
