"""The look over the ledger from time to time: what nobody can try any more, and how much waits."""

from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Final, Protocol

from fj_bus import Tx
from prometheus_client import Gauge

from ehr_sync_service import handlers
from ehr_sync_service.domain.delivery import Policy
from ehr_sync_service.ports import Ledger

_pending: Final = Gauge("fj_ehr_sync_pending", "Deliveries that are not delivered yet", ["destination"])
_oldest: Final = Gauge("fj_ehr_sync_oldest_seconds", "Age of the oldest pending delivery", ["destination"])


class Waiting(Protocol):
    """What waits in the ledger."""

    async def pending(self) -> dict[str, tuple[int, datetime]]:
        """Per destination how many deliveries are pending, and since when the oldest."""


class Sweep:
    """Abandons what nobody could try for too long, and tells the metrics what waits."""

    def __init__(
        self,
        unit: Callable[[], AbstractAsyncContextManager[Tx]],
        ledger: Callable[[Tx], Ledger],
        waiting: Waiting,
        policy: Policy,
        served: Collection[str],
    ) -> None:
        self._unit = unit
        self._ledger = ledger
        self._waiting = waiting
        self._policy = policy
        self._served = served

    async def run(self) -> None:
        """One look."""
        now = datetime.now(UTC)
        async with self._unit() as tx:
            await handlers.give_up_lost(now, self._policy, self._served, self._ledger(tx))
        waiting = await self._waiting.pending()
        for name in (*self._served, *waiting):
            count, oldest = waiting.get(name, (0, now))
            _pending.labels(name).set(count)
            _oldest.labels(name).set((now - oldest).total_seconds())
