"""Where `order` is put together: settings, store, doors, and the loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID

from fj_bus import Bus, BusSettings, Consumer, Relay, bus_commands, operator_router
from fj_doors import Keeper, Subject, explain_command, messages_router, profiles_watch, rereading_router
from fj_hl7 import MllpServer
from fj_runtime import Actor, Part, Periodic, Sites, api, command, database, database_watch, serve

from order_service.adapters.early import EarlySweep
from order_service.adapters.postgres import PostgresOrderBook, PostgresOrders
from order_service.entrypoints.early import early_router
from order_service.entrypoints.explain import understood
from order_service.entrypoints.fhir import service_requests
from order_service.entrypoints.hl7 import Translator
from order_service.entrypoints.http import orders_router
from order_service.entrypoints.kafka import subscribe
from order_service.entrypoints.mllp import KINDS, orders_door
from order_service.settings import Settings

SERVICE: Final = "order"
ROLES: Final = ("listener", "consumer", "relay")
MIGRATIONS: Final = ("fj_bus", "fj_hl7", "fj_survivors", "order_service")
_RETENTION_SECONDS: Final = 3600.0
_PARTS_SECONDS: Final = 60.0
_EARLY_SECONDS: Final = 300.0


@asynccontextmanager
async def consuming(settings: Settings) -> AsyncIterator[Consumer]:
    """The consumer with its handlers, not running."""
    async with database(settings, MIGRATIONS) as pool:
        bus = Bus(pool, BusSettings(kafka=settings.kafka, topic_prefix=settings.topic_prefix), SERVICE)
        consumer = Consumer(bus, SERVICE)
        subscribe(consumer, PostgresOrders, settings.wanted_by)
        yield consumer


def _translator(settings: Settings) -> Translator:
    return Translator(Sites.load(settings.sites), UUID(settings.patient_namespace.get_secret_value()))


def _explained(settings: Settings) -> Subject:
    return Subject("orders", KINDS, partial(understood, _translator(settings)))


async def run(settings: Settings, roles: frozenset[str]) -> None:
    """Run the parts that `roles` asks for until stopped."""
    translator = _translator(settings)
    sites, namespace = translator.sites, translator.namespace
    async with consuming(settings) as consumer:
        bus = consumer.bus
        keeper = Keeper.of(bus, sites, settings.load_profiles(), settings.seal, settings.keep)
        sweep = EarlySweep(bus.unit, timedelta(hours=settings.early_wait_hours), settings.keep)
        door = orders_door(translator, bus.unit, PostgresOrders, keeper.intake)
        parts: dict[str, tuple[Part, ...]] = {
            "listener": (
                MllpServer("orders", settings.mllp_host, settings.mllp_port, door),
                Periodic("hl7 retention", _RETENTION_SECONDS, lambda: keeper.ledger.forget(bus.pool)),
                Periodic("hl7 parts", _PARTS_SECONDS, door.give_up_parts),
                profiles_watch(keeper.profiles),
                Periodic("early sweep", _EARLY_SECONDS, sweep.run),
            ),
            "consumer": (consumer,),
            "relay": (Relay(bus),),
        }
        app = api(
            SERVICE,
            orders_router(bus.unit, PostgresOrders, PostgresOrderBook(bus.pool), sites, namespace),
            early_router(bus.unit, PostgresOrders, PostgresOrderBook(bus.pool)),
            service_requests(bus.unit, PostgresOrders, sites, namespace),
            messages_router(keeper, door),
            rereading_router(keeper, door),
            operator_router(bus, consumer, Actor),
        )
        chosen = [part for role in ROLES if role in roles for part in parts[role]]
        await serve(settings, [database_watch(bus.pool), *chosen], app)


def main() -> None:
    """The program `order-service`."""
    command(SERVICE, Settings, run, ROLES, MIGRATIONS, bus_commands(consuming) | explain_command(_explained))
