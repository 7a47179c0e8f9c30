"""Bytes as they were received, and what is made of them."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from storage_service.domain.rendering import Look
from storage_service.domain.retrieval import FrameSet, Octets, Series, Stored


class Packs(Protocol):
    """Files: as they were received, or as they are given."""

    def stream(self, instances: Sequence[Stored]) -> AsyncGenerator[tuple[Stored, int, Octets], None]:
        """The files of instances, in the order in which they lie: instance, how many bytes are left after these, bytes.

        A long instance comes in several pieces, one after the other. The memory used is bounded.
        Raises Gone, Unreadable.
        """

    def cut(self, stored: Stored, offset: int, length: int) -> AsyncGenerator[Octets, None]:
        """So many bytes of a file. Raises Gone, Unreadable."""

    async def length(self, stored: Stored) -> int:
        """Of a file, bytes. Raises Gone, Unreadable."""


class Pixels(Protocol):
    """Parts of instances."""

    async def frames(self, stored: Stored, numbers: Sequence[int] | None) -> FrameSet:
        """Frames by number (from 1), None for all of them. Raises NoSuchPart, Unreadable, Gone."""

    async def element(self, stored: Stored, path: Sequence[str]) -> bytes:
        """The value of a binary element: tags in hexadecimal, with item numbers (from 0) between them.

        Raises NoSuchPart, Unreadable, Gone.
        """

    async def bulk(self, stored: Stored) -> tuple[Sequence[tuple[str, bytes]], str | None]:
        """What its metadata has addresses of: paths and values of elements, and the tag of its pixels.

        Raises Unreadable, Gone.
        """


class Files(Protocol):
    """Part 10 files and frames in the transfer syntax that is asked for."""

    def convertible(self, syntax: str, wanted: str) -> bool:
        """Whether what is stored in the one may be had in the other; a single file may still refuse."""

    async def file(self, stored: Stored, wanted: str) -> bytes | None:
        """The file in the transfer syntax `wanted`, another than its own; None where it cannot be had. Raises Gone.

        In one that loses something it is a new instance, made of the stored one.
        """

    def frames(self, stored: Stored, numbers: Sequence[int], wanted: str) -> AsyncGenerator[bytes, None]:
        """Frames, each whole, in the transfer syntax `wanted`. Raises NotConverted, NoSuchPart, Unreadable, Gone."""


class Conversion(Protocol):
    """Data sets in another transfer syntax."""

    def convert(self, data: bytes, syntax: str, accepted: Sequence[str]) -> tuple[str, bytes] | None:
        """In the best of those that are accepted, and which that is; None where none can be had."""


class Rendering(Protocol):
    """Images as people look at them."""

    async def rendered(self, stored: Stored, number: int | None, look: Look) -> bytes:
        """A frame, by default the middle one. Raises NotShown, NoSuchPart, Unreadable, Gone."""


class Metadata(Protocol):
    """Data sets without their bulk data, as an array of DICOM JSON in UTF-8.

    Addresses of bulk data begin with a placeholder for the address of the root. Raises Gone.
    """

    async def of_instance(self, stored: Stored) -> bytes:
        """One instance."""

    async def of_series(self, series: Series) -> bytes:
        """All instances of a series."""

    async def packed(self, found: Sequence[Series], base: str) -> bytes:
        """All instances of described series as one array, with the real address of the root, in gzip."""
