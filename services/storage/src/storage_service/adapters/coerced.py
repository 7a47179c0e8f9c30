"""Files as they are given: those of coerced studies say what is known now of patient and order."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final

from fj_objects import ByteRange
from prometheus_client import Counter

from storage_service.adapters.coercing import coerced
from storage_service.adapters.headers import LAST_READ, aside
from storage_service.adapters.packs import StoredPacks
from storage_service.domain.errors import Unreadable
from storage_service.domain.retrieval import Octets, Stored

_coerced: Final = Counter("storage_coerced_instances", "Instances that were given with other attributes than stored")


class CoercedPacks:
    """See `storage_service.ports.objects.Packs`. Only the beginnings of files are rewritten, while they pass."""

    def __init__(self, packs: StoredPacks) -> None:
        self._packs = packs

    async def stream(self, instances: Sequence[Stored]) -> AsyncGenerator[tuple[Stored, int, Octets], None]:
        beginning = b""
        begun: Stored | None = None
        """Whose beginning is rewritten already."""
        async with aclosing(self._packs.stream(instances)) as pieces:
            async for stored, left, piece in pieces:
                if stored.coercion is None or stored is begun:
                    yield stored, left, piece
                    continue
                beginning += piece
                rewritten = await aside(len(beginning), _rewritten, stored, beginning, whole=not left)
                if rewritten is not None:
                    begun, beginning = stored, b""
                    yield stored, left, rewritten

    async def cut(self, stored: Stored, offset: int, length: int) -> AsyncGenerator[Octets, None]:
        if stored.coercion is None:
            async for piece in self._packs.cut(stored, offset, length):
                yield piece
            return
        place = 0
        async with aclosing(self.stream([stored])) as pieces:
            async for _, _, piece in pieces:
                wanted = piece[max(0, offset - place) : max(0, offset + length - place)]
                place += len(piece)
                if wanted:
                    yield wanted
                if place >= offset + length:
                    return

    async def length(self, stored: Stored) -> int:
        if stored.coercion is not None:
            async with aclosing(self.stream([stored])) as pieces:
                async for _, left, piece in pieces:
                    return len(piece) + left
        return stored.length

    async def whole(self, stored: Stored) -> bytes:
        """A file in memory."""
        if stored.coercion is None:
            return await self._packs.read(stored, ByteRange(0, stored.length))
        async with aclosing(self.stream([stored])) as pieces:
            return b"".join([piece async for _, _, piece in pieces])


def _rewritten(stored: Stored, beginning: bytes, *, whole: bool) -> bytes | None:
    """These bytes of a file, with what is said instead; None where that takes more of them. Raises Unreadable."""
    assert stored.coercion is not None  # noqa: S101 - the caller has looked
    data = beginning[stored.data_offset :]
    found = coerced(data, stored.transfer_syntax_uid, stored.coercion, whole=whole)
    if found is None:
        if len(data) > LAST_READ:
            raise Unreadable(f"the header of {stored.sop_instance_uid} is longer than {LAST_READ} bytes")
        return None
    head, replaced = found
    if not replaced:
        return beginning
    _coerced.inc()
    return beginning[: stored.data_offset] + head + data[replaced:]
