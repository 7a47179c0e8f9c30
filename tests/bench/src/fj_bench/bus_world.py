"""A service that makes facts and one that takes them, of which only the bus is real: what the bus alone costs."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg
from fj_bus import Bus, BusSettings, create_topics
from fj_events import BadBody, Fact, Topic
from fj_runtime import Part, ServiceSettings, database, migrate
from pydantic import SecretStr, ValidationError

from fj_bench.ground import Ground

NOTE: Final = "n" * 700
_NONE: Final = str(UUID(int=0))


class WorkDone(Fact, type="work.done.v1", topic="work-events", key="work"):
    """One kilobyte on the log."""

    work: str
    n: int
    note: str = NOTE


class WorkSeen(Fact, type="work.seen.v1", topic="seen-events", key="work"):
    """The consequence."""

    work: str
    n: int


FACTS: Final[Mapping[str, type[Fact]]] = {kind.fact_type: kind for kind in (WorkDone, WorkSeen)}


def _topic(kind: type[Fact], producer: str, consumers: tuple[str, ...]) -> Topic:
    return Topic(
        name=kind.topic, owner=producer, key="work", partitions=12, retention="forever", phi="none",
        producers=(producer,), consumers=consumers, facts=(kind.fact_type,),
    )  # fmt: skip


TOPICS: Final = {
    WorkDone.topic: _topic(WorkDone, "maker", ("seer",)),
    WorkSeen.topic: _topic(WorkSeen, "seer", ()),
}


def decode(type_: str, body: bytes) -> Fact:
    """As fj_events.from_body, for these facts."""
    try:
        return FACTS[type_].model_validate_json(body, extra="ignore")
    except ValidationError:
        raise BadBody(type_) from None


@dataclass(frozen=True)
class World:
    """Where everything is."""

    kafka: str
    prefix: str
    dsns: dict[str, str]

    @asynccontextmanager
    async def bus(self, service: str) -> AsyncIterator[Bus]:
        """A service's bus, as a process has it."""
        settings = ServiceSettings(
            postgres=SecretStr(self.dsns[service]),
            postgres_pool_max=30,
            http_port=1,
            patient_namespace=SecretStr(_NONE),
        )
        async with database(settings, ["fj_bus"]) as pool:
            yield Bus(
                pool, BusSettings(kafka=self.kafka, topic_prefix=self.prefix), service, topics=TOPICS, decode=decode
            )


@asynccontextmanager
async def running(*parts: Part) -> AsyncIterator[None]:
    """Parts of a process at work."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(part.run(stop)) for part in parts]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def emptied(bus: Bus) -> bool:
    """Whether everything has left the outbox."""
    return not await bus.pool.fetchval("SELECT EXISTS (SELECT FROM bus.outbox)")


async def build(site: Ground) -> World:
    """New topics, and a database with one table of state for each of the two services."""
    world = World(
        site.stack.kafka(), f"b{secrets.token_hex(4)}-", {name: site.database() for name in ("maker", "seer")}
    )
    await create_topics(world.kafka, world.prefix, list(world.dsns), topics=TOPICS)
    for dsn in world.dsns.values():
        connection = await asyncpg.connect(dsn)
        await migrate(connection, ["fj_bus"])
        await connection.execute("CREATE TABLE state (work text PRIMARY KEY, n bigint NOT NULL)")
        await connection.close()
    return world
