"""Couriers: for each destination one, which brings the messages of the ledger there.

A destination is served by one process at a time, whoever holds its lock; when that process dies, its session ends,
the lock is free and another one goes on. A courier has a few connections: the head of each queue that is due goes out
on one of them, so a message that hangs holds up its own queue only. What was sent and not concluded when a process died
is sent again with the same bytes: delivery is at least once on the wire, and MSH-10 tells a repetition.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol
from uuid import UUID

import asyncpg
import structlog
from fj_bus import Tx
from fj_runtime import Health
from prometheus_client import Counter, Histogram

from ehr_sync_service import handlers
from ehr_sync_service.domain.delivery import Accepted, Delivery, Failure, Fault, Policy, Reply, State
from ehr_sync_service.domain.errors import Unfit
from ehr_sync_service.domain.subject import Errand, Subject
from ehr_sync_service.ports import Ledger

_AWAY: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_CLAIM_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 1.0
_DRAIN_SECONDS: Final = 10.0
_PATIENCE: Final = 3
_attempts = Counter("fj_ehr_sync_attempts", "Attempts to deliver a message", ["destination", "outcome"])
_seconds = Histogram(
    "fj_ehr_sync_delivery_seconds",
    "From the fact to the destination's acknowledgement",
    ["destination", "kind"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600, 86400),
)
_log = structlog.get_logger("ehr_sync_service.courier")


class Wire(Protocol):
    """The way to one destination."""

    @property
    def connections(self) -> int: ...
    async def send(self, message: bytes) -> Failure | Reply: ...
    async def close(self) -> None: ...


class Messages(Protocol):
    """What builds the message of a delivery."""

    def build(self, delivery: Delivery, subject: Subject) -> bytes:
        """Raises Unfit."""

    def accepted(self, delivery: Delivery, reply: Reply) -> Accepted:
        """What the destination's answer says."""


class Claims(Protocol):
    """The destinations that this process holds."""

    async def claim(self, destination: str) -> bool: ...
    async def confirm(self) -> None: ...


class Backlog(Protocol):
    """The ledger as couriers read it, outside of any transaction."""

    async def due(self, destination: str, now: datetime, busy: Collection[str], limit: int) -> list[Errand]:
        """The heads of queues that are due and not busy."""

    async def keep_message(self, delivery_id: UUID, message: bytes, named: UUID | None) -> bytes:
        """Keep the bytes before they are first sent, and whom they name; what was kept before stays and is returned."""

    async def hurry(self, destination: str, now: datetime) -> None:
        """The destination answers again: what could not reach it is due now."""

    def claims(self) -> AbstractAsyncContextManager[Claims]:
        """A session that can hold destinations until it ends."""


