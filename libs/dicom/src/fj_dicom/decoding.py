"""pydicom behind two functions: bytes to data set and back.

pydicom quotes values in its warnings and log lines. Values are PHI, so it is told to check nothing while reading
and to log nothing; what does not decode is refused here with a text of our own.
"""

import logging
from collections.abc import Callable, Iterable
from io import BytesIO

from pydicom import Dataset, config
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID

from fj_dicom.tags import DEFLATED, BadDataSet, inflate

config.settings.reading_validation_mode = config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL)

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


def write(dataset: Dataset, transfer_syntax: str) -> bytes:
    """Encode a data set, text in the character set that its (0008,0005) names."""
    uid = UID(transfer_syntax)
    buffer = DicomBytesIO()
    buffer.is_implicit_VR = uid.is_implicit_VR
    buffer.is_little_endian = uid.is_little_endian
    write_dataset(buffer, dataset)
    return buffer.getvalue()
