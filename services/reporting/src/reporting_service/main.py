"""Where `reporting` is put together: settings, store, doors, and the loop."""

from typing import Final

from fj_bus import Bus, BusSettings, Consumer, Relay
from fj_hl7 import MllpServer
from fj_runtime import Part, Sites, api, command, database, serve

from reporting_service.adapters.postgres import PostgresReports
from reporting_service.adapters.reading_room import PostgresReadingRoom
from reporting_service.entrypoints.http import reading_router
from reporting_service.entrypoints.kafka import subscribe
from reporting_service.entrypoints.mllp import results_door
from reporting_service.settings import Settings

SERVICE: Final = "reporting"
ROLES: Final = ("listener", "consumer", "relay")
MIGRATIONS: Final = ("fj_bus", "fj_hl7", "reporting_service")


async def run(settings: Settings, roles: frozenset[str]) -> None:
    """Run the parts that `roles` asks for until stopped."""
    async with database(settings, MIGRATIONS) as pool:
        bus = Bus(pool, BusSettings(kafka=settings.kafka, topic_prefix=settings.topic_prefix), SERVICE)
        consumer = Consumer(bus, SERVICE)
        subscribe(consumer, PostgresReports)
        door = results_door(Sites.load(settings.sites), bus.unit, PostgresReports)
        parts: dict[str, Part] = {
            "listener": MllpServer("results", settings.mllp_host, settings.mllp_port, door),
            "consumer": consumer,
            "relay": Relay(bus),
        }
        app = api(SERVICE, reading_router(bus.unit, PostgresReports, PostgresReadingRoom(pool)))
        await serve(settings, [parts[role] for role in ROLES if role in roles], app)


def main() -> None:
    """The program `reporting-service`."""
    command(SERVICE, Settings, run, ROLES, MIGRATIONS)
