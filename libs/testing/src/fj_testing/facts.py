"""Stating facts on Kafka as another service would have: numbered per topic and key, in CloudEvents headers."""

from collections import Counter
from datetime import UTC, datetime
from types import TracebackType
from typing import Self
from uuid import uuid4

from aiokafka import AIOKafkaProducer
from fj_events import TOPICS, Envelope, Fact, to_body


class Facts:
    """Writes to the topics of one prefix, which must be there (`services.create_topics()`).

    `async with Facts(kafka, prefix) as facts: await facts.say(OrderPlaced(…))`
    """

    def __init__(self, bootstrap: str, prefix: str = "") -> None:
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._last: Counter[tuple[str, str]] = Counter()
        self._producer: AIOKafkaProducer | None = None

    async def __aenter__(self) -> Self:
        self._producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap, acks="all")
        await self._producer.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._producer is not None:
            await self._producer.stop()

    async def say(self, *facts: Fact, at: datetime | None = None) -> list[Envelope]:
        """State facts in this order, each acknowledged by the broker before the next; their envelopes."""
        envelopes = []
        for fact in facts:
            envelopes.append(self.envelope(fact, at))
            await self.repeat(fact, envelopes[-1])
        return envelopes

    async def repeat(self, fact: Fact, envelope: Envelope) -> None:
        """Put a fact on the log once more, as it was: what a broken relay could do."""
        if self._producer is None:
            raise RuntimeError("use it in `async with`")
        await self._producer.send_and_wait(
            self._prefix + fact.topic, to_body(fact), key=fact.key.encode(), headers=envelope.to_headers()
        )

    def envelope(self, fact: Fact, at: datetime | None = None) -> Envelope:
        """The next envelope of the fact's key."""
        self._last[fact.topic, fact.key] += 1
        return Envelope(
            id=uuid4(),
            type=fact.fact_type,
            source=f"/filmjacket/{TOPICS[fact.topic].owner}",
            time=at or datetime.now(UTC),
            subject=fact.key,
            site=fact.site,
            sequence=self._last[fact.topic, fact.key],
        )
