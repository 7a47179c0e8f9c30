"""The clock of the journal: closes what is idle or old, and tells how full it is."""

import asyncio
from typing import Final

from fj_runtime import Periodic

from ingest_service.entrypoints.metrics import JOURNAL_BYTES, JOURNAL_OLDEST, JOURNAL_SEGMENTS
from ingest_service.ports import JournalView

EVERY_S: Final = 0.5


def sweeper(journal: JournalView) -> Periodic:
    """A part that sweeps twice a second."""

    def sweep() -> None:
        journal.sweep()
        status = journal.status()
        JOURNAL_BYTES.set(status.bytes)
        JOURNAL_SEGMENTS.set(len(status.segments))
        JOURNAL_OLDEST.set(status.oldest_age_seconds)

    return Periodic("journal", EVERY_S, lambda: asyncio.to_thread(sweep))
