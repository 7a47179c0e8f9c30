"""Compression with loss says what it did (PS3.3 C.7.6.1.1.5)."""

import numpy as np
import pytest
from fj_dicom import read, write
from pydicom import Dataset
from pydicom.encaps import generate_frames
from storage_service.adapters.codecs import Description, decode
from storage_service.adapters.lossy import JPEG_BASELINE, JPEG_EXTENDED, JPEG_LS_NEAR
from storage_service.adapters.transcoding import Transcoder, with_loss

EXPLICIT = "1.2.840.10008.1.2.1"
GREY = np.add.outer(np.arange(64), np.arange(48)).astype("<u2")


def an_image(pixels: "np.typing.NDArray[np.generic]", bits: int, **changed: object) -> Dataset:
    data_set = Dataset()
    data_set.SOPClassUID, data_set.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    data_set.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data_set.Rows, data_set.Columns = pixels.shape[:2]
    data_set.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    data_set.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
    data_set.BitsAllocated = pixels.dtype.itemsize * 8
    data_set.BitsStored, data_set.HighBit, data_set.PixelRepresentation = bits, bits - 1, 0
    if pixels.ndim == 3:
        data_set.PlanarConfiguration = 0
    data_set.add_new("PixelData", "OW" if pixels.dtype.itemsize > 1 else "OB", pixels.tobytes())
    for keyword, value in changed.items():
        setattr(data_set, keyword, value)
    return data_set


@pytest.mark.parametrize(
    ("syntax", "pixels", "bits", "off"),
    [
        (JPEG_BASELINE, GREY.astype("u1"), 8, 6),
        (JPEG_BASELINE, np.full((64, 48, 3), (200, 30, 90), "u1"), 8, 6),
        (JPEG_EXTENDED, GREY * 30, 12, 60),
        (JPEG_LS_NEAR, GREY * 500, 16, 2),
    ],
)
def test_it_is_another_image_that_names_its_source_and_its_loss(
    syntax: str, pixels: "np.typing.NDArray[np.generic]", bits: int, off: int
) -> None:
    made = with_loss(write(an_image(pixels, bits), EXPLICIT), EXPLICIT, syntax)
    assert made is not None
    found = read(made[1], syntax)
    assert found.SOPInstanceUID == made[0] != "1.2.3"
    assert made == with_loss(write(an_image(pixels, bits), EXPLICIT), EXPLICIT, syntax)
    assert (found.ImageType[0], found.ImageType[2]) == ("DERIVED", "AXIAL")
    assert found.LossyImageCompression == "01"
    assert found.LossyImageCompressionMethod == ("ISO_14495_1" if syntax == JPEG_LS_NEAR else "ISO_10918_1")
    assert float(found.LossyImageCompressionRatio) > 1
    assert found.SourceImageSequence[0].ReferencedSOPInstanceUID == "1.2.3"
    assert found.DerivationCodeSequence[0].CodeValue == "113040"
    (frame,) = generate_frames(found.PixelData, number_of_frames=1)
    shown = decode(frame, syntax, Description.of(found))
    assert abs(shown.astype(int) - pixels.astype(int)).max() <= off


@pytest.mark.parametrize(
    ("syntax", "changed"),
    [(JPEG_BASELINE, {}), (JPEG_EXTENDED, {"PixelRepresentation": 1}), (JPEG_LS_NEAR, {"PixelRepresentation": 1})],
)
def test_what_would_lose_more_than_asked_for_is_not_made(syntax: str, changed: dict[str, object]) -> None:
    assert with_loss(write(an_image(GREY * 30, 12, **changed), EXPLICIT), EXPLICIT, syntax) is None


def test_nobody_gets_a_loss_who_did_not_name_it() -> None:
    data = write(an_image(GREY.astype("u1"), 8), EXPLICIT)
    assert Transcoder().convert(data, EXPLICIT, [JPEG_BASELINE]) is None
