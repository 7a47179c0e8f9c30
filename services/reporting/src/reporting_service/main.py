"""Where `reporting` is put together: settings, store, doors, and the loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from fj_bus import Bus, BusSettings, Consumer, Relay, bus_commands, operator_router
from fj_doors import Keeper, Subject, explain_command, messages_router, profiles_watch
from fj_hl7 import MllpServer
from fj_runtime import Actor, Part, Periodic, Sites, api, command, database, database_watch, serve

from reporting_service.adapters.postgres import PostgresReports
from reporting_service.adapters.reading_room import PostgresReadingRoom
from reporting_service.entrypoints.explain import understood
from reporting_service.entrypoints.http import reading_router
from reporting_service.entrypoints.kafka import subscribe
from reporting_service.entrypoints.mllp import KINDS, results_door
from reporting_service.settings import Settings

SERVICE: Final = "reporting"
ROLES: Final = ("listener", "consumer", "relay")
MIGRATIONS: Final = ("fj_bus", "fj_hl7", "fj_survivors", "reporting_service")
_RETENTION_SECONDS: Final = 3600.0
_PARTS_SECONDS: Final = 60.0


@asynccontextmanager
async def consuming(settings: Settings) -> AsyncIterator[Consumer]:
    """The consumer with its handlers, not running.

    One lane: an order, its study and its report stand in several topics; lanes waiting for each other gain nothing.
    """
    async with database(settings, MIGRATIONS) as pool:
        bus = Bus(pool, BusSettings(kafka=settings.kafka, topic_prefix=settings.topic_prefix, lanes=1), SERVICE)
        consumer = Consumer(bus, SERVICE)
        subscribe(consumer, PostgresReports)
        yield consumer


def _explained(settings: Settings) -> Subject:
    return Subject("results", tuple(KINDS), partial(understood, Sites.load(settings.sites)))


async def run(settings: Settings, roles: frozenset[str]) -> None:
    """Run the parts that `roles` asks for until stopped."""
    async with consuming(settings) as consumer:
        bus = consumer.bus
        sites = Sites.load(settings.sites)
        keeper = Keeper.of(bus, sites, settings.load_profiles(), settings.seal, settings.keep)
        door = results_door(sites, bus.unit, PostgresReports, keeper.intake)
        parts: dict[str, tuple[Part, ...]] = {
            "listener": (
                MllpServer("results", settings.mllp_host, settings.mllp_port, door),
                Periodic("hl7 retention", _RETENTION_SECONDS, lambda: keeper.ledger.forget(bus.pool)),
                Periodic("hl7 parts", _PARTS_SECONDS, door.give_up_parts),
                profiles_watch(keeper.profiles),
            ),
            "consumer": (consumer,),
            "relay": (Relay(bus),),
        }
        app = api(
            SERVICE,
            reading_router(bus.unit, PostgresReports, PostgresReadingRoom(bus.pool)),
            messages_router(keeper, door),
            operator_router(bus, consumer, Actor),
        )
        chosen = [part for role in ROLES if role in roles for part in parts[role]]
        await serve(settings, [database_watch(bus.pool), *chosen], app)


def main() -> None:
    """The program `reporting-service`."""
    command(SERVICE, Settings, run, ROLES, MIGRATIONS, bus_commands(consuming) | explain_command(_explained))
