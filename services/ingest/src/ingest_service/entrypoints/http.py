"""The journal for operators: `GET /api/ingest/journal`."""

from dataclasses import asdict
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from ingest_service.ports import JournalView


class SegmentAnswer(BaseModel):
    """One segment; bytes taken on the disk (an open one reserves its whole room), age in seconds."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    state: str
    bytes: int
    age_seconds: float


class JournalAnswer(BaseModel):
    """What is received and not shipped yet, of all processes of this node."""

    model_config = ConfigDict(frozen=True)

    segments: list[SegmentAnswer]
    bytes: int
    oldest_age_seconds: float
    free_bytes: int
    accepting: bool
    """False while the disk is nearly full and senders are told 0xA700."""


def journal_router(journal: JournalView) -> APIRouter:
    """The routes under `/api/ingest`."""
    router = APIRouter(prefix="/api/ingest")

    @router.get("/journal")
    def read_journal() -> JournalAnswer:
        status = journal.status()
        return JournalAnswer(
            segments=[SegmentAnswer(**asdict(segment)) for segment in status.segments],
            bytes=status.bytes,
            oldest_age_seconds=status.oldest_age_seconds,
            free_bytes=status.free_bytes,
            accepting=status.accepting,
        )

    return router
