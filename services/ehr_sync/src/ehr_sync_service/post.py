"""Writing deliveries: one for every destination that wants something of this kind."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from fj_events import DeliveryKind, Envelope

from ehr_sync_service.domain.delivery import write
from ehr_sync_service.domain.plan import PlanRecord
from ehr_sync_service.domain.telling import Receiver, Telling, Told
from ehr_sync_service.ports import Ledger

Wishes = Mapping[DeliveryKind, Collection[Receiver]]
"""The destinations that want each kind."""


@dataclass(frozen=True, slots=True)
class Post:
    """The ledger, and who wants what."""

    ledger: Ledger
    wishes: Wishes

    async def tell(self, telling: Telling | None, fact: Told, cause: Envelope, plan: PlanRecord | None = None) -> None:
        """Tell of a fact whoever wants it; None: there is nothing to tell."""
        if telling is None:
            return
        for receiver in self.wishes.get(telling.kind, ()):
            await self.ledger.add(replace(write(telling, fact, cause, receiver, datetime.now(UTC)), plan=plan))
