"""Data sets in another transfer syntax (PS3.5 annex A): without any loss, unless one with loss is asked for by name."""

from collections.abc import Sequence
from typing import Final

from fj_dicom import UNCOMPRESSED, BadDataSet, read, write
from pydicom import Dataset
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian

from storage_service.adapters.codecs import (
    DECODED,
    ENCODERS,
    RLE,
    CannotCode,
    Description,
    Samples,
    decode,
    encode,
    native,
    photometric_decoded,
    photometric_encoded,
)
from storage_service.adapters.inflating import inflated
from storage_service.adapters.lossy import LOSSY, derive, encode_lossy, photometric_lossy
from storage_service.domain.errors import Unreadable

READABLE: Final = frozenset({*UNCOMPRESSED, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, *DECODED})
WRITABLE: Final = frozenset({*UNCOMPRESSED, *ENCODERS})
DECODED_MAX: Final = 512 * 1024 * 1024
"""Bytes of all frames together, decoded; more are not taken into memory."""
_BASIC_TABLE_MAX: Final = 2**32 - 1


class Transcoder:
    """See `storage_service.ports.objects.Conversion`."""

    def convert(self, data: bytes, syntax: str, accepted: Sequence[str]) -> tuple[str, bytes] | None:
        """See `Conversion.convert`."""
        wanted = next((one for one in accepted if one in WRITABLE), None)
        if wanted is None or syntax not in READABLE:
            return None
        try:
            data_set = _read(data, syntax)
            _recode(data_set, syntax, wanted)
            return wanted, write(data_set, wanted)
        except (BadDataSet, CannotCode, Unreadable):
            return None


def with_loss(data: bytes, syntax: str, wanted: str) -> tuple[str, bytes] | None:
    """A new instance, its SOP Instance UID and data set; None where it cannot be made."""
    if wanted not in LOSSY or syntax not in READABLE:
        return None
    try:
        data_set = _read(data, syntax)
        if "PixelData" not in data_set:
            return None
        image = _bounded(data_set)
        _recode(data_set, syntax, wanted)
        ratio = image.frames * image.rows * image.columns * image.samples * image.allocated / 8
        uid = derive(data_set, wanted, ratio / max(len(data_set.PixelData), 1))
        return uid, write(data_set, wanted)
    except (BadDataSet, CannotCode, Unreadable):
        return None


def _read(data: bytes, syntax: str) -> Dataset:
    """Raises BadDataSet, Unreadable."""
    if syntax == DeflatedExplicitVRLittleEndian:  # all of it: of one that is received the beginning is enough
        return read(inflated(data), ExplicitVRLittleEndian)
    return read(data, syntax)


def _bounded(data_set: Dataset) -> Description:
    image = Description.of(data_set)
    if image.frames * image.rows * image.columns * image.samples * image.allocated // 8 > DECODED_MAX:
        raise CannotCode("too many pixels")
    return image


def _recode(data_set: Dataset, syntax: str, wanted: str) -> None:
    """Put the pixels of a data set into another transfer syntax, and describe them so."""
    if "PixelData" not in data_set or _same_pixels(syntax, wanted):
        return
    image = _bounded(data_set)
    frames = _frames(data_set, syntax, image)
    data_set.PhotometricInterpretation = photometric_decoded(syntax, image)
    if image.samples > 1:
        data_set.PlanarConfiguration = int(wanted == RLE)
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        if keyword in data_set:
            del data_set[keyword]
    if wanted in UNCOMPRESSED:
        _put_native(data_set, frames)
    else:
        _put_encapsulated(data_set, frames, wanted)


def _same_pixels(syntax: str, wanted: str) -> bool:
    """Frames are the same bytes in all little endian transfer syntaxes that do not compress."""
    return syntax in {*UNCOMPRESSED, DeflatedExplicitVRLittleEndian} and wanted in UNCOMPRESSED


def _frames(data_set: Dataset, syntax: str, image: Description) -> list[Samples]:
    value = data_set.PixelData
    if syntax in DECODED:
        try:
            found = list(generate_frames(value, number_of_frames=image.frames, extended_offsets=_extended(data_set)))
        except ValueError:
            raise CannotCode("the fragments do not make frames") from None
        if len(found) != image.frames:
            raise CannotCode(f"{len(found)} frames, and the description says {image.frames}")
        return [decode(frame, syntax, image) for frame in found]
    size = image.rows * image.columns * image.samples * image.allocated // 8
    return [
        native(value[number * size : (number + 1) * size], image, big_endian=syntax == ExplicitVRBigEndian)
        for number in range(image.frames)
    ]


def _extended(data_set: Dataset) -> tuple[bytes, bytes] | None:
    if "ExtendedOffsetTable" not in data_set or "ExtendedOffsetTableLengths" not in data_set:
        return None
    return data_set.ExtendedOffsetTable, data_set.ExtendedOffsetTableLengths


def _put_native(data_set: Dataset, frames: Sequence[Samples]) -> None:
    value = b"".join(frame.tobytes() for frame in frames)
    data_set.add_new("PixelData", "OW" if data_set.BitsAllocated > 8 else "OB", value + b"\0" * (len(value) % 2))


def _put_encapsulated(data_set: Dataset, frames: Sequence[Samples], wanted: str) -> None:
    image = Description.of(data_set)
    coder, meaning = (encode_lossy, photometric_lossy) if wanted in LOSSY else (encode, photometric_encoded)
    data_set.PhotometricInterpretation = meaning(wanted, image)
    encoded = [coder(frame, wanted, image) for frame in frames]
    if sum(len(frame) + 8 for frame in encoded) > _BASIC_TABLE_MAX:
        value, data_set.ExtendedOffsetTable, data_set.ExtendedOffsetTableLengths = encapsulate_extended(encoded)
    else:
        value = encapsulate(encoded)
    data_set.add_new("PixelData", "OB", value)
    data_set["PixelData"].is_undefined_length = True
