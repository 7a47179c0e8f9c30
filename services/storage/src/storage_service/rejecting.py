"""Rejections: notes are read when they have come; a person rejects, and takes rejections back."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

import structlog
from fj_bus import Tx
from fj_events import StudyReinstated, StudyRejected

from storage_service.domain import given_up
from storage_service.domain.errors import Gone, Unreadable
from storage_service.domain.facts import shown_now
from storage_service.domain.rejection import UNREADABLE, Code, Named, Note, Rejection, Shown
from storage_service.domain.retrieval import Stored
from storage_service.ports.commitment import Evidence
from storage_service.ports.rejections import Notes, Rejections

Read: TypeAlias = Callable[[Stored], Awaitable[tuple[Code, tuple[Named, ...]] | None]]
"""Why a document rejects, and what; None where it rejects nothing. Raises Gone, Unreadable."""
log = structlog.get_logger(__name__)


async def reject(rejection: Rejection, rejections: Rejections) -> list[Shown]:
    """Hide what is named, be it here already or not; said twice changes nothing."""
    changed = await rejections.add(rejection)
    for shown in changed:
        rejections.emit(
            StudyRejected(
                site=shown.site or rejection.site,
                study_instance_uid=shown.study_instance_uid,
                rejection_id=rejection.rejection_id,
                code=rejection.code.concept,
                reason=rejection.reason,
                number_rejected=shown.before - shown.after,
                **shown_now(shown),
            )
        )
    return changed


async def reinstate(
    study: str, site: str, rejection_id: str | None, reason: str, rejections: Rejections
) -> Shown | None:
    """Take a rejection back, or all of a study; None where there is none. What is shown again may be sent on."""
    shown, withdrawn = await rejections.withdraw(study, rejection_id)
    if not withdrawn:
        return None
    rejections.emit(
        StudyReinstated(
            site=site,
            study_instance_uid=study,
            rejection_ids=withdrawn,
            reason=reason,
            **shown_now(shown),
        )
    )
    return shown


@dataclass(frozen=True, slots=True)
class Rejecting:
    """What it takes to read notes."""

    notes: Notes
    evidence: Evidence
    """Finds a note that is hidden itself, too."""
    document: Read
    unit: Callable[[], AbstractAsyncContextManager[Tx]]
    rejections: Callable[[Tx], Rejections]

    async def next(self) -> bool:
        """Read the note that is due and do what it says; False where none is."""
        note = await self.notes.claim(datetime.now(UTC))
        if note is None:
            return False
        try:
            said = await self._said(note)
        except Gone:
            log.warning("a key object document is not there yet")
            return True  # its lease ends, and somebody looks again
        except Unreadable:
            log.warning("a key object document cannot be read")
            said = UNREADABLE
        async with self.unit() as tx:
            rejections = self.rejections(tx)
            outcome = said.code if isinstance(said, Rejection) else said
            if not await rejections.read(note, outcome):
                return True  # somebody else has
            if isinstance(said, Rejection):
                await reject(said, rejections)
            elif said == UNREADABLE:
                rejections.emit(given_up.of_note(note).given_up("it cannot be read, and may reject images"))
        return True

    async def _said(self, note: Note) -> Rejection | str:
        place = note.place
        for stored in await self.evidence.known([place.sop_instance_uid]):
            if Named(stored.study_instance_uid, stored.series_instance_uid, stored.sop_instance_uid) == place:
                said = await self.document(stored)
                return note.says(*said) if said else "other"
        raise Gone(f"the index does not have {place.sop_instance_uid}")
