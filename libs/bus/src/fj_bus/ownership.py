"""One life of a relay: from taking its first partition to losing its session or being told to stop."""

import asyncio
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

import structlog
from aiokafka import TopicPartition

from fj_bus import metrics, outbox
from fj_bus.bus import Bus
from fj_bus.hints import OUTBOX
from fj_bus.outbox import Place
from fj_bus.postgres import Connection
from fj_bus.publisher import NotSent, Publisher, Record, Unsure
from fj_bus.shares import Shares
from fj_bus.tail import Tail, read_tails

_RETRY_S: Final = 0.5
_log = structlog.get_logger("fj_bus.relay")


class State(Enum):
    """Of a partition that is owned."""

    FREE = auto()
    SENDING = auto()
    UNSURE = auto()
    """Its tail must be read before anything is sent."""
    LOOKING = auto()


@dataclass(slots=True)
class Stream:
    """One partition that is owned. Only the loop changes it: tasks report to the loop."""

    place: Place
    next: int | None
    state: State
    patience_s: float
    """How long after an answer of the broker something unknown may still arrive."""
    after: float = 0.0
    """Nothing is tried before this time of the loop."""


class Ownership:
    """Fetches, sends, deletes. Every partition goes its own pace; one that has no leader holds no other one up."""

    def __init__(self, bus: Bus, connection: Connection) -> None:
        self.oldest_s = 0.0
        self.shares = Shares(connection, max(bus.produced.values()))
        self._bus = bus
        self._settings = bus.settings
        self._connection = connection
        self._publisher = Publisher(bus.settings, bus.service)
        self._streams: dict[Place, Stream] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._nudge = asyncio.Event()
        self._sent: list[tuple[Place, list[Record], int | None]] = []
        self._tails: dict[Place, Tail] = {}
        self._bug: BaseException | None = None
        self._shared_at = 0.0
        self._loop = asyncio.get_running_loop()

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until told to stop. Raises what the database raises: the session's locks are gone then."""
        self._connection.add_termination_listener(self._on_terminated)
        await self._connection.add_listener(OUTBOX, self._on_notify)
        await outbox.prepare(self._connection)
        await self.shares.join()
        stopping = asyncio.create_task(self._nudge_at(stop))
        try:
            while not stop.is_set():
                next_look = self._loop.time() + self._settings.relay_pause_ms / 1000
                await self._settle()
                await self._share()
                await self._dispatch()
                await self._rest(self._settings.relay_poll_s, next_look)
                if self._bug is not None:
                    raise self._bug
            await self._leave()
        finally:
            stopping.cancel()

    async def close(self) -> None:
        """End everything that still runs, at once."""
        try:
            for task in self._tasks:
                task.cancel()
            await self._publisher.close(abort=True)
            if self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            self._connection.terminate()  # the locks and the listener end with its session

    def wake(self, partitions: Iterable[int]) -> bool:
        """Look now. True if all these partition numbers are owned here."""
        self._nudge.set()
        return self.shares.owned.issuperset(partitions)

    def _on_notify(self, *_: Any) -> None:
        self._nudge.set()

    def _on_terminated(self, *_: Any) -> None:
        self._nudge.set()  # the next statement raises, and what is on its way is given up

    async def _nudge_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._nudge.set()

    async def _rest(self, seconds: float, not_before: float = 0.0) -> None:
        """Until something has happened. What happens before that time of the loop is looked at together."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._nudge.wait(), seconds)
        await asyncio.sleep(not_before - self._loop.time())
        self._nudge.clear()

    async def _share(self) -> None:
        now = self._loop.time()
        if now < self._shared_at + self._settings.relay_share_s:
            return
        self._shared_at = now
        fair = await self.shares.fair()
        for shard in self._excess(fair):
            await self._release(shard)
        if len(self.shares.owned) < fair:
            await self._take(await self.shares.claim(fair))
        self.oldest_s = await outbox.oldest(self._connection, self._all_places())
        metrics.OUTBOX_AGE.labels(self._bus.service).set(self.oldest_s)
        metrics.OWNED.labels(self._bus.service).set(len(self.shares.owned))

    def _excess(self, fair: int) -> list[int]:
        """Partition numbers to give away: of those at rest, as many as are too many."""
        idle = [s for s in sorted(self.shares.owned) if all(x.state is State.FREE for x in self._of(s))]
        return idle[: max(len(self.shares.owned) - fair, 0)]

    async def _release(self, shard: int) -> None:
        places = [stream.place for stream in self._of(shard)]
        await outbox.leave(self._connection, places)
        for place in places:
            del self._streams[place]
        await self.shares.release(shard)

    async def _take(self, shards: set[int]) -> None:
        places = [place for place in self._all_places() if place[1] in shards]
        if not places:
            return
        patience = self._settings.send_deadline_s + self._settings.request_timeout_ms / 1000
        for place, left in (await outbox.take_over(self._connection, places)).items():
            known = left.next is not None and not left.unsure
            self._streams[place] = Stream(place, left.next, State.FREE if known else State.UNSURE, patience)

    async def _settle(self) -> None:
        """Write down what the tasks have reported."""
        sent, self._sent = self._sent, []
        if sent:
            reached = {place: next_ for place, _, next_ in sent if next_ is not None}
            await outbox.delete_sent(self._connection, [(place, records) for place, records, _ in sent], reached)
        for place, records, next_ in sent:
            stream = self._streams[place]
            stream.next, stream.state = next_ or stream.next, State.FREE
            metrics.PUBLISHED.labels(self._bus.service, place[0]).inc(len(records))
        tails, self._tails = self._tails, {}
        for place, tail in tails.items():
            found = await outbox.delete_found(self._connection, place, tail)
            metrics.FOUND.labels(self._bus.service, place[0]).inc(found)
            stream = self._streams[place]
            stream.next, stream.state = tail.next, State.FREE

    async def _dispatch(self) -> None:
        now = self._loop.time()
        ready = [stream for stream in self._streams.values() if stream.after <= now]
        # Apart by topic: one that is missing on the broker must not keep the others.
        unsure: dict[tuple[str, bool, float], list[Stream]] = {}
        for stream in ready:
            if stream.state is State.UNSURE:
                unsure.setdefault((stream.place[0], stream.next is None, stream.patience_s), []).append(stream)
        for (_, _, patience), streams in unsure.items():
            self._start(State.LOOKING, streams, self._look(streams, patience))
        free = [stream.place for stream in ready if stream.state is State.FREE]
        if not free:
            return
        deadline = now + self._settings.send_deadline_s
        for place, records in (await outbox.fetch(self._connection, free, self._settings.relay_batch)).items():
            self._start(State.SENDING, [self._streams[place]], self._send(self._streams[place], records, deadline))

    def _start(self, state: State, streams: list[Stream], work: Coroutine[Any, Any, None]) -> None:
        for stream in streams:
            stream.state = state
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            self._bug = self._bug or task.exception()
        self._nudge.set()

    async def _send(self, stream: Stream, records: list[Record], deadline: float) -> None:
        topic, partition = stream.place
        try:
            next_ = await self._publisher.send(self._bus.kafka_name(topic), partition, records, deadline)
        except NotSent:
            stream.state, stream.after = State.FREE, self._loop.time() + _RETRY_S
        except Unsure as unsure:
            await unsure.closed.wait()
            stream.patience_s = self._settings.request_timeout_ms / 1000
            stream.state = State.UNSURE
        else:
            self._sent.append((stream.place, records, next_))

    async def _look(self, streams: list[Stream], patience_s: float) -> None:
        names = {TopicPartition(self._bus.kafka_name(s.place[0]), s.place[1]): s for s in streams}
        metrics.LOOKUPS.labels(self._bus.service).inc(len(streams))
        try:
            tails = await read_tails(self._settings, {tp: s.next for tp, s in names.items()}, patience_s)
        except Exception as error:  # noqa: BLE001 - whatever Kafka's client raises, the outcome stays unknown
            _log.warning("a tail could not be read", error=type(error).__name__, count=len(streams))
            for stream in streams:
                stream.state, stream.after = State.UNSURE, self._loop.time() + _RETRY_S
        else:
            self._tails |= {names[tp].place: tail for tp, tail in tails.items()}

    async def _leave(self) -> None:
        """Finish what is on its way, and tell the next owner that it need not look."""
        until = self._loop.time() + self._settings.send_deadline_s
        while self._loop.time() < until and any(s.state is State.SENDING for s in self._streams.values()):
            await self._settle()
            await self._rest(0.05)
        await self._settle()
        await outbox.leave(self._connection, [s.place for s in self._streams.values() if s.state is State.FREE])
        await self._publisher.close(abort=False)
        await self.shares.leave()

    def _of(self, shard: int) -> list[Stream]:
        return [stream for stream in self._streams.values() if stream.place[1] == shard]

    def _all_places(self) -> list[Place]:
        return [(topic, n) for topic, partitions in self._bus.produced.items() for n in range(partitions)]
