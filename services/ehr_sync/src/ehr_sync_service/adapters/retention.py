"""Forgetting deliveries that were closed long ago."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from fj_bus import Tx
from fj_events import WorkSettledAs

from ehr_sync_service.domain.delivery import State
from ehr_sync_service.domain.given_up import settled

Unit: TypeAlias = Callable[[], AbstractAsyncContextManager[Tx]]

BATCH: Final = 500
"""Rows of one transaction: couriers and consumer do not wait for the sweep."""
_FORGET: Final = """
DELETE FROM deliveries WHERE delivery_id IN (
    SELECT delivery_id FROM deliveries d
    WHERE d.state <> 'pending' AND d.closed_at < $1
      AND NOT EXISTS (SELECT FROM deliveries e WHERE e.destination = d.destination AND e.report_id = d.report_id
                      AND (e.state = 'pending' OR e.closed_at >= $1))
    ORDER BY d.closed_at LIMIT $2 FOR UPDATE OF d SKIP LOCKED)
RETURNING delivery_id, state, fact ->> 'site' AS site
"""


class PostgresRetention:
    """Keeps what is pending for ever, what is delivered or given up for `keep`.

    The versions of a report that one destination got are forgotten together: the newest tells that an older one must
    not be sent after it. Of what was given up nobody is asked any more. No fact is told again for that its row is gone:
    the inbox of the bus knows that it was taken.
    """

    def __init__(self, unit: Unit, keep: timedelta, batch: int = BATCH) -> None:
        self._unit = unit
        self._keep = keep
        self._batch = batch

    async def run(self) -> int:
        """Forget what is due; how many deliveries."""
        before, forgotten = datetime.now(UTC) - self._keep, 0
        while True:
            async with self._unit() as tx:
                rows = await tx.connection.fetch(_FORGET, before, self._batch)
                for row in rows:
                    if row["state"] == State.ABANDONED:
                        cancelled = (WorkSettledAs.CANCELLED, "forgotten: nobody said anything")
                        tx.emit(settled(row["delivery_id"], row["site"], *cancelled))
            forgotten += len(rows)
            if len(rows) < self._batch:
                return forgotten
