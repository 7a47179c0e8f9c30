"""Lanes: one per partition number over all topics, several at work at once, each strictly in order."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import structlog
from aiokafka import ConsumerRecord, TopicPartition

from fj_bus import metrics
from fj_bus.failures import CeilingReached, Kind, backoff, kind_of, name_of
from fj_bus.incoming import Incoming
from fj_bus.settings import BusSettings
from fj_bus.taker import SliceFailed, Taker

Records: TypeAlias = Sequence["ConsumerRecord[bytes, bytes]"]
Read: TypeAlias = Callable[["ConsumerRecord[bytes, bytes]"], Incoming]
_PATIENT: Final = 3
_log = structlog.get_logger("fj_bus.lanes")


@dataclass(eq=False)
class Lane:
    """The partitions of one number. Facts of one order share it in every topic, so most deadlocks cannot happen."""

    number: int
    queues: dict[TopicPartition, deque[Any]] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held during a step."""
    task: asyncio.Task[None] | None = None
    width: int = 1
    """Most facts of the next slice: halved or cut at each failure, doubled at each success."""
    alone: bool = False
    """The next fact is taken in a transaction of its own."""
    then_alone: bool = False
    """So is the one after the next slice: it has failed."""
    attempts: int = 0
    """Failures in a row, for the pauses."""
    tries: int = 0
    """Those of the next fact that were neither transient nor permanent."""
    failing_since: float | None = None
    failure: str = ""


class Lanes:
    """Where records wait for their turn, and the steps that take them."""

    def __init__(
        self, taker: Taker, settings: BusSettings, read: Read, done: Callable[[TopicPartition, int], None]
    ) -> None:
        self.stopped: CeilingReached | None = None
        """Why nothing is taken any more."""
        self._taker = taker
        self._settings = settings
        self._read = read
        self._done = done
        self._lanes: dict[int, Lane] = {}
        self._slots = asyncio.Semaphore(settings.lanes)
        self._closing = False

    def put(self, tp: TopicPartition, records: Records) -> int:
        """Queue records of a partition, in order. Returns how many wait there now."""
        lane = self._lanes.setdefault(tp.partition, Lane(tp.partition, width=self._settings.slice_size))
        queue = lane.queues.setdefault(tp, deque())
        queue.extend(records)
        if lane.task is None and not self._closing:
            lane.task = asyncio.create_task(self._run(lane), name=f"lane-{lane.number}")
        return len(queue)

    def waiting(self, tp: TopicPartition) -> int:
        """How many records of a partition wait here."""
        lane = self._lanes.get(tp.partition)
        return len(lane.queues.get(tp, ())) if lane else 0

    def failing(self, longer_than_s: float) -> Lane | None:
        """A lane that has repeated a transient failure for so long."""
        now = asyncio.get_running_loop().time()
        lanes = (lane for lane in self._lanes.values() if lane.failing_since is not None)
        return next((lane for lane in lanes if now - (lane.failing_since or now) >= longer_than_s), None)

    async def drop(self, tps: Iterable[TopicPartition], patience_s: float) -> None:
        """Forget what waits in these partitions, after the steps in hand have ended or were rolled back."""
        wanted = set(tps)
        await asyncio.gather(*(self._drop(lane, wanted, patience_s) for lane in list(self._lanes.values())))

    async def close(self, patience_s: float) -> None:
        """End the steps in hand and take no further one."""
        self._closing = True
        await self.drop([tp for lane in self._lanes.values() for tp in lane.queues], patience_s)

    async def _drop(self, lane: Lane, tps: set[TopicPartition], patience_s: float) -> None:
        if tps.isdisjoint(lane.queues):
            return
        try:
            async with asyncio.timeout(patience_s), lane.lock:
                pass
        except TimeoutError:
            _log.warning("a step had to be rolled back", partition=lane.number)
        if lane.task is not None:
            lane.task.cancel()  # in its pause, or overdue
            await asyncio.wait({lane.task})
        for tp in tps & set(lane.queues):
            del lane.queues[tp]
        if not lane.queues:
            del self._lanes[lane.number]
        elif any(lane.queues.values()) and not self._closing:
            lane.task = asyncio.create_task(self._run(lane), name=f"lane-{lane.number}")

    async def _run(self, lane: Lane) -> None:
        try:
            while self.stopped is None and any(lane.queues.values()):
                async with self._slots, lane.lock:
                    pause = await self._step(lane)
                if pause:
                    await asyncio.sleep(pause)
        finally:
            lane.task = None

    async def _step(self, lane: Lane) -> float:
        """Take the next slice. Returns how long to pause before the next step."""
        tp, queue = next((tp, queue) for tp, queue in lane.queues.items() if queue)
        count = 1 if lane.alone else min(len(queue), lane.width)
        try:
            facts = [self._read(queue[n]) for n in range(count)]
            if lane.alone:
                last_try = lane.tries + 1 >= self._settings.tries
                await self._taker.take_one(facts[0], lane.attempts + 1, last_try=last_try)
            else:
                await self._taker.take(facts)
        except CeilingReached as reached:
            return self._stop(tp, reached)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises ends here
            return self._failed(lane, tp, count, error)
        for _ in range(count):
            queue.popleft()
        self._done(tp, facts[-1].offset + 1)
        self._succeeded(lane, tp)
        return 0

    def _succeeded(self, lane: Lane, tp: TopicPartition) -> None:
        lane.queues[tp] = lane.queues.pop(tp)  # the next topic's turn
        if not lane.then_alone:
            lane.width = min(lane.width * 2, self._settings.slice_size)
        lane.alone, lane.then_alone = lane.then_alone, False
        lane.attempts, lane.tries, lane.failing_since = 0, 0, None

    def _failed(self, lane: Lane, tp: TopicPartition, count: int, error: BaseException) -> float:
        """Decide how to go on: transient failures are repeated, with others the slice is cut before what failed."""
        nth, cause = (error.nth, error.cause) if isinstance(error, SliceFailed) else (None, error)
        metrics.RETRIES.labels(self._taker.consumer, name_of(cause)).inc()
        lane.attempts += 1
        pause = backoff(lane.attempts, self._settings.backoff_first_s, self._settings.backoff_max_s)
        if kind_of(cause) is Kind.TRANSIENT:
            lane.failing_since = lane.failing_since or asyncio.get_running_loop().time()
            lane.failure = f"{name_of(cause)} in {tp.topic}-{tp.partition}"
            if lane.alone or lane.attempts < _PATIENT:
                return pause
        elif lane.alone:
            lane.tries += 1
            _log.warning(
                "a fact failed", topic=tp.topic, partition=tp.partition, error=name_of(cause), attempts=lane.tries
            )
            return pause
        lane.attempts = 0
        before = count // 2 if nth is None else nth
        lane.width, lane.alone, lane.then_alone = max(before, 1), before == 0, nth is not None and before > 0
        return 0

    def _stop(self, tp: TopicPartition, reached: CeilingReached) -> float:
        self.stopped = reached
        metrics.STOPPED.labels(self._taker.consumer).set(1)
        _log.critical(
            "the consumer stops: too many dead letters", topic=tp.topic, partition=tp.partition, exc_info=reached
        )
        return 0
