"""Single frames to samples and back, by `imagecodecs`. Nothing here loses anything; `lossy.py` does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

import imagecodecs
import numpy as np
import numpy.typing as npt
from pydicom import Dataset

Samples: TypeAlias = npt.NDArray[Any]
"""Rows, columns and, where there is more than one sample of a pixel, samples."""

RLE: Final = "1.2.840.10008.1.2.5"
J2K: Final = frozenset({"1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"})
HTJ2K: Final = frozenset(f"1.2.840.10008.1.2.4.20{n}" for n in (1, 2, 3))
_LOSSY_JPEG: Final = frozenset({"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"})
_LOSSLESS_JPEG: Final = frozenset({"1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"})
_JPEG_LS: Final = frozenset({"1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"})
_JPEG_XL: Final = frozenset({"1.2.840.10008.1.2.4.110", "1.2.840.10008.1.2.4.112"})
_RLE_HEADER: Final = 64


class CannotCode(Exception):
    """These samples cannot be had in, or out of, this transfer syntax."""


@dataclass(frozen=True, slots=True)
class Description:
    """What the image pixel module says (PS3.3 C.7.6.3)."""

    rows: int
    columns: int
    samples: int
    allocated: int
    stored: int
    signed: bool
    photometric: str
    planar: bool
    frames: int

    @classmethod
    def of(cls, data_set: Dataset) -> "Description":
        """Raises CannotCode where it is not complete, or not of whole bytes."""
        try:
            described = cls(
                int(data_set.Rows),
                int(data_set.Columns),
                int(data_set.get("SamplesPerPixel") or 1),
                int(data_set.BitsAllocated),
                int(data_set.get("BitsStored") or data_set.BitsAllocated),
                bool(data_set.get("PixelRepresentation")),
                str(data_set.get("PhotometricInterpretation") or "MONOCHROME2"),
                bool(data_set.get("PlanarConfiguration")),
                max(int(data_set.get("NumberOfFrames") or 1), 1),
            )
        except (AttributeError, TypeError, ValueError):
            raise CannotCode("the description of the image is not complete") from None
        if described.allocated not in {8, 16, 32} or described.samples not in {1, 3} or described.is_subsampled:
            raise CannotCode(f"{described.samples} samples of {described.allocated} bits, {described.photometric}")
        return described

    @property
    def is_subsampled(self) -> bool:
        """Whether frames hold fewer samples of colour than pixels, in a way that nobody uses any more."""
        return self.photometric in {"YBR_PARTIAL_422", "YBR_PARTIAL_420"}

    @property
    def dtype(self) -> "np.dtype[Any]":
        return np.dtype(f"<{'i' if self.signed else 'u'}{self.allocated // 8}")

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.rows, self.columns) if self.samples == 1 else (self.rows, self.columns, self.samples)


def native(data: bytes, image: Description, *, big_endian: bool = False) -> Samples:
    """An uncompressed frame. Raises CannotCode."""
    if image.photometric == "YBR_FULL_422":
        raise CannotCode("colour that is subsampled")
    dtype = image.dtype.newbyteorder(">") if big_endian else image.dtype
    try:
        flat = np.frombuffer(data, dtype, image.rows * image.columns * image.samples).astype(image.dtype, copy=False)
    except ValueError:
        raise CannotCode("a frame is shorter than its description says") from None
    if image.samples > 1 and image.planar:
        return np.moveaxis(flat.reshape(image.samples, image.rows, image.columns), 0, -1)
    return flat.reshape(image.shape)


def decode(data: bytes, syntax: str, image: Description) -> Samples:
    """A compressed frame; colours that compression had transformed are RGB again. Raises CannotCode."""
    try:
        found = _decoded(data, syntax, image)
    except CannotCode:
        raise
    except Exception as reason:  # noqa: BLE001 - each codec has errors of its own
        raise CannotCode(f"a frame cannot be decoded: {type(reason).__name__}") from None
    if found.shape != image.shape:
        raise CannotCode(f"a frame is {found.shape}, and its description says {image.shape}")
    if image.signed and found.dtype.kind == "u" and image.stored < image.allocated:
        sign = 1 << (image.stored - 1)  # these codecs know no sign: PS3.5 8.2.1
        wide = found.astype(np.int64) & ((sign << 1) - 1)
        return ((wide ^ sign) - sign).astype(image.dtype)
    return found.view(image.dtype) if found.dtype.itemsize == image.dtype.itemsize else found.astype(image.dtype)


def photometric_decoded(syntax: str, image: Description) -> str:
    """What the samples of a decoded frame mean."""
    if image.photometric in {"YBR_RCT", "YBR_ICT"} or (syntax in _LOSSY_JPEG and image.samples > 1):
        return "RGB"
    return image.photometric


def encode(samples: Samples, syntax: str, image: Description) -> bytes:
    """A frame without loss. Raises CannotCode."""
    encoder = ENCODERS.get(syntax)
    if encoder is None or image.allocated > 16:
        raise CannotCode(f"{image.allocated} bits are not encoded as {syntax}")
    try:
        return bytes(encoder(np.ascontiguousarray(samples), image))
    except Exception as reason:  # noqa: BLE001 - each codec has errors of its own
        raise CannotCode(f"a frame cannot be encoded: {type(reason).__name__}") from None


def photometric_encoded(syntax: str, image: Description) -> str:
    """What the photometric interpretation of samples becomes (PS3.5 8.2.4): JPEG 2000 transforms RGB by itself."""
    return "YBR_RCT" if syntax in J2K | HTJ2K and image.photometric == "RGB" else image.photometric


def _decoded(data: bytes, syntax: str, image: Description) -> Samples:
    if syntax in _LOSSY_JPEG and image.samples > 1:
        inside = "RGB" if image.photometric == "RGB" else "YCBCR"
        return imagecodecs.jpeg8_decode(data, colorspace=inside, outcolorspace="RGB")
    if syntax == RLE:
        planes = imagecodecs.dicomrle_decode(data, image.dtype.newbyteorder("<"))
        found = np.frombuffer(planes, image.dtype).reshape(image.samples, image.rows, image.columns)
        return np.moveaxis(found, 0, -1) if image.samples > 1 else found[0]
    decoder = _DECODERS.get(syntax)
    if decoder is None:
        raise CannotCode(f"frames of {syntax} are not decoded")
    return decoder(data)


def _lossless_jpeg(data: bytes) -> Samples:
    try:
        return imagecodecs.jpegsof3_decode(data)
    except imagecodecs.Jpegsof3Error:
        return imagecodecs.jpeg8_decode(data)


_DECODERS: Final[Mapping[str, Callable[[bytes], Samples]]] = {
    **dict.fromkeys(_LOSSY_JPEG, imagecodecs.jpeg8_decode),
    **dict.fromkeys(_LOSSLESS_JPEG, _lossless_jpeg),
    **dict.fromkeys(_JPEG_LS, imagecodecs.jpegls_decode),
    **dict.fromkeys(J2K, partial(imagecodecs.jpeg2k_decode, planar=False)),
    **dict.fromkeys(HTJ2K, partial(imagecodecs.htj2k_decode, planar=False)),
    **dict.fromkeys(_JPEG_XL, imagecodecs.jpegxl_decode),
}
DECODED: Final = frozenset({*_DECODERS, RLE})
"""Transfer syntaxes that can be decoded."""


def _unsigned(samples: Samples) -> Samples:
    return samples.view(f"<u{samples.dtype.itemsize}")


def _precision(samples: Samples, image: Description) -> int:
    """Bits stored, unless something stands in the bits above."""
    if image.allocated == 8 or image.signed or int(samples.max(initial=0)) >> image.stored:
        return image.allocated
    return max(image.stored, 9)


def _encode_lossless_jpeg(samples: Samples, image: Description) -> bytes:
    bits = _precision(samples, image)
    return bytes(imagecodecs.jpeg8_encode(_unsigned(samples), lossless=True, predictor=1, bitspersample=bits))


def _encode_jpeg_ls(samples: Samples, _: Description) -> bytes:
    room = 2 * samples.nbytes + 1024  # noise grows
    return bytes(imagecodecs.jpegls_encode(_unsigned(samples), out=room))


def _encode_j2k(samples: Samples, image: Description) -> bytes:
    bits, mct = _precision(samples, image), image.photometric == "RGB"
    return bytes(
        imagecodecs.jpeg2k_encode(samples, level=0, codecformat="j2k", reversible=True, mct=mct, bitspersample=bits)
    )


def _encode_htj2k(samples: Samples, image: Description) -> bytes:
    return bytes(imagecodecs.htj2k_encode(samples, reversible=True, rgb=image.photometric == "RGB"))


def _encode_jpeg_xl(samples: Samples, _: Description) -> bytes:
    return bytes(imagecodecs.jpegxl_encode(_unsigned(samples), lossless=True, effort=1))


def _encode_rle(samples: Samples, image: Description) -> bytes:
    """Segments by sample, and in each sample the most significant byte first (PS3.5 annex G)."""
    width = samples.dtype.itemsize
    planes = samples.reshape(image.rows, image.columns, image.samples)
    segments = []
    for sample in range(image.samples):
        plane = np.ascontiguousarray(planes[..., sample]).view(np.uint8).reshape(image.rows, image.columns, width)
        for byte in reversed(range(width)):
            packed = bytes(imagecodecs.packbits_encode(np.ascontiguousarray(plane[..., byte])))
            segments.append(packed + b"\0" * (len(packed) % 2))
    offsets = np.zeros(_RLE_HEADER // 4, "<u4")
    offsets[0] = len(segments)
    offsets[1 : len(segments) + 1] = _RLE_HEADER + np.cumsum([0, *map(len, segments[:-1])])
    return offsets.tobytes() + b"".join(segments)


ENCODERS: Final[Mapping[str, Callable[[Samples, Description], bytes]]] = {
    **dict.fromkeys(_LOSSLESS_JPEG, _encode_lossless_jpeg),
    "1.2.840.10008.1.2.4.80": _encode_jpeg_ls,
    **dict.fromkeys(J2K, _encode_j2k),
    "1.2.840.10008.1.2.4.201": _encode_htj2k,
    "1.2.840.10008.1.2.4.203": _encode_htj2k,
    "1.2.840.10008.1.2.4.110": _encode_jpeg_xl,
    RLE: _encode_rle,
}
"""By the transfer syntax."""
