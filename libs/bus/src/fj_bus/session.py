"""One life of a consumer: from joining its group to leaving it. The only place that knows FastStream."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import FAKE_CONSUMER, KafkaMessage
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from fj_bus import metrics
from fj_bus.access import KafkaAccess
from fj_bus.incoming import read
from fj_bus.lanes import Lanes
from fj_bus.offsets import Offsets
from fj_bus.taker import Taker

Batch = tuple["ConsumerRecord[bytes, bytes]", ...]
_QUEUE_SLICES: Final = 5  # a partition with so many slices in its queue is not fetched from
_WATCH_S: Final = 1.0
_WAIT_MS: Final = 1000  # for facts; what comes ends it at once, and so does the end of the session
_PATIENCE_SHARE: Final = 0.5  # of the session's timeout
_DRAIN_S: Final = 8.0  # of the fifteen seconds that a process has to stop
_SASL: Final = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
_FRAMEWORK_LOG: Final = logging.getLogger("fj_bus.faststream")


class Session(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """FastStream polls and hands over raw batches; everything after that is ours, and no exception goes back to it.

    Its parser would fail on a header that is not UTF-8 and lose the batch, its `ack` would commit whatever was
    fetched: so both are left out.
    """

    def __init__(self, taker: Taker, group: str) -> None:
        bus, settings = taker.bus, taker.bus.settings
        self.offsets = Offsets()
        self.progress: dict[TopicPartition, float] = {}
        """When each assigned partition last moved on or had nothing to do."""
        self._settings = settings
        self._topics = [bus.kafka_name(topic) for topic in taker.handlers.topics]
        self.lanes = Lanes(taker, settings, lambda r: read(bus, taker.handlers, self._plain(r.topic), r), self._on_done)
        self._consumer_name = taker.consumer
        self._group = bus.kafka_name(group)
        self._paused: set[TopicPartition] = set()
        self._most = settings.slice_size * _QUEUE_SLICES
        self._broker = self._make_broker()
        self._subscriber = self._subscribe()

    @property
    def client(self) -> AIOKafkaConsumer | None:
        """The Kafka client, while there is one."""
        return self._subscriber.consumer

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until told to stop. Raises KafkaError if the group cannot be joined."""
        tasks: list[asyncio.Task[None]] = []
        try:
            await self._broker.start()
            client = self._subscriber.consumer
            tasks = [asyncio.create_task(self.offsets.run(client)), asyncio.create_task(self._watch(client))]
            await asyncio.wait([*tasks, stopping := asyncio.create_task(stop.wait())], return_when="FIRST_COMPLETED")
            stopping.cancel()
            await self._drain(client)
        finally:
            for task in tasks:
                task.cancel()
            await self._broker.stop()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task

    async def _drain(self, client: AIOKafkaConsumer) -> None:
        client.pause(*client.assignment())
        await self.lanes.close(_DRAIN_S)
        await self.offsets.flush(client)

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Finish the slices in hand and commit them, before others read on from there."""
        await self.lanes.drop(revoked, self._settings.session_timeout_ms / 1000 * _PATIENCE_SHARE)
        if self.client is not None:
            await self.offsets.flush(self.client)
        self.offsets.forget(revoked)
        self._paused -= revoked
        for tp in revoked:
            self.progress.pop(tp, None)
            with suppress(KeyError):
                metrics.LAG.remove(self._consumer_name, self._plain(tp.topic), str(tp.partition))

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Begin to watch them."""
        now = asyncio.get_running_loop().time()
        self.progress = dict.fromkeys(assigned, now)

    def lag(self, tp: TopicPartition) -> int:
        """Records on the log that are not done, as far as this client knows."""
        client = self.client
        end = client.highwater(tp) if client is not None and tp in client.assignment() else None
        start = self.offsets.next.get(tp)
        return max(end - start, 0) if end is not None and start is not None else self.lanes.waiting(tp)

    def _plain(self, name: str) -> str:
        """A topic as services call it."""
        return name.removeprefix(self._settings.topic_prefix)

    def _make_broker(self) -> KafkaBroker:
        return KafkaBroker(
            self._settings.kafka,
            security=_security(self._settings.access),
            client_id=self._group,
            consumer_only=True,
            apply_types=False,
            allow_auto_create_topics=False,
            logger=_FRAMEWORK_LOG,
            log_level=logging.DEBUG,
            metadata_max_age_ms=30_000,
        )

    def _subscribe(self) -> Any:
        subscriber: Any = self._broker.subscriber(
            *self._topics,
            batch=True,
            group_id=self._group,
            group_instance_id=self._settings.group_instance_id,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset=self._settings.start,
            session_timeout_ms=self._settings.session_timeout_ms,
            heartbeat_interval_ms=self._settings.session_timeout_ms // 4,
            # Ranges give a member the same numbers of every topic: a lane's partitions stay together.
            partition_assignment_strategy=(RangePartitionAssignor,),
            listener=self,
            parser=_whole_batch,
            decoder=_as_received,
        )
        subscriber(self._receive)
        # FastStream's own sleeps between two looks: a fact then waits for it, and an idle process looks all the time.
        subscriber.get_msg = _next_batch
        return subscriber

    async def _receive(self, batch: Sequence["ConsumerRecord[bytes, bytes]"]) -> None:
        """Put a batch into the lanes. Nothing here waits, so no rebalance can come between fetching and queueing."""
        by_partition: dict[TopicPartition, list[Any]] = {}
        for record in batch:
            by_partition.setdefault(TopicPartition(record.topic, record.partition), []).append(record)
        for tp, records in by_partition.items():
            self.offsets.next.setdefault(tp, records[0].offset)
            if self.lanes.put(tp, records) > self._most:
                self._subscriber.consumer.pause(tp)
                self._paused.add(tp)

    def _on_done(self, tp: TopicPartition, next_offset: int) -> None:
        self.offsets.done(tp, next_offset)
        self.progress[tp] = asyncio.get_running_loop().time()
        if tp in self._paused and self.lanes.waiting(tp) < self._most // 2:
            self._paused.discard(tp)
            self._subscriber.consumer.resume(tp)

    async def _watch(self, client: AIOKafkaConsumer) -> None:
        while True:
            now = asyncio.get_running_loop().time()
            for tp in client.assignment():
                lag = self.lag(tp)
                if lag == 0:
                    self.progress[tp] = now
                metrics.LAG.labels(self._consumer_name, self._plain(tp.topic), str(tp.partition)).set(lag)
            await asyncio.sleep(_WATCH_S)


def _security(access: KafkaAccess) -> BaseSecurity:
    """FastStream's idea of the same."""
    if not access.is_named:
        return BaseSecurity(access.tls)
    return _SASL[access.sasl_mechanism](access.sasl_username or "", access.password, access.tls)


async def _next_batch(client: AIOKafkaConsumer) -> Batch:
    """What has come, as soon as something has; nothing after a while."""
    found = await client.getmany(timeout_ms=_WAIT_MS)
    return tuple(chain.from_iterable(found.values()))


async def _whole_batch(records: Batch) -> KafkaMessage:
    """FastStream's idea of a message around an untouched batch."""
    return KafkaMessage(raw_message=records, body=b"", consumer=FAKE_CONSUMER)


async def _as_received(message: KafkaMessage) -> Any:
    return message.raw_message
