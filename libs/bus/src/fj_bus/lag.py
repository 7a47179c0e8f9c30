"""How far behind a consumer group is, asked of the broker."""

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from pydantic import BaseModel

from fj_bus.bus import Bus
from fj_bus.tail import log_reader


class Lag(BaseModel):
    """Of one partition."""

    topic: str
    partition: int
    end: int
    committed: int | None
    """None: the group has not taken anything yet."""
    lag: int


async def lag_of(bus: Bus, group: str, topics: list[str]) -> list[Lag]:
    """The lag of each partition of these topics, whoever of the group reads it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bus.settings.kafka, **bus.settings.access.options)
    await admin.start()
    try:
        committed = await admin.list_consumer_group_offsets(bus.kafka_name(group))
    finally:
        await admin.close()
    places = [(topic, n) for topic in topics for n in range(bus.topics[topic].partitions)]
    async with log_reader(bus.settings) as reader:
        names = {TopicPartition(bus.kafka_name(topic), n): (topic, n) for topic, n in places}
        ends, starts = await reader.end_offsets(list(names)), await reader.beginning_offsets(list(names))
    found = []
    for tp, (topic, partition) in names.items():
        at = committed[tp].offset if tp in committed and committed[tp].offset >= 0 else None
        lag = max(ends[tp] - (starts[tp] if at is None else at), 0)
        found.append(Lag(topic=topic, partition=partition, end=ends[tp], committed=at, lag=lag))
    return found
