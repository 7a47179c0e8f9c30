"""The segment as a plain tar file (POSIX.1-2001 pax): `tar xf` opens every pack without Filmjacket.

Each member is `<series instance uid>/<sop instance uid>`, a Part 10 file. The digest of its data set and its
Part 10 header are extended attributes in the pax header, where GNU tar and bsdtar look for them without complaint.
"""

import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, Final

from ingest_service.domain.pack import Place

BLOCK: Final = 512
HEADER_ROOM: Final = 3 * BLOCK
"""Extended header, its records, and the member's own header."""
END: Final = bytes(2 * BLOCK)
"""Two zero blocks end an archive."""
DATA_SHA256: Final = "SCHILY.xattr.user.filmjacket.data_sha256"
HEADER: Final = "SCHILY.xattr.user.filmjacket.header"
"""`<length>:<sha256>` of the Part 10 header."""


def padding(length: int) -> bytes:
    """What fills a member up to whole blocks."""
    return bytes(-length % BLOCK)


def member_header(place: Place, header_sha256: str) -> bytes:
    """The `HEADER_ROOM` bytes before a member."""
    info = tarfile.TarInfo(f"{place.series_instance_uid}/{place.sop_instance_uid}")
    info.size = place.length
    info.mode = 0o640
    info.mtime = place.received_at.timestamp()
    info.pax_headers = {DATA_SHA256: place.sha256, HEADER: f"{place.data_offset}:{header_sha256}"}
    encoded = info.tobuf(tarfile.PAX_FORMAT)
    if len(encoded) != HEADER_ROOM:
        raise ValueError(f"tar header of {len(encoded)} bytes, {HEADER_ROOM} were reserved")
    return encoded


def plain_member(name: str, content: bytes) -> bytes:
    """A whole small member without extended header."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mode = 0o640
    return info.tobuf(tarfile.USTAR_FORMAT) + content + padding(len(content))


@dataclass(frozen=True, slots=True)
class Found:
    """A member as its headers describe it."""

    name: str
    offset: int
    length: int
    end: int
    """Where the next member begins."""
    place: Place | None
    """None for a member that is no instance."""
    header_sha256: str


def walk(file: BinaryIO) -> Iterator[Found]:
    """The members in order, up to the first whose headers do not hold or whose content is cut short."""
    file.seek(0, 2)
    size = file.tell()
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            for info in archive:
                end = info.offset_data + info.size + len(padding(info.size))
                if end > size:
                    return
                yield _found(info, end)
    except (tarfile.TarError, ValueError, OverflowError):
        return  # what follows was never completed


def matches(place: Place, header_sha256: str, archive: memoryview) -> bool:
    """Whether a member's bytes are those that its headers describe."""
    data = place.offset + place.data_offset
    found = hashlib.sha256(archive[place.offset : data]), hashlib.sha256(archive[data : place.end])
    return [digest.hexdigest() for digest in found] == [header_sha256, place.sha256]


def _found(info: tarfile.TarInfo, end: int) -> Found:
    digest = info.pax_headers.get(DATA_SHA256)
    header_length, _, header_sha256 = info.pax_headers.get(HEADER, "").partition(":")
    if digest is None or not header_length:
        return Found(info.name, info.offset_data, info.size, end, None, "")
    series_uid, _, instance_uid = info.name.partition("/")
    place = Place(
        series_instance_uid=series_uid,
        sop_instance_uid=instance_uid,
        offset=info.offset_data,
        length=info.size,
        data_offset=int(header_length),
        sha256=digest,
        received_at=datetime.fromtimestamp(info.mtime, UTC),
    )
    return Found(info.name, info.offset_data, info.size, end, place, header_sha256)
