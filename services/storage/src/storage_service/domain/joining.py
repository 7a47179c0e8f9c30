"""Small packs of a study become large ones.

Who sends an image at a time, or is told of its receipt when the object store has it, leaves as many objects as images.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from fj_events import ObjectRef, StudyPackMoved
from fj_events.keeping import KeptRange

from storage_service.domain.thinning import Range, Rewrite

ENOUGH: Final = 3
"""So many packs a study may have; what comes late to a large study is not worth writing it anew."""
LARGEST: Final = 256 * 1024 * 1024
"""Bytes of a pack that several become, as of those that `ingest` makes."""
WASTE: Final = 1024 * 1024
"""Bytes that nobody can ask for; a pack that is mostly such is written anew."""
ROOM: Final = 2048
"""Bytes of a member beside its file, at most."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A pack of a study, with all that can be asked for in it."""

    pack: Rewrite
    sound: bool
    """It is not known to be damaged."""

    @property
    def size(self) -> int:
        """Of what is kept of it."""
        return sum(entry.length + ROOM for held in self.pack.kept for entry in held.entries)

    @property
    def wasted(self) -> bool:
        """It came again, mostly: the first copy is the one that is read."""
        waste = self.pack.stored.size - self.size
        return waste > WASTE and waste > self.pack.stored.size // 2


@dataclass(frozen=True, slots=True)
class Joint:
    """Neighbours that become one pack."""

    packs: tuple[Rewrite, ...]

    @property
    def pack_keys(self) -> list[int]:
        return [pack.pack_key for pack in self.packs]


@dataclass(frozen=True, slots=True)
class Joined:
    """The new pack, and what it has of each of the former ones: where that begins in it, and the ranges there."""

    pack: ObjectRef
    parts: tuple[tuple[int, tuple[Range, ...]], ...]


def joints(pieces: Sequence[Piece]) -> list[Joint]:
    """What is to become one pack, of a study.

    Only neighbours in the order in which they were begun are joined, so that a rebuild from packs meets all instances
    in the order in which they came.
    """
    ordered = sorted(pieces, key=lambda piece: piece.pack.stored.key)
    runs = list(_runs(ordered)) if len(pieces) > ENOUGH else [[piece] for piece in ordered if piece.sound]
    return [
        Joint(tuple(piece.pack for piece in run))
        for run in runs
        if any(piece.pack.kept for piece in run) and (len(run) > 1 or run[0].wasted)
    ]


def _runs(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    run: list[Piece] = []
    for piece in pieces:
        if run and not (_may_be_joined(run[-1], piece) and sum(one.size for one in run) + piece.size <= LARGEST):
            yield run
            run = []
        if piece.sound:
            run.append(piece)
    if run:
        yield run


def _may_be_joined(before: Piece, after: Piece) -> bool:
    return after.sound and before.pack.stored.bucket == after.pack.stored.bucket


def told(site: str, study: str, joint: Joint, joined: Joined) -> Iterator[StudyPackMoved]:
    """What is told of packs that became one."""
    for pack, (begins, ranges) in zip(joint.packs, joined.parts, strict=True):
        yield StudyPackMoved(
            site=site,
            study_instance_uid=study,
            previous=pack.stored,
            pack=joined.pack,
            kept=tuple(KeptRange(offset=offset, length=length) for offset, length in ranges),
            begins=begins,
        )
