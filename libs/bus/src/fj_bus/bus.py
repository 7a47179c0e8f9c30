"""The bus of one process: units of work, and what its consumer and relay share."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from fj_events import TOPICS, Fact, Topic, dead_letter_topic, from_body

from fj_bus.hints import Hints
from fj_bus.postgres import Connection, Pool
from fj_bus.settings import BusSettings
from fj_bus.tx import Tx
from fj_bus.work import Work


class Bus:
    """Knows the service, its database and the broker. One per process, built by `main`.

    `topics` and `decode` are the vocabulary of fj_events unless a test brings its own.
    """

    def __init__(
        self,
        pool: Pool,
        settings: BusSettings,
        service: str,
        *,
        topics: Mapping[str, Topic] = TOPICS,
        decode: Callable[[str, bytes], Fact] = from_body,
    ) -> None:
        self.pool = pool
        self.settings = settings
        self.service = service
        self.topics = topics
        self.decode = decode
        self.hints = Hints(pool, settings.hint_ms / 1000)

    @asynccontextmanager
    async def unit(self, actor: str | None = None) -> AsyncIterator[Tx]:
        """One transaction for a command from outside: state and facts commit together at exit, or not at all.

        After it, whatever was acknowledged is durable. `actor` is stamped on facts that name none.
        """
        async with self.pool.acquire() as connection, connection.transaction():
            work = self.work(connection)
            yield Tx(work, None, actor)
            await work.finish()
        self.finished(work)

    def work(self, connection: Connection) -> Work:
        """An empty collection of what a transaction on this connection will do."""
        return Work(connection, self.service, self.topics)

    def finished(self, work: Work) -> None:
        """Tell whoever waits for what this work has committed."""
        partitions = {emission.partition for emission in work.emissions}
        self.hints.committed(partitions, woke=bool(work.wakes))
        for call in work.afterwards:
            call()

    def kafka_name(self, topic: str) -> str:
        """The name of a topic or group on the broker."""
        return self.settings.topic_prefix + topic

    @property
    def dead_letter_topic(self) -> str:
        """Where this service publishes copies of its dead letters."""
        return dead_letter_topic(self.service)

    @property
    def produced(self) -> dict[str, int]:
        """The topics that this service writes, with their numbers of partitions."""
        own = {name: topic.partitions for name, topic in self.topics.items() if self.service in topic.producers}
        return own | {self.dead_letter_topic: 1}
