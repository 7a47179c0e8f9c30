"""The segment as a plain tar file (POSIX.1-2001 pax): `tar xf` opens every pack without Filmjacket.

Each member is `<series instance uid>/<sop instance uid>`, a Part 10 file. The checksum of its data set and the
digest of its Part 10 header are extended attributes in the pax header, where GNU tar and bsdtar look for them without
complaint.
"""

import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from io import BytesIO
from typing import BinaryIO, Final
from uuid import UUID
from zlib import adler32

from xxhash import xxh3_128

from fj_packs.pack import Place

BLOCK: Final = 512
HEADER_ROOM: Final = 3 * BLOCK
"""Extended header, its records, and the member's own header."""
END: Final = bytes(2 * BLOCK)
"""Two zero blocks end an archive."""
NAME_MAX: Final = 100
SIZE_MAX: Final = 8**11
"""What the fields of the member's own header hold; more stands in the extended one."""
DATA_CHECKSUM: Final = "SCHILY.xattr.user.filmjacket.data_xxh3_128"
DATA_SHA256: Final = "SCHILY.xattr.user.filmjacket.data_sha256"
"""What earlier versions wrote instead: a journal may still hold such segments."""
_SHA256_DIGITS: Final = 64
HEADER: Final = "SCHILY.xattr.user.filmjacket.header"
"""`<length>:<digest>` of the Part 10 header, see `header_digest`."""
_USTAR: Final = b"%s0000640\x000000000\x000000000\x00%011o\0%011o\0%s%s" + bytes(NAME_MAX) + b"ustar\x0000"
_CHECKSUM: Final = 148


def padding(length: int) -> bytes:
    """What fills a member up to whole blocks."""
    return bytes(-length % BLOCK)


def member_header(place: Place, header_sha256: str) -> bytes:
    """The `HEADER_ROOM` bytes before a member."""
    name = f"{place.series_instance_uid}/{place.sop_instance_uid}"
    moment = place.received_at.timestamp()
    records = _record("mtime", str(moment)) + _record(DATA_CHECKSUM, place.checksum)
    records += _record(HEADER, f"{place.data_offset}:{header_sha256}")
    if len(name) > NAME_MAX:
        records += _record("path", name)
    if place.length >= SIZE_MAX:
        records += _record("size", str(place.length))
    written = records.encode()
    if len(written) > BLOCK:
        raise ValueError(f"tar records of {len(written)} bytes, {BLOCK} were reserved")
    size = place.length if place.length < SIZE_MAX else 0
    return (
        _extended_header(len(written))
        + written.ljust(BLOCK, b"\0")
        + _header(name.encode("ascii")[:NAME_MAX], size, round(moment), b"0")
    )


def _record(key: str, value: str) -> str:
    """A record of an extended header: its own length in decimal, of two digits or three, key and value."""
    text = f" {key}={value}\n"
    length = len(text) + 2
    return f"{length if length < 100 else length + 1}{text}"


@lru_cache(maxsize=64)
def _extended_header(length: int) -> bytes:
    return _header(b"././@PaxHeader", length, 0, b"x")


def _header(name: bytes, size: int, mtime: int, kind: bytes) -> bytes:
    """A ustar header. Python's tarfile writes the same one, in sixfold the time of all that is written here."""
    block = _USTAR % (name.ljust(NAME_MAX, b"\0"), size, mtime, b" " * 8, kind)
    # The sum of the bytes: of Adler-32 it is the lower half less one, as long as it is below 65521 (RFC 1950). Here all
    # bytes are ASCII, so it is; and it is a tenth of the time of everything in this file.
    checksum = b"%06o\0" % ((adler32(block) & 0xFFFF) - 1)
    return (block[:_CHECKSUM] + checksum + block[_CHECKSUM + len(checksum) :]).ljust(BLOCK, b"\0")


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


def first_member(archive: bytes) -> tuple[str, bytes] | None:
    """Name and content of the member that begins here; None where it is none, or longer than what is given."""
    found = next(walk(BytesIO(archive)), None)
    return (found.name, archive[found.offset : found.offset + found.length]) if found else None


def received_at(header: bytes) -> datetime | None:
    """When the member was received before which these `HEADER_ROOM` bytes stand; None where they do not say."""
    try:
        with tarfile.open(fileobj=BytesIO(header), mode="r:") as archive:
            member = archive.next()
    except tarfile.TarError:
        return None
    return datetime.fromtimestamp(member.mtime, UTC) if member and member.mtime else None


def header_digest(segment: UUID, header: bytes | memoryview) -> str:
    """Of a Part 10 header in this segment. Files are written over again: no older member passes for a new one."""
    digest = hashlib.sha256(segment.bytes)
    digest.update(header)
    return digest.hexdigest()


def matches(found: Found, segment: UUID, archive: memoryview) -> bool:
    """Whether a member's bytes are those that its headers describe, in this segment."""
    place = found.place
    if place is None:
        return False
    data = place.offset + place.data_offset
    if header_digest(segment, archive[place.offset : data]) != found.header_sha256:
        return False
    return holds(place, archive[data : place.end])


def new_checksum() -> xxh3_128:
    """What tells a whole data set from a torn one, in a tenth of the time of SHA-256."""
    return xxh3_128()


def holds(place: Place, data_set: memoryview) -> bool:
    """Whether these bytes are those that were received."""
    if len(place.checksum) == _SHA256_DIGITS:
        return hashlib.sha256(data_set).hexdigest() == place.checksum
    return xxh3_128(data_set).hexdigest() == place.checksum


def _found(info: tarfile.TarInfo, end: int) -> Found:
    checksum = info.pax_headers.get(DATA_CHECKSUM) or info.pax_headers.get(DATA_SHA256)
    header_length, _, header_sha256 = info.pax_headers.get(HEADER, "").partition(":")
    if checksum is None or not header_length:
        return Found(info.name, info.offset_data, info.size, end, None, "")
    series_uid, _, instance_uid = info.name.partition("/")
    place = Place(
        series_instance_uid=series_uid,
        sop_instance_uid=instance_uid,
        offset=info.offset_data,
        length=info.size,
        data_offset=int(header_length),
        checksum=checksum,
        received_at=datetime.fromtimestamp(info.mtime, UTC),
    )
    return Found(info.name, info.offset_data, info.size, end, place, header_sha256)
