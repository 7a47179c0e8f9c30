"""Data sets between the uncompressed transfer syntaxes (PS3.5 Annex A)."""

from collections.abc import Sequence
from typing import Final

from fj_dicom import UNCOMPRESSED, BadDataSet, read, write

_DEFLATED: Final = "1.2.840.10008.1.2.1.99"


class Uncompressed:
    """See `storage_service.ports.Conversion`: what has compressed frames stays as it is."""

    def convert(self, data: bytes, syntax: str, accepted: Sequence[str]) -> tuple[str, bytes] | None:
        """Frames are the same bytes in both little endian transfer syntaxes; only the elements around them change."""
        wanted = next((one for one in accepted if one in UNCOMPRESSED), None)
        if wanted is None or syntax not in {*UNCOMPRESSED, _DEFLATED}:
            return None
        try:
            return wanted, write(read(data, syntax), wanted)
        except BadDataSet:
            return None
