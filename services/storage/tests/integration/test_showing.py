"""Rendered images, thumbnails and WADO-URI over HTTP."""

from typing import Any
from uuid import UUID

import httpx
import imagecodecs
import numpy as np
import numpy.typing as npt
import pytest
from fj_events import PatientPhi
from fj_testing import Feed, eventually, merged
from pydicom import dcmread
from pydicom.encaps import generate_frames
from pydicom.filebase import DicomBytesIO
from pydicom.uid import JPEGBaseline8Bit, JPEGLSLossless, generate_uid
from storage_service.entrypoints.dicomweb.rendered import PICTURES_MAX

from services.storage.tests.builders import Exam, Image, Packer, an_encapsulated, an_image
from services.storage.tests.integration.test_retrieving import get, instance, parts, stored

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]
JPEG, PNG = {"Accept": "image/jpeg"}, {"Accept": "image/png"}
ROWS, COLUMNS = 60, 90
RAMP = np.tile(np.arange(COLUMNS, dtype="<u2") * 20, (ROWS, 1))
HALF = RAMP // 2


def shown(answer: httpx.Response) -> npt.NDArray[Any]:
    if answer.headers["content-type"] == "image/png":
        return imagecodecs.png_decode(answer.content)
    return imagecodecs.jpeg8_decode(answer.content)


def ct(exam: Exam, number: int = 1, **changed: Any) -> Image:
    fields: dict[str, Any] = {"Rows": ROWS, "Columns": COLUMNS, "PixelData": RAMP.tobytes()}
    return exam.image(SERIES, 1, number, **fields | {"WindowCenter": 900, "WindowWidth": 1800} | changed)


SERIES = generate_uid()


def wado(exam: Exam, image: Image, **parameters: Any) -> str:
    asked = {"requestType": "WADO", "studyUID": exam.study_uid, "seriesUID": image.series, "objectUID": image.uid}
    return "/wado?" + "&".join(f"{name}={value}" for name, value in (asked | parameters).items())


def together(answer: httpx.Response) -> list[tuple[str, bytes]]:
    """The parts of pictures that were sent as they were made."""
    assert answer.headers["content-type"].startswith("multipart/related")
    answer.headers["content-length"] = str(len(answer.content))
    return parts(answer)


def locations(answer: httpx.Response) -> list[str]:
    """Of the parts, behind the root of DICOMweb."""
    lines = answer.content.split(b"\r\n")
    return [line.decode().partition("/dicomweb")[2] for line in lines if line.startswith(b"Content-Location: ")]


async def test_every_level_shows_its_middle(feed: Feed, packer: Packer, http: httpx.AsyncClient) -> None:
    exam = Exam()
    images = [ct(exam, 1, PixelData=bytes(RAMP.nbytes)), ct(exam, 2), ct(exam, 3, PixelData=bytes(RAMP.nbytes))]
    address = await stored(feed, packer, http, exam, images)
    middle = instance(address, images[1])
    one = await get(http, f"{middle}/rendered", JPEG)
    assert one.headers["content-type"] == "image/jpeg"
    assert shown(one).shape == (ROWS, COLUMNS)
    assert (await get(http, f"{middle}/frames/1/rendered", JPEG)).content == one.content
    for place in (address, f"{address}/series/{SERIES}", middle, f"{middle}/frames/1"):
        small = shown(await get(http, f"{place}/thumbnail?viewport=30,30", JPEG))
        assert small.shape == (20, 30)
    assert shown(await get(http, f"{middle}/thumbnail", {})).shape == (85, 128)
    await get(http, f"{middle}/frames/2/rendered", JPEG, 404)
    await get(http, f"{middle}/rendered", {"Accept": "image/tiff"}, 406)
    await get(http, f"{address}/series/1.2/rendered", JPEG, 404)


