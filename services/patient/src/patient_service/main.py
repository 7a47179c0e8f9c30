"""Where `patient` is put together: settings, store, doors, and the loop."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final
from uuid import UUID

from fj_bus import Bus, BusSettings, Consumer, Relay, Tx, bus_commands, operator_router
from fj_doors import Keeper, Subject, explain_command, messages_router, profiles_watch
from fj_hl7 import MllpServer
from fj_runtime import Actor, Part, Periodic, Sites, api, command, database, database_watch, serve

from patient_service.adapters.candidates import PostgresCandidates
from patient_service.adapters.crossing import PostgresCrossReferences
from patient_service.adapters.duplicates import PostgresDuplicateBook, PostgresDuplicates
from patient_service.adapters.links import PostgresLinkBook, PostgresLinks
from patient_service.adapters.merges import PostgresMerges
from patient_service.adapters.postgres import PostgresPatientBook, PostgresPatients
from patient_service.adapters.stays import PostgresStays
from patient_service.adapters.visits import PostgresVisitBook, PostgresVisits
from patient_service.domain.matching import Rules
from patient_service.duplicates import Work
from patient_service.entrypoints.duplicates import duplicates_router
from patient_service.entrypoints.explain import understood
from patient_service.entrypoints.http import merges_router, patients_router
from patient_service.entrypoints.kafka import subscribe
from patient_service.entrypoints.match import match_router
from patient_service.entrypoints.mllp import KINDS, Stores, patients_door
from patient_service.entrypoints.persons import links_router
from patient_service.entrypoints.pix import pix_router
from patient_service.entrypoints.visits import visits_router
from patient_service.settings import Settings, load_rules

SERVICE: Final = "patient"
ROLES: Final = ("listener", "consumer", "relay")
MIGRATIONS: Final = ("fj_bus", "fj_hl7", "patient_service")
_RETENTION_SECONDS: Final = 3600.0
_PARTS_SECONDS: Final = 60.0


@asynccontextmanager
async def consuming(settings: Settings) -> AsyncIterator[Consumer]:
    """The consumer with its handlers, not running."""
    async with database(settings, MIGRATIONS) as pool:
        bus = Bus(pool, BusSettings(kafka=settings.kafka, topic_prefix=settings.topic_prefix), SERVICE)
        consumer = Consumer(bus, SERVICE)
        work = work_with(load_rules(settings.matching))
        subscribe(consumer, PostgresPatients, PostgresMerges, PostgresVisits, work)
        yield consumer


def _explained(settings: Settings) -> Subject:
    namespace = UUID(settings.patient_namespace.get_secret_value())
    return Subject("patients", KINDS, partial(understood, Sites.load(settings.sites), namespace))


def work_with(rules: Rules) -> Callable[[Tx], Work]:
    """What looking for duplicates needs, made of one transaction."""
    return lambda tx: Work(PostgresDuplicates(tx), PostgresLinks(tx), PostgresPatients(tx), rules)


async def run(settings: Settings, roles: frozenset[str]) -> None:
    """Run the parts that `roles` asks for until stopped."""
    namespace = UUID(settings.patient_namespace.get_secret_value())
    async with consuming(settings) as consumer:
        bus = consumer.bus
        stores = Stores(PostgresPatients, PostgresMerges, PostgresLinks, PostgresVisits, PostgresStays)
        sites = Sites.load(settings.sites)
        keeper = Keeper.of(bus, sites, settings.load_profiles(), settings.seal, settings.keep)
        door = patients_door(sites, namespace, bus.unit, stores, keeper.intake)
        parts: dict[str, tuple[Part, ...]] = {
            "listener": (
                MllpServer("patients", settings.mllp_host, settings.mllp_port, door),
                Periodic("hl7 retention", _RETENTION_SECONDS, lambda: keeper.ledger.forget(bus.pool)),
                Periodic("hl7 parts", _PARTS_SECONDS, door.give_up_parts),
                profiles_watch(keeper.profiles),
            ),
            "consumer": (consumer,),
            "relay": (Relay(bus),),
        }
        book = PostgresPatientBook(bus.pool)
        undo = merges_router(book, bus.unit, PostgresPatients, PostgresMerges)
        links = links_router(PostgresLinkBook(bus.pool), bus.unit, PostgresPatients, PostgresLinks)
        stores_of_visits = PostgresPatients, PostgresVisits, PostgresStays
        moved = visits_router(PostgresVisitBook(bus.pool), bus.unit, *stores_of_visits)
        pix = pix_router(PostgresCrossReferences(bus.pool, namespace, [site.issuers.patient for site in sites]))
        rules = load_rules(settings.matching)
        review = duplicates_router(PostgresDuplicateBook(bus.pool), bus.unit, work_with(rules))
        match = match_router(PostgresCandidates(bus.pool), rules, settings.public_url)
        app = api(
            SERVICE,
            patients_router(book),
            undo,
            links,
            moved,
            review,
            pix,
            match,
            messages_router(keeper, door),
            operator_router(bus, consumer, Actor),
        )
        chosen = [part for role in ROLES if role in roles for part in parts[role]]
        await serve(settings, [database_watch(bus.pool), *chosen], app)


def main() -> None:
    """The program `patient-service`."""
    command(SERVICE, Settings, run, ROLES, MIGRATIONS, bus_commands(consuming) | explain_command(_explained))
