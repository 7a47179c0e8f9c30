"""Reading facts from Kafka as any outsider would: plain aiokafka, no library of ours."""

import json
from collections.abc import Callable
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
        names = [self.prefix + topic for topic in topics]
        consumer = AIOKafkaConsumer(*names, bootstrap_servers=self.bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            return await self._read(consumer, names)
        finally:
            await consumer.stop()

    async def wait_for(
        self, *topics: str, where: Callable[[Record], bool] = lambda _: True, count: int = 1, within: float = 10.0
    ) -> list[Record]:
        """The records that `where` accepts, as soon as there are `count`. Raises AssertionError."""

        async def found() -> list[Record]:
            records = [record for record in await self.read(*topics) if where(record)]
            return records if len(records) >= count else []

        return await eventually(found, within=within, what=f"{count} records in {', '.join(topics)}")

    async def _read(self, consumer: AIOKafkaConsumer, names: list[str]) -> list[Record]:
        partitions = consumer.assignment()
        absent = set(names) - {partition.topic for partition in partitions}
        if absent:
            raise KeyError(f"no topic {', '.join(sorted(absent))} on {self.bootstrap}")
        ends = await consumer.end_offsets(partitions)
        records: list[Record] = []
        while not await _at_end(consumer, ends):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                records += [self._record(record) for record in batch]
        return sorted(records, key=lambda record: (record.topic, record.partition, record.offset))

    def _record(self, record: Any) -> Record:
        return Record(
            topic=record.topic.removeprefix(self.prefix),
            partition=record.partition,
            offset=record.offset,
            key=(record.key or b"").decode(),
            headers={name: value.decode() for name, value in record.headers},
            value=record.value or b"",
        )


async def _at_end(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
    for partition, end in ends.items():
        if await consumer.position(partition) < end:
            return False
    return True
