"""The port: immutable objects under names that are used once."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol


class ByteRange(NamedTuple):
    """A cut out of an object, both in bytes."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What the store says about an object without its bytes.

    `sha256` is the lower-case hexadecimal digest of the whole object that its writer left beside it; None where
    somebody else wrote it.
    """

    bucket: str
    key: str
    size: int
    modified: datetime
    sha256: str | None


class ObjectStore(Protocol):
    """Immutable objects. Every method raises `StoreUnavailable` when the store cannot be reached."""

    async def put_file(self, key: str, path: Path) -> ObjectInfo:
        """Store the file under a name of its own, unless it is there already.

        Multipart where it is big. The store verifies each part by its SHA-256; size and digest of the whole are
        compared afterwards. Calling again after a crash finds what an earlier call stored and returns it.
        Raises `ObjectConflict` when other bytes have the name.
        """

    async def put(self, key: str, data: bytes) -> ObjectInfo:
        """Like `put_file`, for bytes in memory."""

    async def get(self, key: str) -> bytes:
        """The whole object. Raises `NoSuchObject`."""

    async def get_range(self, key: str, cut: ByteRange) -> bytes:
        """One cut. Raises `NoSuchObject`; `ObjectError` when the object ends before the cut does."""

    async def view_range(self, key: str, cut: ByteRange) -> memoryview:
        """The same without copying it once more: for what is only passed on."""

    async def get_ranges(self, key: str, cuts: Sequence[ByteRange]) -> list[bytes]:
        """Several cuts in the order asked for; neighbours are read in one request. Raises as `get_range`."""

    def stream(self, key: str, cut: ByteRange | None = None) -> AsyncIterator[bytes]:
        """The object, or one cut of it, in pieces of a few hundred KiB. Raises as `get_range`."""

    async def head(self, key: str) -> ObjectInfo:
        """Size and digest. Raises `NoSuchObject`."""

    async def keys(self, prefix: str) -> list[str]:
        """The names that begin with this folder, in their order."""

    async def delete(self, key: str) -> None:
        """Remove the object; that it is not there is no error."""
