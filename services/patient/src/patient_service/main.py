"""Where `patient` is put together: settings, store, doors, and the loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from fj_bus import Bus, BusSettings, Consumer, Relay, bus_commands, operator_router
from fj_hl7 import MllpServer
from fj_runtime import Actor, Part, Sites, api, command, database, database_watch, serve

from patient_service.adapters.postgres import PostgresPatientBook, PostgresPatients
from patient_service.entrypoints.http import patients_router
from patient_service.entrypoints.kafka import subscribe
from patient_service.entrypoints.mllp import patients_door
from patient_service.settings import Settings

SERVICE: Final = "patient"
ROLES: Final = ("listener", "consumer", "relay")
MIGRATIONS: Final = ("fj_bus", "fj_hl7", "patient_service")


@asynccontextmanager
async def consuming(settings: Settings) -> AsyncIterator[Consumer]:
    """The consumer with its handlers, not running."""
    async with database(settings, MIGRATIONS) as pool:
        bus = Bus(pool, BusSettings(kafka=settings.kafka, topic_prefix=settings.topic_prefix), SERVICE)
        consumer = Consumer(bus, SERVICE)
        subscribe(consumer, PostgresPatients)
        yield consumer


async def run(settings: Settings, roles: frozenset[str]) -> None:
    """Run the parts that `roles` asks for until stopped."""
    namespace = UUID(settings.patient_namespace.get_secret_value())
    async with consuming(settings) as consumer:
        bus = consumer.bus
        door = patients_door(Sites.load(settings.sites), namespace, bus.unit, PostgresPatients)
        parts: dict[str, Part] = {
            "listener": MllpServer("patients", settings.mllp_host, settings.mllp_port, door),
            "consumer": consumer,
            "relay": Relay(bus),
        }
        app = api(SERVICE, patients_router(PostgresPatientBook(bus.pool)), operator_router(bus, consumer, Actor))
        chosen = [parts[role] for role in ROLES if role in roles]
        await serve(settings, [database_watch(bus.pool), *chosen], app)


def main() -> None:
    """The program `patient-service`."""
    command(SERVICE, Settings, run, ROLES, MIGRATIONS, bus_commands(consuming))
