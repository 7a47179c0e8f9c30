"""Forgetting deliveries that were closed long ago."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    import asyncpg

    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]

BATCH: Final = 500
"""Rows of one transaction: couriers and consumer do not wait for the sweep."""
_FORGET: Final = """
DELETE FROM deliveries WHERE delivery_id IN (
    SELECT delivery_id FROM deliveries d
    WHERE d.state <> 'pending' AND d.closed_at < $1
      AND NOT EXISTS (SELECT FROM deliveries e WHERE e.destination = d.destination AND e.report_id = d.report_id
                      AND (e.state = 'pending' OR e.closed_at >= $1))
    ORDER BY d.closed_at LIMIT $2 FOR UPDATE OF d SKIP LOCKED)
"""


class PostgresRetention:
    """Keeps what is pending for ever, what is delivered or given up for `keep`.

    The versions of a report that one destination got are forgotten together: the newest tells that an older one must
    not be sent after it. No fact is told again for that its row is gone: the inbox of the bus knows that it was taken.
    """

    def __init__(self, pool: "Pool", keep: timedelta, batch: int = BATCH) -> None:
        self._pool = pool
        self._keep = keep
        self._batch = batch

    async def run(self) -> int:
        """Forget what is due; how many deliveries."""
        before, forgotten = datetime.now(UTC) - self._keep, 0
        while True:
            status: str = await self._pool.execute(_FORGET, before, self._batch)
            count = int(status.rpartition(" ")[2])
            forgotten += count
            if count < self._batch:
                return forgotten
