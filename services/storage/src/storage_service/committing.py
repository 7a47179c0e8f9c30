"""Storage commitment: examine what a request names, fix the result with its fact, tell the sender."""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from fj_events import StudyCommitmentAnswered, UncommittedReference
from prometheus_client import Counter

from storage_service.domain.commitment import Commitment, Reason, Reference, State, pause
from storage_service.domain.errors import Away
from storage_service.domain.retrieval import Stored
from storage_service.ports.commitment import Commitments, Evidence, Undelivered
from storage_service.ports.objects import Packs
from storage_service.ports.studies import Hearing
from storage_service.reading import pieces

_answered: Final = Counter("storage_commitments", "Storage commitment requests by how they ended", ["outcome"])
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long instances may be on their way, and how long the sender may be away."""

    instances: timedelta
    sender: timedelta


@dataclass(frozen=True, slots=True)
class Committing:
    """What it takes to answer requests."""

    commitments: Commitments
    evidence: Evidence
    packs: Packs
    hearing: Hearing
    tell: Callable[[Commitment], Awaitable[None]]
    """Tells the sender the result. Raises Undelivered."""
    patience: Patience

    async def next(self) -> bool:
        """Go on with the request that is due; False where none is."""
        now = datetime.now(UTC)
        commitment = await self.commitments.claim(now)
        if commitment is None:
            return False
        if commitment.state is State.WAITING:
            commitment = await self._examined(commitment, now)
        if commitment.state is State.ANSWERED:
            await self._told(commitment, now)
        return True

    async def _examined(self, commitment: Commitment, now: datetime) -> Commitment:
        """With its result; still waiting where that would be too early, or cannot be known now."""
        references = [reference for part in commitment.parts for reference in part.references]
        try:
            reasons = await self._reasons(references)
        except Away as reason:
            await self.commitments.wait(commitment, now + pause(5), str(reason))
            return commitment
        if Reason.NO_SUCH_OBJECT_INSTANCE in reasons.values() and not await self._is_late(commitment, now):
            await self.commitments.wait(commitment, now + _next_look(commitment, now), "instances are not here yet")
            return commitment
        parts = tuple(
            replace(part, reasons=tuple(reasons[reference] for reference in part.references))
            for part in commitment.parts
        )
        answered = replace(commitment, state=State.ANSWERED, parts=parts)
        await self.commitments.answer(answered, facts_of(answered, now))
        return answered

    async def _is_late(self, commitment: Commitment, now: datetime) -> bool:
        """Whether what is missing will not come: long enough ago, and everything of that time was heard."""
        limit = commitment.requested_at + self.patience.instances
        if now < limit:
            return False
        heard = await self.hearing.heard_until()
        return heard is not None and heard >= limit

    async def _reasons(self, references: Sequence[Reference]) -> Mapping[Reference, Reason]:
        known = await self.evidence.known([reference.sop_instance_uid for reference in references])
        by_uid: dict[str, list[Stored]] = defaultdict(list)
        for stored in known:
            by_uid[stored.sop_instance_uid].append(stored)
        chosen = {reference: _of_class(by_uid[reference.sop_instance_uid], reference) for reference in references}
        intact = await self._intact({stored: known[stored] for stored in chosen.values() if isinstance(stored, Stored)})
        return {reference: found if isinstance(found, Reason) else intact[found] for reference, found in chosen.items()}

    async def _intact(self, hashes: Mapping[Stored, bytes]) -> Mapping[Stored, Reason]:
        """Read each data set back and compare it with the hash of its receipt."""
        results: dict[Stored, Reason] = {}
        digest, left, skip = hashlib.sha256(), 0, 0
        async for stored, piece, _ in pieces(self.packs, list(hashes)):
            if piece is None:
                results[stored], left = Reason.PROCESSING_FAILURE, 0
                continue
            if not left:
                digest, left, skip = hashlib.sha256(), stored.length, stored.data_offset
            await asyncio.to_thread(digest.update, memoryview(piece)[skip:])
            skip = max(0, skip - len(piece))
            left -= len(piece)
            if left <= 0:
                is_same = digest.digest() == hashes[stored]
                results[stored], left = Reason.COMMITTED if is_same else Reason.PROCESSING_FAILURE, 0
        return results

    async def _told(self, commitment: Commitment, now: datetime) -> None:
        try:
            await self.tell(commitment)
        except Undelivered as reason:
            log.warning("commitment not told", peer=commitment.calling_ae_title, reason=str(reason))
            if now > commitment.requested_at + self.patience.sender:
                await self.commitments.close(commitment, State.ABANDONED, str(reason))
                _answered.labels("abandoned").inc()
            else:
                await self.commitments.retry(commitment, now + pause(commitment.attempts), str(reason))
        else:
            await self.commitments.close(commitment, State.DELIVERED, None)
            failed = any(reason for _, reason in commitment.results)
            _answered.labels("failed" if failed else "committed").inc()


def _of_class(stored: Sequence[Stored], reference: Reference) -> Stored | Reason:
    if not stored:
        return Reason.NO_SUCH_OBJECT_INSTANCE
    fitting = (one for one in stored if one.sop_class_uid == reference.sop_class_uid)
    return next(fitting, Reason.CLASS_INSTANCE_CONFLICT)


def _next_look(commitment: Commitment, now: datetime) -> timedelta:
    """Soon at first, then as often as the request is old."""
    age = now - commitment.requested_at
    return max(pause(0), min(age, pause(6)))


def facts_of(commitment: Commitment, now: datetime) -> list[StudyCommitmentAnswered]:
    """The result: one fact for each of the request's."""
    failed = sum(bool(reason) for _, reason in commitment.results)
    return [
        StudyCommitmentAnswered(
            site=commitment.site,
            transaction_uid=commitment.transaction_uid,
            calling_ae_title=commitment.calling_ae_title,
            answered_at=now,
            part=number,
            parts=len(commitment.parts),
            number_committed=len(commitment.results) - failed,
            number_failed=failed,
            failed=tuple(
                UncommittedReference(
                    sop_class_uid=reference.sop_class_uid,
                    sop_instance_uid=reference.sop_instance_uid,
                    failure_reason=reason,
                )
                for reference, reason in part.with_reasons()
                if reason
            ),
        )
        for number, part in enumerate(commitment.parts, start=1)
    ]
