"""pydicom behind two functions: bytes to data set and back.

pydicom quotes values in its warnings and log lines. Values are PHI, so it is told to check nothing while reading
and to log nothing; what does not decode is refused here with a text of our own.
"""

import logging
import warnings
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from pydicom import DataElement, Dataset, config
from pydicom.dataelem import RawDataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import data_element_generator, read_dataset
from pydicom.filewriter import write_dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID

from fj_dicom.tags import DEFLATED, UNDEFINED, BadDataSet, inflate, is_vr

config.settings.reading_validation_mode = config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL)

# They name files and positions; where a data set ends too early is found out here.
warnings.filterwarnings("ignore", module=r"pydicom\.")

PIXEL_GROUP: Final = 0x7FE0
PATIENCE_MAX: Final = 16 * 1024 * 1024
"""So much of a data set is given to `read_patiently`, bytes: it decodes sequences in memory."""

StopWhen = Callable[[BaseTag, str | None, int], bool]


def read(
    data: bytes | memoryview,
    transfer_syntax: str,
    tags: Iterable[int] = (),
    stop_when: StopWhen | None = None,
) -> Dataset:
    """Decode a data set; with tags, only those top-level elements. Raises BadDataSet."""
    uid = UID(transfer_syntax)
    encoded = inflate(memoryview(data)) if transfer_syntax in DEFLATED else data
    wanted: list[BaseTag | int] | None = list(tags) or None
    try:
        dataset = read_dataset(
            BytesIO(encoded), uid.is_implicit_VR, uid.is_little_endian, stop_when=stop_when, specific_tags=wanted
        )
        # pydicom parses values when they are looked at: now is when a broken one can still be refused.
        for _ in dataset.iterall():
            pass
    except Exception as reason:
        # pydicom raises whatever its parser stumbles over.
        raise BadDataSet(f"cannot be decoded: {type(reason).__name__}") from reason
    return dataset


@dataclass(frozen=True, slots=True)
class Patiently:
    """What pydicom found in the beginning of a data set."""

    values: list[tuple[int, bytes]]
    """In their order; one that comes twice is here twice."""
    implicit: bool
    last_tag: int
    end: int
    """Where the next element begins."""


def read_patiently(data: memoryview, transfer_syntax: str, wanted: Collection[int], *, whole: bool) -> Patiently:
    """Raw values of top-level elements before the pixels, as pydicom finds them in what is not quite as it should be.

    That is implicit VR where explicit VR is claimed, the other way round, or a mixture. An element that ends beyond
    `data` ends the reading, or is an error where this is the whole data set. Raises BadDataSet.
    """
    uid = UID(transfer_syntax)
    head = bytes(data[:PATIENCE_MAX])
    file = BytesIO(head)
    implicit = not is_vr(head[4:6])
    values: list[tuple[int, bytes]] = []
    last, end = 0, 0
    try:
        for element in data_element_generator(file, implicit, uid.is_little_endian, at_pixels):
            if file.tell() > len(head) or _is_cut(element):
                break
            last, end = int(element.tag), file.tell()
            if last in wanted and isinstance(element, RawDataElement):
                values.append((last, element.value or b""))
    except Exception as reason:
        # pydicom raises whatever its parser stumbles over: EOFError where the data ends.
        if whole or not isinstance(reason, EOFError):
            raise BadDataSet(f"cannot be decoded: {type(reason).__name__}") from reason
    return Patiently(values, implicit, last, end)


def at_pixels(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    """Where reading stops that is about attributes."""
    return tag.group >= PIXEL_GROUP


def _is_cut(element: RawDataElement | DataElement) -> bool:
    """Whether the data ended inside the value; pydicom itself does not look."""
    if not isinstance(element, RawDataElement) or element.length == UNDEFINED:
        return False
    return len(element.value or b"") != element.length


def write(dataset: Dataset, transfer_syntax: str) -> bytes:
    """Encode a data set, text in the character set that its (0008,0005) names."""
    uid = UID(transfer_syntax)
    buffer = DicomBytesIO()
    buffer.is_implicit_VR = uid.is_implicit_VR
    buffer.is_little_endian = uid.is_little_endian
    write_dataset(buffer, dataset)
    return buffer.getvalue()
