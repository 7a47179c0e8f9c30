"""Transfer syntaxes into each other: every sample and every attribute about them, as pydicom reads it."""

import zlib

import numpy as np
import numpy.typing as npt
import pytest
from fj_dicom import read, write
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate, generate_fragments, parse_basic_offsets
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, CTImageStorage, DeflatedExplicitVRLittleEndian, generate_uid
from storage_service.adapters.codecs import DECODED, ENCODERS
from storage_service.adapters.transcoding import Transcoder

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
JPEG, JPEG_LS, J2K, RLE = (f"1.2.840.10008.1.2.{n}" for n in ("4.50", "4.80", "4.90", "5"))
CHANCE = np.random.default_rng(3)
Kind = tuple[str, int, int, bool, int]
"""Photometric interpretation, bits allocated, bits stored, signed, samples."""
KINDS: dict[str, Kind] = {
    "CT": ("MONOCHROME2", 16, 12, True, 1),
    "MR": ("MONOCHROME2", 16, 12, False, 1),
    "DX": ("MONOCHROME1", 16, 16, False, 1),
    "mono 8": ("MONOCHROME2", 8, 8, False, 1),
    "colour": ("RGB", 8, 8, False, 3),
    "YBR": ("YBR_FULL", 8, 8, False, 3),
    "palette": ("PALETTE COLOR", 8, 8, False, 1),
}


def image(kind: Kind, frames: int = 1) -> tuple[Dataset, npt.NDArray[np.generic]]:
    """A data set with native pixels, and its samples."""
    photometric, allocated, stored, signed, samples = kind
    low, high = (-(2 ** (stored - 1)), 2 ** (stored - 1)) if signed else (0, 2**stored)
    shape = (frames, 33, 47) + ((samples,) if samples > 1 else ())
    pixels = CHANCE.integers(low, high, shape).astype(f"<{'i' if signed else 'u'}{allocated // 8}")
    data_set = Dataset()
    data_set.SOPClassUID, data_set.SOPInstanceUID = CTImageStorage, generate_uid()
    data_set.PatientName = "Über^Ada"
    data_set.SpecificCharacterSet = "ISO_IR 100"
    data_set.SamplesPerPixel, data_set.PhotometricInterpretation = samples, photometric
    if samples > 1:
        data_set.PlanarConfiguration = 0
    if frames > 1:
        data_set.NumberOfFrames = frames
    data_set.Rows, data_set.Columns = 33, 47
    data_set.BitsAllocated, data_set.BitsStored, data_set.HighBit = allocated, stored, stored - 1
    data_set.PixelRepresentation = int(signed)
    value = pixels.tobytes()
    data_set.add_new("PixelData", "OW" if allocated > 8 else "OB", value + b"\0" * (len(value) % 2))
    return data_set, pixels


def convert(data: bytes, syntax: str, wanted: str) -> bytes:
    found = Transcoder().convert(data, syntax, [wanted])
    assert found is not None, f"{syntax} -> {wanted}"
    assert found[0] == wanted
    return found[1]


def samples(data: bytes, syntax: str) -> npt.NDArray[np.generic]:
    """As pydicom sees them, without its own colour conversions."""
    data_set = read(data, syntax)
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = UID(syntax)
    return pixel_array(data_set, raw=True)


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wanted", sorted(ENCODERS))
def test_to_and_from_every_compression_without_loss(wanted: str, kind: str, frames: int) -> None:
    data_set, pixels = image(KINDS[kind], frames)
    packed = convert(write(data_set, EXPLICIT), EXPLICIT, wanted)
    described = read(packed, wanted)
    colour = KINDS[kind][4] > 1
    rgb = kind == "colour" and wanted.startswith(("1.2.840.10008.1.2.4.9", "1.2.840.10008.1.2.4.20"))
    assert described.PhotometricInterpretation == ("YBR_RCT" if rgb else KINDS[kind][0])
    assert described.get("PlanarConfiguration") == (int(wanted == RLE) if colour else None)
    assert described["PixelData"].VR == "OB"
    assert len(parse_basic_offsets(described.PixelData)) == frames
    assert len(list(generate_fragments(described.PixelData[8 + 4 * frames :]))) == frames
    assert described.PatientName == "Über^Ada"
    for plain in (EXPLICIT, IMPLICIT):
        back = read(convert(packed, wanted, plain), plain)
        assert back.PixelData[: pixels.nbytes] == pixels.tobytes()
        assert back.PhotometricInterpretation == KINDS[kind][0]
        assert back.get("PlanarConfiguration") == (0 if colour else None)


