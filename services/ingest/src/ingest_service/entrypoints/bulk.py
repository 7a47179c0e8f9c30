"""Parts of a request with metadata and bulk data (PS3.18 section 10.5.1), on disk until all of them are there."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final
from urllib.parse import urljoin

from python_multipart.multipart import parse_options_header

from ingest_service.domain.reception import NotAccepted, Reason

PIECE: Final = 1024 * 1024
"""Bytes that are read back at once."""
METADATA_MAX: Final = 16 * 1024 * 1024
"""Bytes of all metadata of a request: it is taken apart in memory."""
LOADED_MAX: Final = 64 * 1024 * 1024
"""Bytes of the bulk data of one instance that is not its pixels: it is put together in memory."""
PARTS_MAX: Final = 100_000
_FREE_MIN: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Piece:
    """A part that has arrived."""

    media_type: str
    transfer_syntax: str
    """As its Content-Type says; empty where it does not."""
    location: str
    offset: int
    length: int
    refusal: NotAccepted | None = None


class Spool:
    """The parts of one request, one after the other in a file without a name: nothing is left of it after a crash."""

    def __init__(self, folder: Path, base: str) -> None:
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115 - `close` ends it
        self._folder = folder
        self._base = base
        self._end = 0
        self._parts = 0

    def close(self) -> None:
        """Give its room back."""
        self._file.close()

    def part(self) -> "SpooledPart":
        """The next part. Raises NotAccepted."""
        self._parts += 1
        return SpooledPart(self, self._end)

    def write(self, data: memoryview) -> None:
        """At its end. Raises NotAccepted."""
        if self._parts > PARTS_MAX:
            raise NotAccepted(Reason.NOT_UNDERSTOOD, f"more than {PARTS_MAX} parts")
        if shutil.disk_usage(self._folder).free < _FREE_MIN + len(data):
            raise NotAccepted(Reason.OUT_OF_RESOURCES, "disk is nearly full")
        self._file.write(data)
        self._end += len(data)

    def located(self, uri: str) -> str:
        """As an absolute address."""
        return urljoin(self._base, uri)

    def length_since(self, offset: int) -> int:
        """Bytes from there to the end."""
        return self._end - offset

    def read(self, piece: Piece) -> Iterator[bytes]:
        """A part, in bounded pieces."""
        self._file.seek(piece.offset)
        left = piece.length
        while left:
            data = self._file.read(min(PIECE, left))
            left -= len(data)
            yield data

    def whole(self, piece: Piece, most: int) -> bytes:
        """A part in memory. Raises NotAccepted."""
        if piece.length > most:
            raise NotAccepted(Reason.NOT_UNDERSTOOD, f"a part of more than {most} bytes is neither pixels nor a file")
        return b"".join(self.read(piece))


class SpooledPart:
    """See `ingest_service.entrypoints.multipart.BodyPart`: nothing is decided before all parts are there."""

    def __init__(self, spool: Spool, offset: int) -> None:
        self._spool = spool
        self._offset = offset
        self._type, self._syntax, self._location = "", "", ""
        self._refusal: NotAccepted | None = None

    def header(self, name: bytes, value: bytes) -> None:
        """Of this part."""
        if name == b"content-type":
            kind, options = parse_options_header(value)
            self._type = kind.decode("latin-1").lower()
            self._syntax = options.get(b"transfer-syntax", b"").decode("latin-1")
        elif name == b"content-location":
            self._location = self._spool.located(value.decode("latin-1"))

    def write(self, data: memoryview) -> None:
        """The next bytes."""
        if self._refusal is None:
            self._guarded(lambda: self._spool.write(data))

    def finish(self) -> Piece:
        """The part is complete."""
        length = self._spool.length_since(self._offset)
        return Piece(self._type, self._syntax, self._location, self._offset, length, self._refusal)

    def refuse(self, refusal: NotAccepted) -> Piece:
        """The part will not be completed."""
        self._refusal = self._refusal or refusal
        return self.finish()

    def abandon(self) -> None:
        """The file goes as a whole."""

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except NotAccepted as refusal:
            self._refusal = refusal
