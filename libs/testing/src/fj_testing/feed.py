"""Writing facts to Kafka as their owners would, for tests of one service alone: plain aiokafka, numbered per key."""

from collections import Counter
from datetime import UTC, datetime
from typing import Self
from uuid import UUID, uuid4

from aiokafka import AIOKafkaProducer
from fj_events import TOPICS, Envelope, Fact, to_body


class Feed:
    """Publishes facts on the topics of one prefix. Use it with `async with`.

    Each fact takes the next `ce_sequence` of its topic and key; the default partitioner is the one that the bus uses.
    """

    def __init__(self, bootstrap: str, prefix: str = "") -> None:
        self._prefix = prefix
        self._producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
        self._last: Counter[tuple[str, str]] = Counter()

    async def __aenter__(self) -> Self:
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def publish(
        self, *facts: Fact, time: datetime | None = None, causation_id: UUID | None = None
    ) -> list[Envelope]:
        """Write facts, one after the other; all are on the log when this returns."""
        return [await self.repeat(fact, self._next(fact, time, causation_id)) for fact in facts]

    async def repeat(self, fact: Fact, envelope: Envelope) -> Envelope:
        """Write the same fact once more, with the same envelope: a reader must take it once."""
        key = fact.key.encode()
        await self._producer.send_and_wait(
            self._prefix + fact.topic, to_body(fact), key=key, headers=envelope.to_headers()
        )
        return envelope

    def _next(self, fact: Fact, time: datetime | None, causation_id: UUID | None) -> Envelope:
        self._last[fact.topic, fact.key] += 1
        return Envelope(
            id=uuid4(),
            type=fact.fact_type,
            source=f"/filmjacket/{TOPICS[fact.topic].owner}",
            time=time or datetime.now(UTC),
            subject=fact.key,
            site=fact.site,
            sequence=self._last[fact.topic, fact.key],
            causation_id=causation_id,
        )
