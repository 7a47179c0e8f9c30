"""Where `triage` is put together: settings, store, rules, and the loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fj_bus import Bus, BusSettings, Consumer, Relay, bus_commands, operator_router
from fj_runtime import Actor, Part, api, command, database, database_watch, serve

from triage_service.adapters.postgres import PostgresStudies
from triage_service.adapters.rules import load_rules
from triage_service.entrypoints.http import rules_router
from triage_service.entrypoints.kafka import subscribe
from triage_service.settings import Settings

SERVICE: Final = "triage"
ROLES: Final = ("consumer", "relay")
MIGRATIONS: Final = ("fj_bus", "triage_service")


@asynccontextmanager
async def consuming(settings: Settings) -> AsyncIterator[Consumer]:
    """The consumer with its handlers, not running.

    One lane: an order and its study stand in two topics, and lanes that wait for each other gain nothing.
    """
    async with database(settings, MIGRATIONS) as pool:
        bus = Bus(pool, BusSettings(kafka=settings.kafka, topic_prefix=settings.topic_prefix, lanes=1), SERVICE)
        consumer = Consumer(bus, SERVICE)
        subscribe(consumer, PostgresStudies, load_rules(settings.rules))
        yield consumer


async def run(settings: Settings, roles: frozenset[str]) -> None:
    """Run the parts that `roles` asks for until stopped."""
    rules = load_rules(settings.rules)
    async with consuming(settings) as consumer:
        bus = consumer.bus
        parts: dict[str, Part] = {"consumer": consumer, "relay": Relay(bus)}
        app = api(SERVICE, rules_router(rules), operator_router(bus, consumer, Actor))
        chosen = [parts[role] for role in ROLES if role in roles]
        await serve(settings, [database_watch(bus.pool), *chosen], app)


def main() -> None:
    """The program `triage-service`."""
    command(SERVICE, Settings, run, ROLES, MIGRATIONS, bus_commands(consuming))
