"""The exceptions list in PostgreSQL, inside a transaction."""

from typing import Final
from uuid import UUID

from fj_events import StudyConflicted, StudyDamaged, StudyRelinked, StudyRemovalDelayed, StudyUnmatched

from storage_service.adapters.sql import Database
from storage_service.domain.exceptional import Exceptional, ExceptionKind

_PUT: Final = """
INSERT INTO exception_entry (kind, study_instance_uid, subject, site, summary, event_id) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING
"""
_RESOLVE: Final = "DELETE FROM exception_entry WHERE study_instance_uid = $1 AND kind = $2 RETURNING subject"


async def put(
    db: Database,
    fact: StudyConflicted | StudyDamaged | StudyRelinked | StudyRemovalDelayed | StudyUnmatched,
    entry: Exceptional,
    event_id: UUID,
) -> None:
    """What this fact says has to be looked at by a person; the same entry again changes nothing."""
    about = (entry.kind, fact.study_instance_uid, entry.subject)
    await db.execute(_PUT, *about, fact.site, entry.summary, event_id)


async def resolve(db: Database, study_instance_uid: str, kind: ExceptionKind) -> bool:
    """There is nothing to look at any more; False where there was not."""
    return bool(await db.fetch(_RESOLVE, study_instance_uid, kind))
