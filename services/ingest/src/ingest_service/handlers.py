"""What happens to a sealed segment, and to a storage commitment request."""

import asyncio
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import structlog
from fj_events import InstancesForgotten, ObjectRef, StudyRetired
from fj_packs.pack import facts_of

from ingest_service.domain import commitment
from ingest_service.domain.commitment import CommitmentRequest, TransactionReused
from ingest_service.ports import Commitments, Digests, DigestUnit, Packs, Segment, Stored

UNDO_S: Final = 5.0

log = structlog.get_logger(__name__)


class Shipped(StrEnum):
    """How a segment left the journal."""

    PACKED = "packed"
    NOTHING_NEW = "nothing new"


async def ship(segment: Segment, digests: Digests, packs: Packs, namespace: UUID) -> Shipped:
    """Make a pack of a segment, tell what is new in it, forget the segment.

    May be killed between any two statements and called again: the pack is found by its name, the digests and the
    facts commit together, and a segment whose facts are out already holds nothing new.
    """
    contents = await segment.contents()
    if await digests.all_known(contents.study_instance_uid, contents.members):
        await _discard(segment, digests, packs)
        return Shipped.NOTHING_NEW
    await segment.mark_sending()
    pack = _reference(await packs.put_file(segment.key, segment.path))
    async with digests.unit(contents.study_instance_uid) as unit:
        new = await unit.add(contents.members, segment.id)
        for fact in facts_of(pack, contents.origin, new, await segment.heads(new), namespace):
            unit.emit(fact)
    if not new:
        await _discard(segment, digests, packs)
        return Shipped.NOTHING_NEW
    await segment.delete()
    return Shipped.PACKED


async def forget(retired: StudyRetired, unit: DigestUnit) -> None:
    """A study was retired: what comes of it from now on is packed and told again.

    Nothing is removed before this is said, nor what came between the two and was taken for known (decision 8).
    """
    again = await unit.forget()
    forgotten = InstancesForgotten(
        site=retired.site,
        study_instance_uid=retired.study_instance_uid,
        retirement_id=retired.retirement_id,
        received_again_at=again,
    )
    unit.emit(forgotten)


class NotShipped(Exception):
    """Pack and facts are not out, and nothing of the segment is left here."""


async def ship_now(segment: Segment, digests: Digests, packs: Packs, namespace: UUID, deadline_s: float) -> None:
    """Ship a segment that somebody waits for. Raises NotShipped when that fails or takes too long."""
    try:
        async with asyncio.timeout(deadline_s):
            await ship(segment, digests, packs, namespace)
    except Exception as error:
        if await _undone(segment, digests, packs):
            raise NotShipped(type(error).__name__) from error


async def _undone(segment: Segment, digests: Digests, packs: Packs) -> bool:
    """Take back what an attempt has left; False when its facts are out: only the answer was lost."""
    try:
        async with asyncio.timeout(UNDO_S):
            if await digests.refers_to(segment.id):
                return False
            await packs.delete(segment.key)
    except Exception as error:
        # What cannot be asked cannot be taken back: at worst a pack is left that no fact names.
        log.warning("attempt not taken back", segment=str(segment.id), exc_info=error)
    return True


async def _discard(segment: Segment, digests: Digests, packs: Packs) -> None:
    """Forget a segment without news, and its pack too, if one was begun that no instance is known by."""
    if segment.sending and not await digests.refers_to(segment.id):
        await packs.delete(segment.key)
    await segment.delete()


class UnverifiedPack(Exception):
    """The object store has the pack without the digest that we put beside it."""


def _reference(stored: Stored) -> ObjectRef:
    if stored.sha256 is None:
        raise UnverifiedPack(f"object {stored.key} has no digest")
    return ObjectRef(bucket=stored.bucket, key=stored.key, size=stored.size, sha256=stored.sha256)


async def request_commitment(request: CommitmentRequest, commitments: Commitments, now: datetime) -> None:
    """Commit what a sender asks for; the same request again changes nothing. Raises TransactionReused, NotKept."""
    async with commitments.unit() as unit:
        before = await unit.enter(request)
        if before is None:
            for fact in commitment.facts_of(request, now):
                unit.emit(fact)
        elif before != request.digest:
            raise TransactionReused