def test_rle_is_read_by_another_reader() -> None:
    for name in ("CT", "mono 8", "colour"):
        data_set, pixels = image(KINDS[name], 2)
        packed = convert(write(data_set, EXPLICIT), EXPLICIT, RLE)
        assert np.array_equal(samples(packed, RLE).reshape(pixels.shape), pixels)


def test_what_another_writer_has_packed() -> None:
    data_set, pixels = image(KINDS["MR"], 2)
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = UID(EXPLICIT)
    data_set.compress(UID(RLE), generate_instance_uid=False)
    back = read(convert(write(data_set, RLE), RLE, EXPLICIT), EXPLICIT)
    assert back.PixelData == pixels.tobytes()


def test_the_colours_of_a_photo_come_back_as_rgb() -> None:
    import imagecodecs  # noqa: PLC0415 - the one test that makes what Filmjacket never makes

    data_set, _ = image(KINDS["colour"])
    flat = np.full((33, 47, 3), (200, 30, 90), "u1")
    for inside, photometric in (("YCBCR", "YBR_FULL_422"), ("RGB", "RGB")):
        frame = imagecodecs.jpeg8_encode(flat, level=95, colorspace="RGB", outcolorspace=inside)
        data_set.PhotometricInterpretation = photometric
        data_set.add_new("PixelData", "OB", encapsulate([bytes(frame)]))
        data_set["PixelData"].is_undefined_length = True
        back = read(convert(write(data_set, JPEG), JPEG, EXPLICIT), EXPLICIT)
        assert back.PhotometricInterpretation == "RGB"
        found = np.frombuffer(back.PixelData, "u1", flat.size).reshape(flat.shape).astype(int)
        assert abs(found - flat).max() <= 3


def test_the_other_byte_order() -> None:
    data_set, pixels = image(KINDS["CT"])
    data_set.add_new("PixelData", "OW", pixels.astype(">i2").tobytes())
    for wanted in (EXPLICIT, IMPLICIT):
        assert read(convert(write(data_set, BIG), BIG, wanted), wanted).PixelData == pixels.tobytes()


def test_planes_of_colour() -> None:
    data_set, pixels = image(KINDS["colour"])
    data_set.PlanarConfiguration = 1
    value = np.moveaxis(pixels[0], -1, 0).tobytes()
    data_set.add_new("PixelData", "OB", value + b"\0")
    packed = convert(write(data_set, EXPLICIT), EXPLICIT, JPEG_LS)
    back = read(convert(packed, JPEG_LS, EXPLICIT), EXPLICIT)
    assert back.PlanarConfiguration == 0
    assert back.PixelData[: pixels.nbytes] == pixels.tobytes()


@pytest.mark.parametrize("wanted", ["1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.91.1", "1.2.3"])
def test_what_would_lose_something_or_is_not_known_is_refused(wanted: str) -> None:
    data_set, _ = image(KINDS["mono 8"])
    assert Transcoder().convert(write(data_set, EXPLICIT), EXPLICIT, [wanted]) is None


def test_what_cannot_be_decoded_is_refused() -> None:
    data_set, _ = image(KINDS["CT"])
    data_set.add_new("PixelData", "OB", encapsulate([b"no image at all"]))
    data_set["PixelData"].is_undefined_length = True
    for syntax in sorted(DECODED):
        assert Transcoder().convert(write(data_set, syntax), syntax, [EXPLICIT]) is None
    assert Transcoder().convert(b"no data set", EXPLICIT, [J2K]) is None


def test_a_data_set_without_pixels_only_changes_its_encoding() -> None:
    data_set, _ = image(KINDS["CT"])
    del data_set.PixelData
    assert read(convert(write(data_set, EXPLICIT), EXPLICIT, IMPLICIT), IMPLICIT) == data_set


def test_all_of_a_deflated_data_set_is_converted() -> None:
    data_set, _ = image(KINDS["MR"])
    data_set.Rows = data_set.Columns = 3000
    data_set.PixelData = bytes(range(250)) * (3000 * 3000 * 2 // 250)
    squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = squeeze.compress(write(data_set, EXPLICIT)) + squeeze.flush()
    found = Transcoder().convert(deflated, DeflatedExplicitVRLittleEndian, [IMPLICIT])
    assert found is not None
    assert read(found[1], IMPLICIT).PixelData == data_set.PixelData
