"""Facts, topics and wiring that exist in these tests alone."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import asyncpg
import fj_events
from fj_bus import Bus, BusSettings, Consumer, Relay, Stranger, Tx
from fj_bus.handlers import F, Handler
from fj_events import BadBody, Fact, Topic, UnknownType
from fj_runtime import Part, migrate
from pydantic import ValidationError

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"


class CupFilled(Fact, type="cup.filled.v1", topic="cup-events", key="cup"):
    """Alpha filled a cup for the n-th time."""

    cup: str
    n: int = 0


class CupFilledV2(Fact, type="cup.filled.v2", topic="cup-events", key="cup"):
    """The same fact in its next major version."""

    cup: str
    n: int = 0
    volume: int = 0


class CupSpilled(Fact, type="cup.spilled.v1", topic="cup-events", key="cup"):
    """Nobody listens to this one."""

    cup: str


class GuestSeated(Fact, type="guest.seated.v1", topic="guest-events", key="chair"):
    """Alpha seated whom the cup is for. Another key, so that cup and guest may be handled side by side."""

    chair: str
    cup: str


class CupDrunk(Fact, type="cup.drunk.v1", topic="drunk-events", key="cup"):
    """Beta saw the cup empty."""

    cup: str
    n: int = 0


FACTS: Final[Mapping[str, type[Fact]]] = {
    kind.fact_type: kind for kind in (CupFilled, CupFilledV2, CupSpilled, GuestSeated, CupDrunk)
}


def _topic(name: str, owner: str, consumers: tuple[str, ...]) -> Topic:
    facts = tuple(kind.fact_type for kind in FACTS.values() if kind.topic == name)
    return Topic(
        name=name, owner=owner, key="cup", partitions=4, retention="forever", phi="none",
        producers=(owner,), consumers=consumers, facts=facts,
    )  # fmt: skip


_ACTS: Final = fj_events.TOPICS["operator-events"].model_copy(update={"producers": ("alpha", "beta"), "partitions": 4})
TOPICS: Final[Mapping[str, Topic]] = {
    topic.name: topic
    for topic in (
        _topic("cup-events", "alpha", ("beta",)),
        _topic("guest-events", "alpha", ("beta",)),
        _topic("drunk-events", "beta", ("alpha",)),
        _ACTS,
    )
}


def decode(type_: str, body: bytes) -> Fact:
    """As fj_events.from_body, for the facts of this module."""
    if type_ not in FACTS:
        raise UnknownType(type_)
    try:
        return FACTS[type_].model_validate_json(body, extra="ignore")
    except ValidationError:
        raise BadBody(type_) from None


def filled(cup: str, n: int = 0) -> CupFilled:
    """A fact."""
    return CupFilled(site="MAIN", cup=cup, n=n)


@dataclass(frozen=True)
class World:
    """One Kafka and one database per service."""

    kafka: str
    prefix: str
    dsns: Mapping[str, str]

    def settings(self, **changes: Any) -> BusSettings:
        """Quick ones: tests do not wait for what operators can wait for."""
        quick: dict[str, Any] = {
            "send_deadline_s": 1.0,
            "request_timeout_ms": 500,
            "relay_share_s": 0.2,
            "sweep_s": 0.5,
            "session_timeout_ms": 6000,
            "backoff_first_s": 0.02,
            "backoff_max_s": 0.5,
        }
        return BusSettings(**{"kafka": self.kafka, "topic_prefix": self.prefix} | quick | changes)

    @asynccontextmanager
    async def bus(self, service: str, **changes: Any) -> AsyncIterator[Bus]:
        """The bus of a service, on a pool of its own."""
        async with asyncpg.create_pool(self.dsns[service], min_size=1, max_size=20) as pool:
            yield Bus(pool, self.settings(**changes), service, topics=TOPICS, decode=decode)


async def prepare(dsn: str) -> None:
    """The bus's tables, and one of the service's own."""
    connection = await asyncpg.connect(dsn)
    try:
        await migrate(connection, ["fj_bus"])
        await connection.execute(
            "CREATE TABLE effect (id bigint GENERATED ALWAYS AS IDENTITY, cup text NOT NULL, n bigint NOT NULL)"
        )
        await connection.execute("CREATE TABLE guest (cup text PRIMARY KEY)")
    finally:
        await connection.close()


@asynccontextmanager
async def running(*parts: Part) -> AsyncIterator[None]:
    """The parts at work, as a process would run them: one that fails ends the test."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(part.run(stop)) for part in parts]
        try:
            yield
        finally:
            stop.set()
            async with asyncio.timeout(20):
                await asyncio.gather(*tasks)


@asynccontextmanager
async def relaying(bus: Bus) -> AsyncIterator[Relay]:
    """A relay at work."""
    relay = Relay(bus)
    async with running(relay):
        yield relay


@asynccontextmanager
async def consuming(bus: Bus, subscribe: Callable[[Consumer], None]) -> AsyncIterator[Consumer]:
    """A consumer at work."""
    consumer = Consumer(bus, bus.service)
    subscribe(consumer)
    async with running(consumer):
        yield consumer


def handling(fact: type[F], handler: Handler[F]) -> Callable[[Consumer], None]:
    """What subscribes this handler."""

    def subscribe(consumer: Consumer) -> None:
        consumer.on(fact)(handler)

    return subscribe


async def drink(fact: CupFilled, tx: Tx) -> None:
    """Needs the guest: parks without."""
    if await tx.connection.fetchval("SELECT true FROM guest WHERE cup = $1", fact.cup) is None:
        raise Stranger("guest", fact.cup)
    await tx.connection.execute("INSERT INTO effect (cup, n) VALUES ($1, $2)", fact.cup, fact.n)
    tx.emit(CupDrunk(site=fact.site, cup=fact.cup, n=fact.n))


async def seat(fact: GuestSeated, tx: Tx) -> None:
    """What the cups wait for."""
    await tx.connection.execute("INSERT INTO guest VALUES ($1) ON CONFLICT DO NOTHING", fact.cup)
    tx.wake("guest", fact.cup)


async def effects(bus: Bus) -> list[tuple[str, int]]:
    """What the handlers have written, in order."""
    return [(row["cup"], row["n"]) for row in await bus.pool.fetch("SELECT cup, n FROM effect ORDER BY id")]