class Bell:
    """Rung when something was written to the ledger: a hint, behind which the poll is the net."""

    def __init__(self) -> None:
        self._ears: list[asyncio.Event] = []

    def ear(self) -> asyncio.Event:
        """An event that is set at each ring."""
        ear = asyncio.Event()
        self._ears.append(ear)
        return ear

    def ring(self) -> None:
        for ear in self._ears:
            ear.set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What couriers work with."""

    backlog: Backlog
    messages: Messages
    unit: Callable[[], AbstractAsyncContextManager[Tx]]
    ledger: Callable[[Tx], Ledger]
    policy: Policy
    poll_seconds: float


class Couriers:
    """The part that delivers: claims destinations and runs a courier for each that it holds."""

    name = "couriers"

    def __init__(self, wires: Mapping[str, Wire], tools: Tools, bell: Bell) -> None:
        self._tools = tools
        self._bell = bell
        self._couriers = {name: Courier(name, wire, tools, bell.ear()) for name, wire in wires.items()}
        self._held: set[str] = set()

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                async with self._tools.backlog.claims() as claims:
                    await self._serve(claims, stop)
            except _AWAY as error:
                _log.warning("couriers lost their database session", error=type(error).__name__)
                await _rest(stop, _RETRY_SECONDS)
        for courier in self._couriers.values():
            await courier.wire.close()

    def health(self) -> Health:
        broken = [name for name, courier in self._couriers.items() if courier.failures >= _PATIENCE]
        if broken:
            return Health(ok=False, detail=f"couriers fail again and again: {', '.join(broken)}")
        return Health(ok=True, detail=f"serves {len(self._held)} of {len(self._couriers)} destinations")

    async def _serve(self, claims: Claims, stop: asyncio.Event) -> None:
        done = asyncio.Event()
        tasks: dict[str, asyncio.Task[None]] = {}
        try:
            while not stop.is_set():
                await claims.confirm()
                for name in self._couriers.keys() - tasks.keys():
                    if await claims.claim(name):
                        tasks[name] = asyncio.create_task(self._couriers[name].run(done), name=f"courier {name}")
                self._held = set(tasks)
                await _rest(stop, _CLAIM_SECONDS)
        finally:
            self._held = set()
            done.set()
            self._bell.ring()
            await _finish(tasks.values())


@dataclass(slots=True)
class Courier:
    """Brings messages to one destination until told to stop."""

    name: str
    wire: Wire
    tools: Tools
    nudge: asyncio.Event
    failures: int = 0
    """Looks at the ledger that failed one after the other."""
    _away: bool = False

    async def run(self, stop: asyncio.Event) -> None:
        tasks: dict[str, asyncio.Task[None]] = {}
        while not stop.is_set():
            self.nudge.clear()
            for errand in await self._due(tasks, stop):
                tasks[errand.delivery.queue] = asyncio.create_task(self._bring(errand), name=f"delivery {self.name}")
            await self._wait(tasks)
            tasks = {queue: task for queue, task in tasks.items() if not task.done()}
        await _finish(tasks.values())

    async def _due(self, tasks: Mapping[str, asyncio.Task[None]], stop: asyncio.Event) -> list[Errand]:
        free = self.wire.connections - len(tasks)
        if not free:
            return []
        try:
            due = await self.tools.backlog.due(self.name, datetime.now(UTC), tasks, free)
        except Exception:  # noqa: BLE001 - a courier outlives whatever one look meets; its health tells
            self.failures += 1
            _log.warning("the ledger cannot be read", destination=self.name, failures=self.failures, exc_info=True)
            await _rest(stop, _RETRY_SECONDS)
            return []
        self.failures = 0
        return due

    async def _wait(self, tasks: Mapping[str, asyncio.Task[None]]) -> None:
        """Until a delivery ends, something new is written, or it is time to look."""
        nudged = asyncio.create_task(self.nudge.wait())
        try:
            await asyncio.wait(
                {nudged, *tasks.values()}, timeout=self.tools.poll_seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            nudged.cancel()

    async def _bring(self, errand: Errand) -> None:
        try:
            outcome = await self._attempt(errand)
            await self._conclude(errand.delivery, outcome)
        except Exception:  # noqa: BLE001 - it stays pending: the same bytes go again
            _log.warning("a delivery could not be concluded", destination=self.name, exc_info=True)
            await asyncio.sleep(_RETRY_SECONDS)

    async def _attempt(self, errand: Errand) -> Failure | Accepted:
        delivery, message = errand.delivery, errand.delivery.message
        if message is None:
            try:
                built = self.tools.messages.build(delivery, errand.subject)
            except Unfit as error:
                return Failure(Fault.UNFIT, str(error))
            except Exception as error:  # noqa: BLE001 - one message that cannot be built is its own problem
                _log.exception("a message could not be built", exam_key=delivery.exam_key)
                return Failure(Fault.UNFIT, f"the message could not be built: {type(error).__name__}")
            named = errand.subject.named
            message = await self.tools.backlog.keep_message(delivery.delivery_id, built, named)
        answer = await self.wire.send(message)
        return answer if isinstance(answer, Failure) else self.tools.messages.accepted(delivery, answer)

    async def _conclude(self, delivery: Delivery, outcome: Failure | Accepted) -> None:
        now = datetime.now(UTC)
        async with self.tools.unit() as tx:
            after = await handlers.conclude(
                delivery.delivery_id, outcome, now, self.tools.policy, self.tools.ledger(tx)
            )
        _attempts.labels(self.name, outcome.fault.value if isinstance(outcome, Failure) else "accepted").inc()
        if isinstance(outcome, Failure):
            self._report(delivery, outcome, after)
            self._away = self._away or outcome.fault is Fault.UNREACHABLE
            return
        _seconds.labels(self.name, delivery.telling.kind.value).observe((now - delivery.happened_at).total_seconds())
        if self._away:
            self._away = False
            await self.tools.backlog.hurry(self.name, now)

    def _report(self, delivery: Delivery, failure: Failure, after: Delivery | None) -> None:
        state = after.state if after else State.DELIVERED
        log = _log.error if state is State.ABANDONED else _log.warning
        log(
            "delivery failed",
            destination=self.name,
            exam_key=delivery.exam_key,
            reason=failure.reason,
            attempts=after.attempts if after else None,
            state=state.value,
        )


async def _rest(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


async def _finish(tasks: Collection[asyncio.Task[None]]) -> None:
    """Let what is on its way end, but not for ever."""
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=_DRAIN_SECONDS)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
