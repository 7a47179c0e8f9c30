"""Sending to Kafka so that every outcome is known, or known to be unknown."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError
from aiokafka.producer.message_accumulator import BatchBuilder

from fj_bus import metrics
from fj_bus.settings import BusSettings

_BATCH_BYTES = 512 * 1024
_ABORT_S = 0.2
_log = structlog.get_logger("fj_bus.publisher")


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the outbox, ready for the log."""

    id: int
    event_id: UUID
    key: bytes
    headers: list[tuple[str, bytes]]
    body: bytes


class NotSent(Exception):
    """Nothing has left this process."""


class Unsure(Exception):
    """Some of the records may stand on the log or may yet get there, until a while after `closed`."""

    def __init__(self, closed: asyncio.Event) -> None:
        super().__init__("the outcome of a send is unknown")
        self.closed = closed


class Producer(AIOKafkaProducer):  # type: ignore[misc]  # aiokafka has no types
    """Idempotent: within one life, what is sent to a partition stands there in order and once."""

    async def abort(self) -> None:
        """Stop without flushing.

        `stop` would first wait for what is in the buffers, and idempotent batches are retried for ever. After this
        nothing is written to a socket any more; what is in a socket already may still arrive.
        """
        self._closed = True
        self.client.send = _refuse  # what still runs must not open a connection of its own
        sender = self._sender.sender_task
        if sender is not None:
            sender.cancel()
        await self.client.close()
        # A request that fails by this waits for metadata next, which a closed client never gets: so cancel again.
        while sender is not None and not sender.done():
            await asyncio.wait({sender}, timeout=_ABORT_S)
            sender.cancel()


async def _refuse(*_: object, **__: object) -> None:
    raise KafkaConnectionError("this producer was aborted")


@dataclass(eq=False)
class _Life:
    """One producer, from its start until nothing of it is under way."""

    producer: Producer
    sending: int = 0
    retired: bool = False
    closed: asyncio.Event = field(default_factory=asyncio.Event)


class Publisher:
    """Keeps one producer. It is replaced after each unknown outcome: aiokafka#1017, and a batch once given up."""

    def __init__(self, settings: BusSettings, service: str) -> None:
        self._settings = settings
        self._service = service
        self._life: _Life | None = None
        self._starting = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    async def send(self, topic: str, partition: int, records: Sequence[Record], deadline: float) -> int | None:
        """Append all, in order. Returns the offset after the last one, None where Kafka kept it to itself.

        `deadline` is in the loop's time. Raises NotSent; Unsure when anything goes wrong after the first byte.
        """
        life = await self._alive(deadline)
        life.sending += 1
        try:
            return await _append(life.producer, topic, partition, records, deadline)
        except Exception as error:
            _log.warning("a send failed", topic=topic, partition=partition, error=type(error).__name__)
            self._retire(life)
            raise Unsure(life.closed) from error
        except asyncio.CancelledError:
            self._retire(life)
            raise
        finally:
            life.sending -= 1
            self._close_if_idle(life)

    async def close(self, *, abort: bool) -> None:
        """End all producers; with `abort`, at once."""
        life, self._life = self._life, None
        if life is not None and not abort:
            await life.producer.stop()
        elif life is not None:
            await self._abort(life)
        if self._closing:
            await asyncio.wait(self._closing)

    async def _alive(self, deadline: float) -> _Life:
        async with self._starting:
            if self._life is None:
                self._life = _Life(await self._started(deadline))
            return self._life

    async def _started(self, deadline: float) -> Producer:
        producer = Producer(
            bootstrap_servers=self._settings.kafka,
            **self._settings.access.options,
            client_id=f"{self._service}-relay",
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            max_batch_size=_BATCH_BYTES,
            request_timeout_ms=self._settings.request_timeout_ms,
        )
        try:
            async with asyncio.timeout_at(deadline):
                await producer.start()
        except BaseException as error:
            await producer.abort()
            if isinstance(error, Exception):
                raise NotSent from error
            raise
        metrics.PRODUCERS.labels(self._service).inc()
        return producer

    def _retire(self, life: _Life) -> None:
        life.retired = True
        if self._life is life:
            self._life = None

    def _close_if_idle(self, life: _Life) -> None:
        """A retired producer ends when the other partitions' sends on it have had their outcome."""
        if life.retired and not life.sending and not life.closed.is_set():
            task = asyncio.create_task(self._abort(life), name="bus-producer-abort")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _abort(self, life: _Life) -> None:
        try:
            await life.producer.abort()
        finally:
            life.closed.set()


async def _append(
    producer: Producer, topic: str, partition: int, records: Sequence[Record], deadline: float
) -> int | None:
    if asyncio.get_running_loop().time() >= deadline:
        raise TimeoutError  # this process slept with the records in hand; they may be another owner's by now
    sending: list[asyncio.Future[Any]] = []
    try:
        async with asyncio.timeout_at(deadline):
            for batch in _batches(producer, records):
                # Each is awaited before the next: that is the order on the log.
                sending.append(await producer.send_batch(batch, topic, partition=partition))
            results = await asyncio.gather(*sending)
    finally:
        for future in sending:
            future.cancel()
    first: int = results[-1].offset
    return first + batch.record_count() if first >= 0 else None


def _batches(producer: Producer, records: Iterable[Record]) -> Iterator[BatchBuilder]:
    """The records in their order, in batches that are as large as they may be. A large one stands alone."""
    batch = producer.create_batch()
    for record in records:
        place = {"timestamp": None, "key": record.key, "value": record.body, "headers": record.headers}
        if batch.append(**place) is None:
            yield batch
            batch = producer.create_batch()
            batch.append(**place)
    yield batch
