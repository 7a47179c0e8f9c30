"""In which form something stored is sent: as it is where that is acceptable, else converted (PS3.18 section 8.7.3)."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from fj_dicom import UNCOMPRESSED
from fj_runtime import Problem
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian

from storage_service.entrypoints.dicomweb.negotiation import ANY_SYNTAX, DICOM, JSON, MULTIPART, OCTETS, XML, MediaRange

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
_DEFAULTS: Final = {
    OCTETS: str(ExplicitVRLittleEndian),
    "image/jpeg": "1.2.840.10008.1.2.4.70",
    "image/jls": "1.2.840.10008.1.2.4.80",
    "image/jp2": "1.2.840.10008.1.2.4.90",
    "image/jxl": "1.2.840.10008.1.2.4.110",
    "image/jphc": "1.2.840.10008.1.2.4.201",
    "image/dicom-rle": "1.2.840.10008.1.2.5",
}
"""What a media type means that is asked for without a transfer syntax (the same table)."""
_NATIVE: Final = frozenset({*UNCOMPRESSED, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian})
Convertible = Callable[[str, str], bool]
"""Whether what is stored in the first transfer syntax may be had in the second."""


@dataclass(frozen=True, slots=True)
class Form:
    """How it is sent."""

    media_type: str
    transfer_syntax: str | None
    multipart: bool
    converted: bool = False

    @property
    def content_type(self) -> str:
        """Of the part, or of the answer where it is the only one."""
        return f"{self.media_type}; transfer-syntax={self.transfer_syntax}" if self.transfer_syntax else self.media_type


def choose_file(
    accepted: Sequence[MediaRange], syntaxes: Collection[str], convertible: Convertible, *, single: bool
) -> Form:
    """Part 10 files. `single`: the resource is one instance. Raises Problem 406."""

    def forms() -> Iterator[tuple[float, Form]]:
        for one in accepted:
            whole = single and one.part is None and one.type in {DICOM, "application/*"}
            if not (whole or one.covers_parts(DICOM)):
                continue
            asked = one.transfer_syntax
            if asked is None or asked == ANY_SYNTAX or set(syntaxes) == {asked}:
                yield one.quality, Form(DICOM, next(iter(syntaxes)) if whole else None, multipart=not whole)
            elif all(convertible(syntax, asked) for syntax in syntaxes):
                yield one.quality, Form(DICOM, asked, multipart=not whole, converted=True)

    offer = f'multipart/related; type="{DICOM}"; transfer-syntax=*'
    return _best(forms()) or _not_offered(offer, sorted(syntaxes))


def choose_frames(
    accepted: Sequence[MediaRange], syntax: str, convertible: Convertible, *, encapsulated: bool, single: bool
) -> Form:
    """Frames. `single`: one is asked for. Raises Problem 406."""
    own = _COMPRESSED.get(syntax, OCTETS) if encapsulated else OCTETS
    # Native frames are the same bytes in every little endian transfer syntax.
    label = syntax if encapsulated or syntax == ExplicitVRBigEndian else str(ExplicitVRLittleEndian)

    def forms() -> Iterator[tuple[float, Form]]:
        for one in accepted:
            open_ = one.part is None and one.covers("multipart/related")
            for media_type in (own, *_DEFAULTS):
                multipart = open_ or one.covers_parts(media_type)
                if not multipart and not (single and one.part is None and one.covers(media_type)):
                    continue
                if media_type in {own, OCTETS} and _syntax_fits(one.transfer_syntax, media_type, label, open_=open_):
                    yield one.quality, Form(media_type, label, multipart)
                wanted = one.transfer_syntax or _DEFAULTS.get(media_type, label)
                fitting = media_type in {OCTETS, _COMPRESSED.get(wanted)}
                if fitting and wanted not in {ANY_SYNTAX, label} and convertible(syntax, wanted):
                    yield one.quality, Form(media_type, wanted, multipart, converted=True)

    return _best(forms()) or _not_offered(f'multipart/related; type="{own}"; transfer-syntax={label}', [syntax])


def is_encapsulated(syntax: str) -> bool:
    """Whether pixels are encapsulated in it; in one that nobody knows they are (PS3.5 annex A.4)."""
    return syntax not in _NATIVE


def choose_octets(accepted: Sequence[MediaRange]) -> Form:
    """Bulk data. Raises Problem 406."""
    for one in accepted:
        if one.covers_parts(OCTETS):
            return Form(OCTETS, None, multipart=True)
        if one.part is None and one.covers(OCTETS):
            return Form(OCTETS, None, multipart=False)
    raise Problem(406, f"Only {OCTETS} is offered here, alone or in multipart/related")


def choose_description(accepted: Sequence[MediaRange], *, single: bool) -> Form:
    """Metadata, and what a search finds (PS3.18 sections 10.4.4, 10.6.4). `single`: it is one data set.

    Among equals a named form comes before one that any name would fit, and JSON before XML. Raises Problem 406.
    """

    def forms() -> Iterator[tuple[tuple[float, bool, bool], Form]]:
        for one in accepted:
            alone = one.part is None
            rank = -one.quality, "*" in one.type
            if alone and (one.covers(JSON) or one.covers("application/json")):
                yield (*rank, False), Form(JSON, None, multipart=False)
            if single and alone and one.covers(XML):
                yield (*rank, True), Form(XML, None, multipart=False, converted=True)
            if one.covers_parts(XML):
                yield (*rank, True), Form(XML, None, multipart=True, converted=True)

    best = min(forms(), key=lambda form: form[0], default=None)
    if best is None:
        raise Problem(406, f'Only {JSON} and {MULTIPART}; type="{XML}" are offered here')
    return best[1]


def choose_picture(accepted: Sequence[MediaRange], offered: Sequence[str], *, single: bool) -> Form:
    """Rendered images. `single`: it is one; of several, who accepts the image accepts them together too.

    Raises Problem 406.
    """
    for one in accepted:
        for kind in offered:
            if one.part is None and one.covers(kind):
                return Form(kind, None, multipart=not single, converted=True)
            if one.covers_parts(kind):
                return Form(kind, None, multipart=True, converted=True)
    raise Problem(406, f"Rendered images are offered as {', '.join(offered)}, several of them in {MULTIPART}")


def _syntax_fits(wanted: str | None, media_type: str, label: str, *, open_: bool) -> bool:
    """Octets without a transfer syntax mean Explicit VR Little Endian (PS3.18 8.7.3.5.2)."""
    if wanted in {ANY_SYNTAX, label}:
        return True
    return wanted is None and (open_ or media_type != OCTETS or label == ExplicitVRLittleEndian)


def _best(forms: Iterator[tuple[float, Form]]) -> Form | None:
    """The most wanted; among equals what needs no conversion, then what stands first."""
    found = min(forms, key=lambda form: (-form[0], form[1].converted), default=None)
    return found[1] if found else None


def _not_offered(offer: str, syntaxes: Sequence[str]) -> NoReturn:
    stored = ", ".join(syntaxes)
    raise Problem(406, f"It is stored as {stored} and cannot be had as asked for; acceptable is {offer}")
