"""Reading many instances so that one that fails costs itself alone."""

from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeAlias

from storage_service.domain.errors import Away, RetrievalError
from storage_service.domain.retrieval import Octets, Stored, in_storage_order
from storage_service.ports.objects import Packs

Piece: TypeAlias = tuple[Stored, Octets | None, int]
"""Bytes of a file, in order, None where it cannot be read, or no further; and how many are left."""


async def pieces(packs: Packs, instances: Sequence[Stored]) -> AsyncGenerator[Piece, None]:
    """The files of instances in storage order. Raises Away where the object store does not answer."""
    rest = deque(in_storage_order(instances))
    while rest:
        try:
            async with aclosing(packs.stream(list(rest))) as stream:
                async for stored, left, piece in stream:
                    yield stored, piece, left
                    if left <= 0:
                        rest.popleft()
        except Away:
            raise
        except RetrievalError:
            yield rest.popleft(), None, 0
