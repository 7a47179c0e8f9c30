"""The scrub's pace: on a clock that only its own pauses move, so that nothing depends on how fast this machine is."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from fj_events import Damage, ObjectRef
from storage_service.domain.integrity import Finding, Kept, Overview, Pack
from storage_service.verifying import Verifying

PIECE: Final = 1000
"""Bytes that the object store gives at once."""
PACE: Final = 20_000
"""Bytes a second."""
SIZES: Final = (50_500, 300, 20_000, 1)


class Walked:
    """An archive in memory, what was found in it, and when each piece of it was read."""

    def __init__(self, stored: Sequence[bytes]) -> None:
        self._stored = stored
        self._left = list(range(len(stored)))
        self.found: list[tuple[int, Finding]] = []
        self.seconds = 0.0
        """What the clock shows."""
        self.read: list[tuple[float, int]] = []
        """At what time how many bytes."""

    def verifying(self) -> Verifying:
        return Verifying(self, self.pieces, timedelta(days=30), PACE, self.pause)

    async def pause(self, seconds: float) -> None:
        self.seconds += seconds

    async def pieces(self, stored: ObjectRef, offset: int, length: int) -> AsyncIterator[bytes]:
        content = self._stored[int(stored.key)]
        end = offset + length if length else len(content)
        for at in range(offset, end, PIECE):
            piece = content[at : min(at + PIECE, end)]
            self.read.append((self.seconds, len(piece)))
            yield piece

    async def claim(self, now: datetime, before: datetime) -> Pack | None:
        assert now - before == timedelta(days=30)
        if not self._left:
            return None
        number = self._left.pop(0)
        content = self._stored[number]
        stored = ObjectRef(
            bucket="b", key=str(number), size=len(content), sha256=hashlib.sha256(bytes(len(content))).hexdigest()
        )
        return Pack(number, stored, None)

    async def contents(self, pack: Pack) -> Sequence[Kept]:
        """Each half of a pack is an instance, all zeros when it was stored."""
        half = pack.stored.size // 2
        digest = hashlib.sha256(bytes(half)).digest()
        return [Kept("1.2", f"1.2.{offset}", offset, half, digest) for offset in (0, half)]

    async def record(self, pack: Pack, finding: Finding, now: datetime) -> None:
        assert now.tzinfo is UTC
        self.found.append((pack.key, finding))

    async def overview(self) -> Overview:
        raise NotImplementedError

    async def look_again(self, study_instance_uid: str, actor: str) -> int:
        raise NotImplementedError

    def never_ahead(self) -> None:
        """Of its pace it is one piece ahead at most, wherever one looks."""
        total = 0
        for seconds, size in self.read:
            total += size
            assert total <= seconds * PACE + PIECE + 1e-6


async def test_the_archive_is_walked_at_the_pace_that_is_set_from_pack_to_pack() -> None:
    walked = Walked([bytes(size) for size in SIZES])
    verifying = walked.verifying()
    while await verifying.next():
        pass
    assert [(key, finding.damage) for key, finding in walked.found] == [(key, None) for key in range(len(SIZES))]
    assert sum(size for _, size in walked.read) == sum(SIZES)
    walked.never_ahead()
    assert walked.seconds == pytest.approx(sum(SIZES) / PACE)


async def test_a_damaged_pack_is_read_again_instance_by_instance_at_the_same_pace() -> None:
    size = 10 * PIECE
    walked = Walked([bytes(size - 1) + b"x"])
    assert await walked.verifying().next()
    ((_, finding),) = walked.found
    assert (finding.damage, [kept.sop_instance_uid for kept in finding.lost]) == (Damage.ALTERED, [f"1.2.{size // 2}"])
    walked.never_ahead()
    assert walked.seconds == pytest.approx(2 * size / PACE)
