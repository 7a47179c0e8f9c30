"""Where `ehr_sync` is put together: settings, projection, ledger, couriers, doors, and the loop."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

from fj_bus import Bus, BusSettings, Consumer, Relay, Tx, bus_commands, operator_router
from fj_runtime import Actor, Part, Periodic, Sites, api, command, database, database_watch, serve

from ehr_sync_service.adapters.hl7 import Hl7Messages
from ehr_sync_service.adapters.ledger import PostgresBacklog, PostgresLedger
from ehr_sync_service.adapters.mllp import MllpWire
from ehr_sync_service.adapters.projection import TABLES, PostgresProjection
from ehr_sync_service.adapters.retention import PostgresRetention
from ehr_sync_service.adapters.search import PostgresRecords
from ehr_sync_service.entrypoints.courier import Bell, Couriers, Tools
from ehr_sync_service.entrypoints.fhir import fhir
from ehr_sync_service.entrypoints.http import deliveries_router
from ehr_sync_service.entrypoints.kafka import subscribe
from ehr_sync_service.entrypoints.sweep import Sweep
from ehr_sync_service.settings import Settings

SERVICE: Final = "ehr_sync"
ROLES: Final = ("courier", "consumer", "relay")
MIGRATIONS: Final = ("fj_bus", "fj_survivors", "ehr_sync_service")
_SWEEP_SECONDS: Final = 15.0
_RETENTION_SECONDS: Final = 3600.0


@asynccontextmanager
async def consuming(settings: Settings, hint: Callable[[], None] | None = None) -> AsyncIterator[Consumer]:
    """The consumer with its handlers, not running. `hint` is called when deliveries were written."""
    async with database(settings, MIGRATIONS) as pool:
        bus = Bus(pool, BusSettings(kafka=settings.kafka, topic_prefix=settings.topic_prefix), SERVICE)
        consumer = Consumer(bus, SERVICE)

        def ledger(tx: Tx) -> PostgresLedger:
            return PostgresLedger(tx, hint)

        subscribe(consumer, PostgresProjection, ledger, settings.wishes)
        yield consumer


async def run(settings: Settings, roles: frozenset[str]) -> None:
    """Run the parts that `roles` asks for until stopped."""
    bell = Bell()
    async with consuming(settings, bell.ring) as consumer:
        bus = consumer.bus
        backlog = PostgresBacklog(bus.pool)
        served = [entry.name for entry in settings.destinations.all]
        sweep = Sweep(bus.unit, PostgresLedger, backlog, settings.policy, served)
        parts: dict[str, tuple[Part, ...]] = {
            "courier": (
                _couriers(settings, bus, backlog, bell),
                Periodic("ledger sweep", _SWEEP_SECONDS, sweep.run),
                Periodic("ledger retention", _RETENTION_SECONDS, PostgresRetention(bus.unit, settings.keep).run),
            ),
            "consumer": (consumer,),
            "relay": (Relay(bus),),
        }
        app = api(
            SERVICE,
            deliveries_router(bus.unit, PostgresLedger, backlog, bell.ring),
            fhir(
                PostgresRecords(bus.pool),
                public_url=settings.public_url,
                patience_seconds=settings.read_patience_seconds,
                started=datetime.now(UTC),
            ),
            operator_router(bus, consumer, Actor),
        )
        chosen = [part for role in ROLES if role in roles for part in parts[role]]
        await serve(settings, [database_watch(bus.pool), *chosen], app)


def main() -> None:
    """The program `ehr-sync-service`."""
    command(SERVICE, Settings, run, ROLES, MIGRATIONS, bus_commands(consuming, TABLES))


def _couriers(settings: Settings, bus: Bus, backlog: PostgresBacklog, bell: Bell) -> Couriers:
    wires = {
        entry.name: MllpWire(
            entry.host, entry.port, connections=settings.connections, answer_seconds=settings.answer_seconds
        )
        for entry in settings.destinations.all
    }
    tools = Tools(
        backlog=backlog,
        messages=Hl7Messages(Sites.load(settings.sites), settings.sending_application),
        unit=bus.unit,
        ledger=PostgresLedger,
        policy=settings.policy,
        poll_seconds=settings.poll_seconds,
    )
    return Couriers(wires, tools, bell)
