"""C-GET and C-MOVE of compressed images to peers that take none: other bytes, the same pixels."""

import io
from collections.abc import Callable, Sequence
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from fj_testing import Feed, eventually
from httpx import AsyncClient
from pydicom.encaps import encapsulate
from pydicom.filereader import read_dataset
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from services.storage.tests.builders import Exam, Image, Packer, an_image
from services.storage.tests.scu import Destination, Received, Workstation, a_query

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]
Pixels = npt.NDArray[np.uint16]
ROWS, COLUMNS = 24, 32


def _rle(pixels: Pixels) -> bytes:
    described: dict[str, Any] = {
        "rows": ROWS,
        "columns": COLUMNS,
        "samples_per_pixel": 1,
        "bits_allocated": 16,
        "bits_stored": 12,
        "pixel_representation": 0,
        "photometric_interpretation": "MONOCHROME2",
        "number_of_frames": 1,
    }
    return bytes(get_encoder(RLELossless).encode(pixels, encoding_plugin="pydicom", **described))


CODERS: dict[str, Callable[[Pixels], bytes]] = {
    JPEG2000Lossless: lambda pixels: bytes(imagecodecs.jpeg2k_encode(pixels, reversible=True, codecformat="j2k")),
    JPEGLSLossless: lambda pixels: bytes(imagecodecs.jpegls_encode(pixels)),
    RLELossless: _rle,
}
"""None of them is the code under test."""


def compressed(exam: Exam, series: str, number: int, syntax: str) -> tuple[Image, Pixels]:
    pixels = np.random.default_rng(number).integers(0, 4096, (ROWS, COLUMNS)).astype("<u2")
    data_set = exam.image(series, 1, number, Rows=ROWS, Columns=COLUMNS, BitsStored=12, HighBit=11).data_set
    data_set.PixelData, data_set["PixelData"].VR = encapsulate([CODERS[syntax](pixels)]), "OB"
    data_set["PixelData"].is_undefined_length = True
    return an_image(data_set, syntax), pixels


def pixels_of(received: Received) -> Pixels:
    implicit = received.transfer_syntax == ImplicitVRLittleEndian
    data_set = read_dataset(io.BytesIO(received.data), is_implicit_VR=implicit, is_little_endian=True)
    assert data_set.PhotometricInterpretation == "MONOCHROME2"
    assert (data_set.BitsAllocated, data_set.BitsStored, data_set["PixelData"].VR) == (16, 12, "OW")
    return np.frombuffer(data_set.PixelData, "<u2").reshape(data_set.Rows, data_set.Columns)


@pytest.fixture
def exam() -> Exam:
    return Exam()


@pytest.fixture
async def images(exam: Exam, feed: Feed, packer: Packer, http: AsyncClient) -> dict[str, Pixels]:
    """A series of images, each compressed in another way; the pixels of each."""
    series = pydicom.uid.generate_uid()
    made = [compressed(exam, series, number, syntax) for number, syntax in enumerate(CODERS, 1)]
    await feed.publish(await packer.ship(exam, [image for image, _ in made]))

    async def here() -> bool:
        answer = await http.get(f"/dicomweb/studies/{exam.study_uid}/instances")
        return answer.status_code == 200 and len(answer.json()) == len(made)

    await eventually(here)
    return {image.uid: pixels for image, pixels in made}


def assert_the_same(received: Sequence[Received], images: dict[str, Pixels], syntax: str) -> None:
    assert {one.transfer_syntax for one in received} == {syntax}
    assert sorted(one.uid for one in received) == sorted(images)
    for one in received:
        assert np.array_equal(pixels_of(one), images[one.uid])


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
async def test_moved_to_a_peer_that_takes_no_compression(
    workstation: Workstation, peer_ports: dict[str, int], exam: Exam, images: dict[str, Pixels], syntax: str
) -> None:
    query = a_query("STUDY", StudyInstanceUID=exam.study_uid)
    with Destination("WS1", peer_ports["WS1"], [syntax]) as destination:
        answers = await workstation.moves(query, "WS1")
    assert (answers.final.Status, answers.final.NumberOfCompletedSuboperations) == (0x0000, len(images))
    assert_the_same(destination.received, images, syntax)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
async def test_got_by_a_requestor_that_takes_no_compression(
    workstation: Workstation, exam: Exam, images: dict[str, Pixels], syntax: str
) -> None:
    got = await workstation.gets(a_query("STUDY", StudyInstanceUID=exam.study_uid), [syntax])
    assert (got.answers.final.Status, got.answers.final.NumberOfCompletedSuboperations) == (0x0000, len(images))
    assert_the_same(got.received, images, syntax)


async def test_got_in_another_compression_without_loss(
    workstation: Workstation, exam: Exam, images: dict[str, Pixels]
) -> None:
    got = await workstation.gets(a_query("STUDY", StudyInstanceUID=exam.study_uid), [RLELossless])
    assert got.answers.final.Status == 0x0000
    assert {one.transfer_syntax for one in got.received} == {RLELossless}
    for one in got.received:
        data_set = read_dataset(io.BytesIO(one.data), is_implicit_VR=False, is_little_endian=True)
        data_set.file_meta = pydicom.dataset.FileMetaDataset()
        data_set.file_meta.TransferSyntaxUID = RLELossless
        assert np.array_equal(data_set.pixel_array, images[one.uid])
