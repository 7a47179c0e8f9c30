"""Compression with loss: for who asks for it by name, and never without saying so (PS3.3 C.7.6.1.1.5, PS3.5 8.2)."""

from collections.abc import Mapping
from typing import Final
from uuid import NAMESPACE_OID, uuid5

import imagecodecs
import numpy as np
from pydicom import Dataset
from pydicom.sequence import Sequence as Items

from storage_service.adapters.codecs import CannotCode, Description, Samples

JPEG_BASELINE: Final = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED: Final = "1.2.840.10008.1.2.4.51"
JPEG_LS_NEAR: Final = "1.2.840.10008.1.2.4.81"
LOSSY: Final[Mapping[str, str]] = {
    JPEG_BASELINE: "ISO_10918_1",
    JPEG_EXTENDED: "ISO_10918_1",
    JPEG_LS_NEAR: "ISO_14495_1",
}
"""Lossy Image Compression Method (0028,2114) by transfer syntax."""
QUALITY: Final = 90
NEAR: Final = 2
"""Values by which a sample of JPEG-LS may differ."""


def encode_lossy(samples: Samples, syntax: str, image: Description) -> bytes:
    """A frame. Raises CannotCode."""
    highest = int(samples.max(initial=0))
    bits = 16 if syntax == JPEG_LS_NEAR else 12 if syntax == JPEG_EXTENDED and image.samples == 1 else 8
    # These codecs know no sign, and what is near to zero would be far away on its other side.
    if image.signed or highest >> bits or image.allocated > 16:
        raise CannotCode(f"{image.stored} bits{', signed' * image.signed}, are not encoded as {syntax}")
    values = np.ascontiguousarray(samples if bits > 8 else samples.astype(np.uint8))
    try:
        if syntax == JPEG_LS_NEAR:
            return bytes(imagecodecs.jpegls_encode(values, level=NEAR, out=2 * values.nbytes + 1024))
        if image.samples == 1:
            wide = values.astype("<u2") if bits == 12 else values
            return bytes(imagecodecs.jpeg8_encode(wide, level=QUALITY, bitspersample=bits))
        inside = "YCBCR" if image.photometric == "RGB" else None
        outside = "RGB" if image.photometric == "RGB" else None
        return bytes(
            imagecodecs.jpeg8_encode(values, level=QUALITY, colorspace=outside, outcolorspace=inside, subsampling="422")
        )
    except Exception as reason:  # noqa: BLE001 - each codec has errors of its own
        raise CannotCode(f"a frame cannot be encoded: {type(reason).__name__}") from None


def photometric_lossy(syntax: str, image: Description) -> str:
    """What the photometric interpretation of samples becomes (PS3.5 8.2.1)."""
    return "YBR_FULL_422" if image.photometric == "RGB" and syntax != JPEG_LS_NEAR else image.photometric


def derived_uid(sop_instance_uid: str, syntax: str) -> str:
    """Of what is made with loss of an instance: the same each time."""
    return f"2.25.{uuid5(NAMESPACE_OID, f'{sop_instance_uid}/{syntax}').int}"


def derive(data_set: Dataset, syntax: str, ratio: float) -> str:
    """Say that it is another image, made of one that it names, and with what loss; its SOP Instance UID."""
    source = Dataset()
    source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = data_set.SOPClassUID, data_set.SOPInstanceUID
    source.PurposeOfReferenceCodeSequence = Items([_code("121320", "Uncompressed predecessor")])
    data_set.SourceImageSequence = Items([*(data_set.get("SourceImageSequence") or ()), source])
    coded = data_set.get("DerivationCodeSequence") or ()
    data_set.DerivationCodeSequence = Items([*coded, _code("113040", "Lossy Compression")])
    data_set.DerivationDescription = f"compressed with loss, {ratio:.3g} to 1"
    data_set.ImageType = ["DERIVED", *list(data_set.get("ImageType") or ("", "PRIMARY"))[1:]]
    data_set.LossyImageCompression = "01"
    for keyword, value in (
        ("LossyImageCompressionRatio", f"{ratio:.3g}"),
        ("LossyImageCompressionMethod", LOSSY[syntax]),
    ):
        earlier = data_set.get(keyword)
        known = [] if earlier is None else [earlier] if isinstance(earlier, str | float) else list(earlier)
        setattr(data_set, keyword, [*known, value])
    data_set.SOPInstanceUID = derived_uid(data_set.SOPInstanceUID, syntax)
    return str(data_set.SOPInstanceUID)


def _code(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
    return code
