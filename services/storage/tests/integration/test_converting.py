"""WADO-RS in the transfer syntax that a client asks for: with other bytes, the same image."""

import io
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import pytest
from fj_testing import Feed
from pydicom import dcmread
from pydicom.encaps import generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSLossless, generate_uid
from storage_service.adapters.codecs import Description, decode, encode

from services.storage.tests.builders import Exam, Image, Packer, an_encapsulated, an_image
from services.storage.tests.integration.test_retrieving import get, instance, parts, stored

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]
EXPLICIT = "1.2.840.10008.1.2.1"
OCTETS = {"Accept": 'multipart/related; type="application/octet-stream"'}
PIXELS = np.random.default_rng(5).integers(0, 4096, (3, 40, 50)).astype("<u2")


def asking(syntax: str) -> dict[str, str]:
    return {"Accept": f'multipart/related; type="application/dicom"; transfer-syntax={syntax}'}


def native(exam: Exam, number: int) -> Image:
    fields: dict[str, Any] = {"Rows": 40, "Columns": 50, "NumberOfFrames": 3, "BitsStored": 12, "HighBit": 11}
    return exam.image(generate_uid(), number, number, **fields, PixelData=PIXELS.tobytes())


def compressed(exam: Exam, number: int) -> Image:
    data_set = native(exam, number).data_set
    described = Description.of(data_set)
    frames = [encode(frame, JPEGLSLossless, described) for frame in PIXELS]
    data_set.PixelData, data_set["PixelData"].VR = an_encapsulated(frames, table=True), "OB"
    data_set["PixelData"].is_undefined_length = True
    return an_image(data_set, JPEGLSLossless)


def decoded(file: bytes) -> npt.NDArray[Any]:
    data_set = dcmread(io.BytesIO(file))
    syntax, described = str(data_set.file_meta.TransferSyntaxUID), Description.of(data_set)
    if syntax == EXPLICIT:
        return np.frombuffer(data_set.PixelData, "<u2").reshape(PIXELS.shape)
    frames = generate_frames(data_set.PixelData, number_of_frames=3)
    return np.stack([decode(frame, syntax, described) for frame in frames])


@pytest.mark.parametrize("syntax", [EXPLICIT, JPEG2000Lossless, JPEGLSLossless])
async def test_a_study_in_the_syntax_asked_for(
    feed: Feed, packer: Packer, http: httpx.AsyncClient, syntax: str
) -> None:
    exam = Exam()
    images = [native(exam, 1), compressed(exam, 2)]
    address = await stored(feed, packer, http, exam, *([image] for image in images))
    answer = await http.get(address, headers=asking(syntax))
    assert answer.status_code == 200
    answer.headers["content-length"] = str(len(answer.content))  # it is not known before all is converted
    found = parts(answer)
    assert [kind for kind, _ in found] == [f"application/dicom; transfer-syntax={syntax}"] * 2
    for _, file in found:
        assert np.array_equal(decoded(file), PIXELS)
    one = await http.get(
        instance(address, images[0]), headers={"Accept": f"application/dicom; transfer-syntax={syntax}"}
    )
    assert np.array_equal(decoded(one.content), PIXELS)
    assert dcmread(io.BytesIO(one.content)).PatientID == exam.patient_number


async def test_frames_in_the_syntax_asked_for(feed: Feed, packer: Packer, http: httpx.AsyncClient) -> None:
    exam = Exam()
    image = compressed(exam, 1)
    address = await stored(feed, packer, http, exam, [image])
    where = f"{instance(address, image)}/frames"
    answer = await http.get(f"{where}/3,1", headers=OCTETS)
    answer.headers["content-length"] = str(len(answer.content))
    assert parts(answer) == [
        (f"application/octet-stream; transfer-syntax={EXPLICIT}", PIXELS[2].tobytes()),
        (f"application/octet-stream; transfer-syntax={EXPLICIT}", PIXELS[0].tobytes()),
    ]
    single = await http.get(f"{where}/2", headers={"Accept": "image/jp2"})
    assert single.headers["content-type"] == f"image/jp2; transfer-syntax={JPEG2000Lossless}"
    described = Description.of(image.data_set)
    assert np.array_equal(decode(single.content, JPEG2000Lossless, described), PIXELS[1])


async def test_what_cannot_be_converted_is_named(feed: Feed, packer: Packer, http: httpx.AsyncClient) -> None:
    exam = Exam()
    whole = native(exam, 1)
    broken = compressed(exam, 2).data_set
    broken.PixelData, broken["PixelData"].VR = an_encapsulated([b"no image"] * 3, table=True), "OB"
    broken["PixelData"].is_undefined_length = True
    damaged = an_image(broken, JPEGLSLossless)
    address = await stored(feed, packer, http, exam, [whole], [damaged])
    refusal = await get(http, instance(address, whole), asking(JPEGBaseline8Bit), 406)  # it would lose something
    assert EXPLICIT in refusal.json()["detail"]
    refusal = await get(http, instance(address, damaged), asking(EXPLICIT), 406)
    assert JPEGLSLossless in refusal.json()["detail"]
    await get(http, f"{instance(address, damaged)}/frames/1", OCTETS, 406)


async def test_who_asks_for_loss_by_name_gets_another_image_that_says_so(
    feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam = Exam()
    images = [native(exam, 1), compressed(exam, 2)]
    address = await stored(feed, packer, http, exam, *([image] for image in images))
    answer = await http.get(address, headers=asking(JPEGExtended12Bit))
    assert answer.status_code == 200
    answer.headers["content-length"] = str(len(answer.content))
    files = [dcmread(io.BytesIO(part)) for _, part in parts(answer)]
    assert len(files) == 2
    for file in files:
        assert file.file_meta.TransferSyntaxUID == JPEGExtended12Bit
        assert file.file_meta.MediaStorageSOPInstanceUID == file.SOPInstanceUID
        assert (file.LossyImageCompression, file.ImageType[0]) == ("01", "DERIVED")
    assert {file.SourceImageSequence[0].ReferencedSOPInstanceUID for file in files} == {image.uid for image in images}
    frame = f"{instance(address, images[0])}/frames/1"
    jpeg = await get(http, frame, {"Accept": f"image/jpeg; transfer-syntax={JPEGExtended12Bit}"})
    assert jpeg.content[:2] == b"\xff\xd8"
    await get(http, address, asking(JPEGBaseline8Bit), 406)  # twelve bits are no eight
