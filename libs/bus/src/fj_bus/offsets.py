"""Committing offsets: explicitly, per partition, after the transaction of what lies before them."""

import asyncio
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

_PAUSE_S: Final = 0.02
_log = structlog.get_logger("fj_bus.offsets")


class Offsets:
    """Gathers what the lanes have done and commits it, a few times a second at most.

    A lost commit costs a second reading, which the inbox answers: nothing here has to succeed.
    """

    def __init__(self) -> None:
        self.next: dict[TopicPartition, int] = {}
        """Of each partition that is assigned: the first offset that is not done."""
        self._pending: dict[TopicPartition, int] = {}
        self._nudge = asyncio.Event()

    def done(self, tp: TopicPartition, next_offset: int) -> None:
        """Everything before this offset is in the database."""
        self.next[tp] = self._pending[tp] = next_offset
        self._nudge.set()

    def forget(self, tps: set[TopicPartition]) -> None:
        """These partitions are somebody else's."""
        for tp in tps:
            self.next.pop(tp, None)
            self._pending.pop(tp, None)

    async def run(self, consumer: AIOKafkaConsumer) -> None:
        """Commit for as long as it runs."""
        while True:
            await self._nudge.wait()
            self._nudge.clear()
            await self.flush(consumer)
            await asyncio.sleep(_PAUSE_S)

    async def flush(self, consumer: AIOKafkaConsumer) -> None:
        """Commit what is done and still ours."""
        assigned = consumer.assignment()
        pending = {tp: offset for tp, offset in self._pending.items() if tp in assigned}
        self._pending.clear()
        if not pending:
            return
        try:
            await consumer.commit(pending)
        except (KafkaError, IllegalStateError) as error:
            _log.info("offsets were not committed", count=len(pending), error=type(error).__name__)
