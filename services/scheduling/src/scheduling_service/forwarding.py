"""Passing on MPPS to other receivers: what a modality said is kept with its own transaction, and sent afterwards."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from prometheus_client import Counter

from scheduling_service.domain.forward import ForwardState, Report, verdict
from scheduling_service.ports import Forwards, ForwardsBook, Receivers

_forwards: Final = Counter("scheduling_forwards", "MPPS messages passed on, and how it ended", ["destination", "state"])
log = structlog.get_logger(__name__)


async def pass_on(report: Report, caller: str, destinations: Collection[str], forwards: Forwards) -> None:
    """Keep a message for every destination; nobody is told what they said."""
    for destination in destinations:
        if destination != caller:
            await forwards.keep(destination, report)


@dataclass(frozen=True, slots=True)
class Forwarding:
    """What it takes to pass messages on."""

    book: ForwardsBook
    receivers: Receivers
    limit: timedelta
    """How long a message is tried."""

    async def go_on(self, destination: str) -> None:
        """Send all that is due, message after message, until there is nothing or the destination is away."""
        while (forward := await self.book.claim(destination, datetime.now(UTC))) is not None:
            result = await self.receivers.send(forward)
            found = verdict(forward, result, datetime.now(UTC), self.limit)
            await self.book.ended(forward, result, found)
            if result.trouble:
                say = log.error if found.state is ForwardState.FAILED else log.warning
                say("not passed on", destination=destination, reason=result.trouble, state=found.state)
            if found.state is not ForwardState.WAITING:
                _forwards.labels(destination, found.state).inc()
            if result.away:
                if found.due_at is not None:
                    await self.book.hold_back(destination, found.due_at)
                return

    async def give_up_lost(self, served: Collection[str]) -> None:
        """Give up what nobody can send any more: its destination wants nothing now."""
        await self.book.give_up(served, datetime.now(UTC) - self.limit)
