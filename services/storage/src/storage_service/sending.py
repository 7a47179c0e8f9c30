"""Sending studies on: look at the rules, send what is due, keep what became of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from prometheus_client import Counter

from storage_service.domain.retrieval import Stored
from storage_service.domain.routing import Routes, Send, SendKind, SendResult, SendState, verdict
from storage_service.ports.index import Index
from storage_service.ports.sends import Sends

RENEW_S: Final = 60.0
"""Whoever sends says so this often; else another one goes on after the lease."""
_sends: Final = Counter("storage_sends", "Studies sent on, by what and how it ended", ["kind", "state"])
log = structlog.get_logger(__name__)

Carry = Callable[[str, list[Stored]], Awaitable[SendResult]]
"""Sends instances, or an announcement of them, to an AE title."""


@dataclass(frozen=True, slots=True)
class Sending:
    """What it takes to send studies on."""

    sends: Sends
    index_for: Callable[[str], Awaitable[Index]]
    """What an AE title may see."""
    routes: Routes
    carry: Carry
    announce: Carry
    limit: timedelta
    """How long a destination is tried."""

    async def route_next(self) -> bool:
        """Look at the rules for a study that is available, or has grown; False where there is none."""
        return await self.sends.route(self.routes.of)

    async def send_next(self) -> bool:
        """Go on with what is due; False where nothing is."""
        send = await self.sends.claim(datetime.now(UTC))
        if send is None:
            return False
        async with self._leased(send):
            result = await self._attempt(send)
        found = verdict(send, result, datetime.now(UTC), self.limit)
        await self.sends.ended(send, result, found)
        if result.trouble:
            log.warning("not sent", destination=send.destination, kind=send.kind, reason=result.trouble)
        if found.state is not SendState.WAITING:
            _sends.labels(send.kind, found.state).inc()
        return True

    async def _attempt(self, send: Send) -> SendResult:
        instances = await (await self.index_for(send.destination)).instances(send.study_instance_uid)
        if not instances:
            return SendResult()  # all of it is rejected, or in doubt: it is marked again when that has changed
        if send.kind is SendKind.AVAILABILITY:
            return await self.announce(send.destination, instances)
        missing = [stored for stored in instances if stored.sop_instance_uid not in send.sent]
        return await self.carry(send.destination, missing) if missing else SendResult()

    @asynccontextmanager
    async def _leased(self, send: Send) -> AsyncIterator[None]:
        async def renew() -> None:
            while True:
                await asyncio.sleep(RENEW_S)
                await self.sends.renew(send, datetime.now(UTC))

        renewing = asyncio.create_task(renew())
        try:
            yield
        finally:
            renewing.cancel()