async def test_a_study_or_series_is_shown_image_by_image(feed: Feed, packer: Packer, http: httpx.AsyncClient) -> None:
    exam = Exam()
    images = [ct(exam, 1), ct(exam, 2, PixelData=HALF.tobytes())]
    broken, text = ct(exam, 3).data_set, ct(exam, 4).data_set
    broken.PixelData, broken["PixelData"].VR = an_encapsulated([b"no image"], table=False), "OB"
    broken["PixelData"].is_undefined_length = True
    del text.PixelData
    report = exam.image(generate_uid(), 2, 1).data_set
    del report.PixelData
    packs = [[*images, an_image(text)], [an_image(broken, JPEGLSLossless)], [an_image(report)]]
    address = await stored(feed, packer, http, exam, *packs)
    alone = [(await get(http, f"{instance(address, image)}/rendered?quality=50", JPEG)).content for image in images]
    for place in (address, f"{address}/series/{SERIES}"):
        for accept in ("image/jpeg", 'multipart/related; type="image/jpeg"', "*/*"):
            answer = await get(http, f"{place}/rendered?quality=50", {"Accept": accept})
            assert together(answer) == [("image/jpeg", picture) for picture in alone]
            assert locations(answer) == [
                f"{instance(address, image).removeprefix('/dicomweb')}/rendered" for image in images
            ]
        known = {"Accept": "image/jpeg", "If-None-Match": answer.headers["etag"]}
        assert (await http.get(f"{place}/rendered?quality=50", headers=known)).status_code == 304
        assert (await http.head(f"{place}/rendered", headers=JPEG)).status_code == 200
        await get(http, f"{place}/rendered", {"Accept": 'multipart/related; type="application/dicom"'}, 406)
        await get(http, f"{place}/rendered?quality=0", JPEG, 400)
    await get(http, f"{address}/series/{report.SeriesInstanceUID}/rendered", JPEG, 404)
    wrapped = {"Accept": 'multipart/related; type="image/png"'}
    (only,) = together(await get(http, f"{instance(address, images[0])}/rendered", wrapped))
    assert only == ("image/png", (await get(http, f"{instance(address, images[0])}/rendered", PNG)).content)


