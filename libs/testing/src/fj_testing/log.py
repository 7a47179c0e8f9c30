"""Reading facts from Kafka as any outsider would: plain aiokafka, no library of ours."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from fj_testing.eventually import eventually


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a topic."""

    topic: str
    partition: int
    offset: int
    key: str
    headers: dict[str, str]
    value: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.value)

    @property
    def type(self) -> str:
        return self.headers.get("ce_type", "")

    @property
    def sequence(self) -> int:
        return int(self.headers["ce_sequence"])


@dataclass(frozen=True, slots=True)
class Log:
    """The topics of one prefix. Topics are named without it."""

    bootstrap: str
    prefix: str = ""

    async def read(self, *topics: str) -> list[Record]:
        """Everything that these topics hold now, in order of partition and offset. Raises KeyError: no such topic."""
        async with self._opened(topics) as tail:
            return await tail.read()

    async def wait_for(
        self, *topics: str, where: Callable[[Record], bool] = lambda _: True, count: int = 1, within: float = 10.0
    ) -> list[Record]:
        """The records that `where` accepts, as soon as there are `count`. Raises AssertionError."""
        async with self._opened(topics) as tail:

            async def found() -> list[Record]:
                records = [record for record in await tail.read() if where(record)]
                return records if len(records) >= count else []

            return await eventually(found, within=within, what=f"{count} records in {', '.join(topics)}")

    @asynccontextmanager
    async def _opened(self, topics: Sequence[str]) -> AsyncIterator["_Tail"]:
        names = [self.prefix + topic for topic in topics]
        consumer = AIOKafkaConsumer(*names, bootstrap_servers=self.bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            absent = set(names) - {partition.topic for partition in consumer.assignment()}
            if absent:
                raise KeyError(f"no topic {', '.join(sorted(absent))} on {self.bootstrap}")
            yield _Tail(consumer, self.prefix)
        finally:
            await consumer.stop()


class _Tail:
    """What one consumer has read so far, and reads on."""

    def __init__(self, consumer: AIOKafkaConsumer, prefix: str) -> None:
        self._consumer = consumer
        self._prefix = prefix
        self._records: list[Record] = []

    async def read(self) -> list[Record]:
        ends = await self._consumer.end_offsets(self._consumer.assignment())
        while not await self._at_end(ends):
            for batch in (await self._consumer.getmany(timeout_ms=200)).values():
                self._records += [self._record(record) for record in batch]
        return sorted(self._records, key=lambda record: (record.topic, record.partition, record.offset))

    async def _at_end(self, ends: dict[TopicPartition, int]) -> bool:
        for partition, end in ends.items():
            if await self._consumer.position(partition) < end:
                return False
        return True

    def _record(self, record: Any) -> Record:
        return Record(
            topic=record.topic.removeprefix(self._prefix),
            partition=record.partition,
            offset=record.offset,
            key=(record.key or b"").decode(),
            headers={name: value.decode() for name, value in record.headers},
            value=record.value or b"",
        )
