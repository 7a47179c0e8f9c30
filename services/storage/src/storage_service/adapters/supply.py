"""Instances on their way from the packs to an association's thread."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from fj_dicom import AssociationLost, Data, Outgoing, Pulled, Retrieval

from storage_service.domain.errors import Away
from storage_service.domain.retrieval import Octets, Stored
from storage_service.ports.objects import Conversion, Packs
from storage_service.reading import Piece, pieces

AHEAD: Final = 4
"""Pieces that wait for the thread; what the packs read ahead comes on top."""
READ_S: Final = 60.0
CONVERTED_MAX: Final = 512 * 1024 * 1024
"""Longer instances are sent as they are stored or not at all, bytes."""


@dataclass(frozen=True, slots=True)
class Located(Outgoing):
    """An instance that is to be sent, and where it lies."""

    stored: Stored

    @classmethod
    def at(cls, stored: Stored) -> "Located":
        """From its row of the index."""
        return cls(stored.sop_class_uid, stored.sop_instance_uid, stored.transfer_syntax_uid, stored)


@dataclass(frozen=True, slots=True)
class PackRetrievals:
    """Retrievals of instances out of packs; to be made on the event loop."""

    packs: Packs
    conversion: Conversion

    def of(self, instances: Sequence[Stored]) -> Retrieval:
        """These instances, for threads to read."""
        loop = asyncio.get_running_loop()

        def read(wanted: Sequence[Outgoing]) -> PackSupply:
            located = [one for one in wanted if isinstance(one, Located)]
            return PackSupply(self.packs, located, loop, self.conversion)

        return Retrieval([Located.at(stored) for stored in instances], read)


class PackSupply:
    """See `fj_dicom.Supply`: large range reads, the next ones on their way while an instance is being sent."""

    def __init__(
        self, packs: Packs, instances: Sequence[Located], loop: asyncio.AbstractEventLoop, conversion: Conversion
    ) -> None:
        self._instances = {id(one.stored): one for one in instances}
        self._conversion = conversion
        found = pieces(packs, [one.stored for one in instances])
        self._pulled: Pulled[Piece] = Pulled(found, loop, ahead=AHEAD, deadline_s=READ_S)

    def __iter__(self) -> Iterator[tuple[Outgoing, Data | None]]:
        for stored, piece, left in self._until_away():
            instance = self._instances.pop(id(stored))
            if piece is None:
                yield instance, None
                continue
            data = _File(instance, (piece, left), self._pulled, self._conversion)
            yield instance, data
            data.drain()
        for instance in self._instances.values():
            yield instance, None

    def _until_away(self) -> Iterator[Piece]:
        try:
            yield from self._pulled
        except Away:
            return  # what is left fails

    def close(self) -> None:
        """Nothing more is read."""
        self._pulled.close()


class _File:
    """See `fj_dicom.Data`: a file, of which the first piece is here and the others are coming."""

    def __init__(
        self, instance: Located, first: tuple[Octets, int], rest: Iterator[Piece], conversion: Conversion
    ) -> None:
        self._instance = instance
        self._first, self._missing = first
        self._rest = rest
        self._conversion = conversion

    def fitting(self, accepted: Sequence[str]) -> tuple[str, Iterable[bytes | memoryview]] | None:
        """As it is stored where that is accepted, else converted."""
        syntax = self._instance.transfer_syntax_uid
        if syntax in accepted:
            return syntax, self._data_set()
        if not accepted or self._instance.stored.length > CONVERTED_MAX:
            return None
        found = self._conversion.convert(b"".join(self._data_set()), syntax, accepted)
        return (found[0], [found[1]]) if found else None

    def drain(self) -> None:
        """Take what nobody wanted."""
        for _ in self._others():
            pass

    def _data_set(self) -> Iterator[bytes | memoryview]:
        header = self._instance.stored.data_offset
        for piece in self._pieces():
            yield memoryview(piece)[header:]
            header = max(0, header - len(piece))

    def _pieces(self) -> Iterator[Octets]:
        yield self._first
        yield from self._others()

    def _others(self) -> Iterator[Octets]:
        while self._missing > 0:
            try:
                _, piece, left = next(self._rest)
            except Away:
                piece, left = None, 0
            if piece is None:
                raise AssociationLost("the object store failed in the middle of an instance")
            self._missing = left
            yield piece