async def test_more_pictures_than_one_answer_takes_are_not_begun(
    feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam = Exam()
    image = ct(exam)
    address = await stored(feed, packer, http, exam, [image])
    where = instance(address, image)
    assert len(together(await get(http, f"{where}/frames/{','.join('1' * 20)}/rendered", JPEG))) == 20
    await get(http, f"{where}/frames/{','.join('1' * (PICTURES_MAX + 1))}/rendered", JPEG, 413)


async def test_window_region_and_what_is_left_aside(feed: Feed, packer: Packer, http: httpx.AsyncClient) -> None:
    exam = Exam()
    image, inverse = ct(exam), ct(exam, 2, PhotometricInterpretation="MONOCHROME1")
    address = await stored(feed, packer, http, exam, [image, inverse])
    where = f"{instance(address, image)}/rendered"
    own = shown(await get(http, where, PNG))
    assert own[0, 0] == 0
    assert abs(int(own[0, 45]) - 128) < 3
    narrow = shown(await get(http, f"{where}?window=1000,2,linear-exact", PNG))
    assert (narrow[:, :49] == 0).all()
    assert (narrow[:, 52:] == 255).all()
    cut = shown(await get(http, f"{where}?viewport=20,20,10,0,20,20", PNG))
    assert np.array_equal(cut, own[:20, 10:30])
    mirrored = shown(await get(http, f"{where}?viewport=90,60,,,-90,60", PNG))
    assert np.array_equal(mirrored, own[:, ::-1])
    turned = shown(await get(http, f"{instance(address, inverse)}/rendered", PNG))
    assert np.array_equal(turned, 255 - own)
    coarse, fine = [(await get(http, f"{where}?quality={q}", JPEG)).content for q in (1, 100)]
    assert len(coarse) < len(fine)
    warned = await get(http, f"{where}?iccprofile=adobergb", JPEG)
    assert "iccprofile" in warned.headers["warning"]
    for bad in (
        "window=1",
        "window=1,0",
        "window=1,2,cubic",
        "viewport=0,5",
        "viewport=x,y",
        "quality=101",
        "quality=0",
        "annotation=doctor",
        "iccprofile=red",
    ):
        await get(http, f"{where}?{bad}", JPEG, 400)


async def test_colours_and_compressed_and_many_frames(feed: Feed, packer: Packer, http: httpx.AsyncClient) -> None:
    exam = Exam()
    flat = np.full((16, 16, 3), (200, 30, 90), "u1")
    photo = imagecodecs.jpeg8_encode(flat, level=95)
    colour: dict[str, Any] = {
        "SamplesPerPixel": 3,
        "PlanarConfiguration": 0,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
    }
    rgb = ct(exam, 1, Rows=16, Columns=16, PhotometricInterpretation="RGB", PixelData=flat.tobytes(), **colour)
    jpeg = exam.image(generate_uid(), 2, 2, PhotometricInterpretation="YBR_FULL_422", **colour).data_set
    jpeg.PixelData, jpeg["PixelData"].VR = an_encapsulated([bytes(photo)], table=False), "OB"
    jpeg["PixelData"].is_undefined_length = True
    many = ct(exam, 3, NumberOfFrames=3, PixelData=bytes(RAMP.nbytes) + RAMP.tobytes() + bytes(RAMP.nbytes))
    images = [rgb, an_image(jpeg, JPEGBaseline8Bit), many]
    address = await stored(feed, packer, http, exam, *([image] for image in images))
    for image in images[:2]:
        found = shown(await get(http, f"{instance(address, image)}/rendered", PNG)).astype(int)
        assert abs(found - flat).max() <= 3
    second = shown(await get(http, f"{instance(address, many)}/frames/2/rendered", PNG))
    assert np.array_equal(shown(await get(http, f"{instance(address, many)}/rendered", PNG)), second)
    assert second.max() > 200
    several = f"{instance(address, many)}/frames/2,3,2"
    answer = await get(http, f"{several}/rendered", PNG)
    pictures = [imagecodecs.png_decode(body) for _, body in together(answer)]
    assert [bool(picture.max() > 200) for picture in pictures] == [True, False, True]
    assert [location.split("/frames/")[1] for location in locations(answer)] == [
        f"{number}/rendered" for number in (2, 3, 2)
    ]
    assert shown(await get(http, f"{several}/thumbnail", PNG)).max() == 0
    for bad, status in (("2,4", 404), ("2,0", 400), ("2,", 400)):
        await get(http, f"{instance(address, many)}/frames/{bad}/rendered", PNG, status)


async def test_text_stands_above_and_below_and_never_on_a_thumbnail(
    feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam = Exam()
    dark = np.zeros((400, 400), "<u2")
    image = ct(exam, Rows=400, Columns=400, PixelData=dark.tobytes(), KVP="120")
    address = await stored(feed, packer, http, exam, [image])
    where = instance(address, image)

    async def written(annotation: str) -> tuple[bool, bool]:
        found = shown(await get(http, f"{where}/rendered?annotation={annotation}", PNG))
        assert found.shape == (400, 400)
        return bool(found[:60].max()), bool(found[-60:].max())

    assert await written("patient") == (True, False)
    assert await written("technique") == (False, True)
    assert await written("patient,technique") == (True, True)
    assert not shown(await get(http, f"{where}/thumbnail?annotation=patient", PNG)).any()
    named = await get(http, f"{where}/rendered?annotation=patient", PNG)
    assert exam.patient_id
    await feed.publish(merged((exam.patient_id, exam.patient), whose_else()))

    async def says_another_name() -> bool:
        known = PNG | {"If-None-Match": named.headers["etag"]}
        answer = await http.get(f"{where}/rendered?annotation=patient", headers=known)
        return answer.status_code == 200 and answer.content != named.content

    await eventually(says_another_name, within=20)


def whose_else() -> tuple[UUID, PatientPhi]:
    survivor = Exam(family_name="Survivor")
    assert survivor.patient_id
    return survivor.patient_id, survivor.patient


async def test_a_picture_that_moves_and_one_with_its_colours_named(
    feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam = Exam()
    many = ct(exam, 3, NumberOfFrames=3, PixelData=bytes(RAMP.nbytes) + RAMP.tobytes() + HALF.tobytes(), FrameTime="40")
    flat = np.full((16, 16, 3), (200, 30, 90), "u1")
    rgb = ct(exam, 1, Rows=16, Columns=16, PhotometricInterpretation="RGB", PixelData=flat.tobytes(),
             SamplesPerPixel=3, PlanarConfiguration=0, BitsAllocated=8, BitsStored=8, HighBit=7)  # fmt: skip
    address = await stored(feed, packer, http, exam, [many], [rgb])
    moving = await get(http, f"{instance(address, many)}/rendered", {"Accept": "image/gif"})
    assert moving.headers["content-type"] == "image/gif"
    frames = imagecodecs.gif_decode(moving.content)
    assert (len(frames), frames[0].max(), frames[1].max() > 200) == (3, 0, True)
    still = await get(http, f"{instance(address, many)}/frames/2/rendered", {"Accept": "image/gif"})
    assert imagecodecs.gif_decode(still.content).shape[:2] == (ROWS, COLUMNS)
    where = f"{instance(address, rgb)}/rendered"
    for profile, is_there in (("no", False), ("yes", True), ("srgb", True)):
        for accept, mark in ((JPEG, b"ICC_PROFILE"), (PNG, b"iCCP")):
            answer = await get(http, f"{where}?iccprofile={profile}", accept)
            assert (mark in answer.content) is is_there
            assert abs(shown(answer).astype(int) - flat).max() <= 4


async def test_the_optional_kinds_of_pictures_show_the_same(
    feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam = Exam()
    grey = ct(exam, 2)
    flat = np.full((16, 16, 3), (200, 30, 90), "u1")
    rgb = ct(exam, 1, Rows=16, Columns=16, PhotometricInterpretation="RGB", PixelData=flat.tobytes(),
             SamplesPerPixel=3, PlanarConfiguration=0, BitsAllocated=8, BitsStored=8, HighBit=7)  # fmt: skip
    address = await stored(feed, packer, http, exam, [grey], [rgb])
    for image in (grey, rgb):
        where = f"{instance(address, image)}/rendered"
        exact = shown(await get(http, where, PNG)).astype(int)
        for kind, decoded, most in (("image/webp", webp_decoded, 8), ("image/jp2", imagecodecs.jpeg2k_decode, 0)):
            answer = await get(http, f"{where}?iccprofile=srgb", {"Accept": f"{kind}, */*;q=0.1"})
            assert answer.headers["content-type"] == kind
            found = decoded(answer.content)
            assert abs(found.astype(int) - exact.reshape(*exact.shape[:2], -1).squeeze()).max() <= most
            assert (b"ICCP" in answer.content) is (kind == "image/webp" and image is rgb)


def webp_decoded(data: bytes) -> npt.NDArray[Any]:
    """A grey picture has three like channels."""
    found = imagecodecs.webp_decode(data)[..., :3]
    return found[..., 0] if found.shape[:2] == (ROWS, COLUMNS) else found


async def test_what_is_no_image_is_not_acceptable(feed: Feed, packer: Packer, http: httpx.AsyncClient) -> None:
    exam = Exam()
    broken = ct(exam, 1).data_set
    broken.PixelData, broken["PixelData"].VR = an_encapsulated([b"no image"], table=False), "OB"
    broken["PixelData"].is_undefined_length = True
    text = ct(exam, 2).data_set
    del text.PixelData
    images = [an_image(broken, JPEGLSLossless), an_image(text)]
    address = await stored(feed, packer, http, exam, *([image] for image in images))
    await get(http, f"{instance(address, images[0])}/rendered", JPEG, 406)
    await get(http, f"{instance(address, images[1])}/rendered", JPEG, 404)


async def test_wado_uri(feed: Feed, packer: Packer, http: httpx.AsyncClient) -> None:
    exam = Exam()
    image = ct(exam)
    await stored(feed, packer, http, exam, [image])
    whole = await get(http, wado(exam, image, contentType="application/dicom"), {})
    assert whole.content == image.file
    assert whole.headers["content-type"] == "application/dicom"
    packed = await get(http, wado(exam, image, contentType="application/dicom", transferSyntax=JPEGLSLossless), {})
    file = dcmread(DicomBytesIO(packed.content))
    assert file.file_meta.TransferSyntaxUID == JPEGLSLossless
    (frame,) = generate_frames(file.PixelData, number_of_frames=1)
    assert np.array_equal(imagecodecs.jpegls_decode(frame), RAMP)
    picture = await get(http, wado(exam, image), {})
    assert picture.headers["content-type"] == "image/jpeg"
    assert shown(picture).shape == (ROWS, COLUMNS)
    narrow = wado(exam, image, contentType="image/png", windowCenter=1000, windowWidth=2)
    assert set(np.unique(shown(await get(http, narrow, {})))) <= {0, 128, 255}
    small = wado(exam, image, rows=30, columns=30, frameNumber=1, region="0,0,0.5,1")
    assert shown(await get(http, small, {})).shape == (30, 22)
    for bad in (
        {"requestType": "X"},
        {"objectUID": ""},
        {"rows": 0},
        {"region": "1,2"},
        {"windowCenter": "x", "windowWidth": 1},
    ):
        await get(http, wado(exam, image, **bad), {}, 400)
    await get(http, wado(exam, image, objectUID="1.2.3"), {}, 404)
    await get(http, wado(exam, image, contentType="video/mpeg"), {}, 406)
    lossy = wado(exam, image, contentType="application/dicom", transferSyntax=JPEGBaseline8Bit)
    await get(http, lossy, {}, 406)
