"""In which form something stored is sent: as it is or not at all; nothing is transcoded (PS3.18 section 8.7.3)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from fj_runtime import Problem
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian

from storage_service.entrypoints.dicomweb.negotiation import ANY_SYNTAX, DICOM, OCTETS, MediaRange

_COMPRESSED: Final = {
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.92": "image/jpx",
    "1.2.840.10008.1.2.4.93": "image/jpx",
    "1.2.840.10008.1.2.4.100": "video/mpeg",
    "1.2.840.10008.1.2.4.101": "video/mpeg",
    "1.2.840.10008.1.2.4.102": "video/mp4",
    "1.2.840.10008.1.2.4.103": "video/mp4",
    "1.2.840.10008.1.2.4.104": "video/mp4",
    "1.2.840.10008.1.2.4.105": "video/mp4",
    "1.2.840.10008.1.2.4.106": "video/mp4",
    "1.2.840.10008.1.2.4.107": "video/H265",
    "1.2.840.10008.1.2.4.108": "video/H265",
    "1.2.840.10008.1.2.4.110": "image/jxl",
    "1.2.840.10008.1.2.4.111": "image/jxl",
    "1.2.840.10008.1.2.4.112": "image/jxl",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
    "1.2.840.10008.1.2.5": "image/dicom-rle",
}
"""Media types of compressed frames by transfer syntax (PS3.18 Table 8.7.3-5)."""


@dataclass(frozen=True, slots=True)
class Form:
    """How it is sent."""

    media_type: str
    transfer_syntax: str | None
    multipart: bool

    @property
    def content_type(self) -> str:
        """Of the part, or of the answer where it is the only one."""
        return f"{self.media_type}; transfer-syntax={self.transfer_syntax}" if self.transfer_syntax else self.media_type


def choose_file(accepted: Sequence[MediaRange], syntaxes: Collection[str], *, single: bool) -> Form:
    """Part 10 files. `single`: the resource is one instance. Raises Problem 406."""
    for one in accepted:
        whole = single and one.part is None and one.type in {DICOM, "application/*"}
        if not (whole or one.covers_parts(DICOM)):
            continue
        if one.transfer_syntax in {None, ANY_SYNTAX} or set(syntaxes) == {one.transfer_syntax}:
            syntax = next(iter(syntaxes)) if whole else None
            return Form(DICOM, syntax, multipart=not whole)
    raise _not_offered(f'multipart/related; type="{DICOM}"; transfer-syntax=*', sorted(syntaxes))


def choose_frames(accepted: Sequence[MediaRange], syntax: str, *, encapsulated: bool, single: bool) -> Form:
    """Frames. `single`: one is asked for. Raises Problem 406."""
    own = _COMPRESSED.get(syntax, OCTETS) if encapsulated else OCTETS
    # Native frames are the same bytes in every little endian transfer syntax.
    label = syntax if encapsulated or syntax == ExplicitVRBigEndian else str(ExplicitVRLittleEndian)
    for one in accepted:
        open_ = one.part is None and one.covers("multipart/related")
        media_type = next((kind for kind in (own, OCTETS) if open_ or one.covers_parts(kind)), None)
        multipart = media_type is not None
        if media_type is None and single and one.part is None:
            media_type = next((kind for kind in (own, OCTETS) if one.covers(kind)), None)
        if media_type is not None and _syntax_fits(one.transfer_syntax, media_type, label, open_=open_):
            return Form(media_type, label, multipart)
    raise _not_offered(f'multipart/related; type="{own}"; transfer-syntax={label}', [syntax])


def choose_octets(accepted: Sequence[MediaRange]) -> Form:
    """Bulk data. Raises Problem 406."""
    for one in accepted:
        if one.covers_parts(OCTETS):
            return Form(OCTETS, None, multipart=True)
        if one.part is None and one.covers(OCTETS):
            return Form(OCTETS, None, multipart=False)
    raise Problem(406, f"Only {OCTETS} is offered here, alone or in multipart/related")


def _syntax_fits(wanted: str | None, media_type: str, label: str, *, open_: bool) -> bool:
    """Octets without a transfer syntax mean Explicit VR Little Endian (PS3.18 8.7.3.5.2)."""
    if wanted in {ANY_SYNTAX, label}:
        return True
    return wanted is None and (open_ or media_type != OCTETS or label == ExplicitVRLittleEndian)


def _not_offered(offer: str, syntaxes: Sequence[str]) -> Problem:
    stored = ", ".join(syntaxes)
    return Problem(406, f"It is stored as {stored} and sent as it is; acceptable is {offer}")
