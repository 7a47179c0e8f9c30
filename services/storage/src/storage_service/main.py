"""Where `storage` is put together: settings, index, packs, doors, and the loop."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time
from functools import partial
from typing import Final
from uuid import UUID

from fj_bus import Bus, BusSettings, Connection, Consumer, Relay, alone, bus_commands
from fj_dicom import Peers, Scp
from fj_events import Fact
from fj_objects import S3Settings
from fj_packs.defaults import defaults_of
from fj_runtime import Part, Sites, Subcommand, command, database, database_watch, serve

from storage_service import parts, unasked
from storage_service.adapters import commitments
from storage_service.adapters.allocator import keep_memory
from storage_service.adapters.anew import PostgresEmptyIndex, StoredToldPacks
from storage_service.adapters.lifecycle import load_tiers
from storage_service.adapters.links import PostgresLinks
from storage_service.adapters.lists import StoredLists
from storage_service.adapters.partings import PostgresPartings
from storage_service.adapters.postgres import PostgresStudies
from storage_service.entrypoints.clock import (
    noting_access,
)
from storage_service.entrypoints.kafka import Aids, subscribe
from storage_service.expiring import COUNTED
from storage_service.handlers import Work
from storage_service.rebuilding import rebuild
from storage_service.settings import Settings

SERVICE: Final = "storage"
ROLES: Final = ("listener", "consumer", "clock", "relay")
MIGRATIONS: Final = ("fj_bus", "fj_survivors", "storage_service")
PROJECTIONS: Final = ("study", "series", "manifest", "pack", "told", "directory_volume", "directory_page")
"""The index. What was said of a study (received, matched, available) is state, not a projection: it stays."""


@asynccontextmanager
async def consuming(settings: Settings) -> AsyncIterator[Consumer]:
    """The consumer with its handlers, not running."""

    def work(connection: Connection, emit: Callable[[Fact], UUID]) -> Work:
        return Work(PostgresStudies(connection, emit), settings.rules, datetime.now(UTC))

    async with database(settings, MIGRATIONS) as pool:
        bus = Bus(pool, BusSettings(kafka=settings.kafka, topic_prefix=settings.topic_prefix), SERVICE)
        consumer = Consumer(bus, SERVICE)
        namespace = UUID(settings.patient_namespace.get_secret_value())
        lists, sites = StoredLists(parts.store), Sites.load(settings.sites)
        aids = Aids(lists, sites, namespace, PostgresLinks, PostgresPartings, parts.keepings_in)
        subscribe(consumer, work, commitments.put, aids)
        yield consumer


async def run(settings: Settings, roles: frozenset[str]) -> None:
    """Run the parts that `roles` asks for until stopped."""
    keep_memory()
    async with consuming(settings) as consumer:
        kept = parts.Kept.of(settings, consumer)
        of_role: dict[str, list[Part]] = {
            "listener": [
                Scp("query", parts.scp(settings), parts.queries(settings, kept), kept.peers),
                *unasked.reading_ahead(settings, kept),
            ],
            "consumer": [consumer],
            "clock": unasked.clock(settings, kept),
            "relay": [Relay(consumer.bus)],
        }
        chosen = [part for role in ROLES if role in roles for part in of_role[role]]
        always = [database_watch(consumer.bus.pool), noting_access(kept.accesses.keep)]
        await serve(settings, [*always, *chosen], parts.app(SERVICE, settings, kept))


async def rebuild_from_packs(settings: Settings) -> int:
    """Make the index anew; the service's consumers must be stopped."""
    defaults = partial(defaults_of, Sites.load(settings.sites), Peers.load(settings.peers))
    namespace = UUID(settings.patient_namespace.get_secret_value())
    buckets = dict.fromkeys((S3Settings.model_validate({}).bucket, *load_tiers(settings.lifecycle).buckets))
    packs = StoredToldPacks([parts.store(bucket) for bucket in buckets], defaults, namespace)
    async with consuming(settings) as consumer, alone(consumer):
        made = await rebuild(PostgresEmptyIndex(consumer.bus.pool, PROJECTIONS), packs)
    for key, reason in made.left_out:
        print(f"{key} left out: {reason}")  # noqa: T201 - for the person at the keyboard
    print(f"{made.packs} packs, {made.instances} instances")  # noqa: T201 - for the person at the keyboard
    return 1 if made.left_out else 0


async def forecast(settings: Settings, on: date | None) -> int:
    """Print what the rules of FJ_LIFECYCLE would retire, by default today; nothing is done."""
    at = datetime.now(UTC) if on is None else datetime.combine(on, time(), UTC)
    async with consuming(settings) as consumer:
        found = await parts.expiring(settings, consumer).forecast(at, COUNTED)
    for due in found.studies:
        print(f"{due.since} {due.study_instance_uid} {due.rule}: {due.reason}")  # noqa: T201 - what was asked for
    more = "" if found.complete else " at least"
    print(f"{found.on}:{more} {found.number_of_studies} studies due")  # noqa: T201 - what was asked for
    return 0


def main() -> None:
    """The program `storage-service`."""
    text = f"make {', '.join(PROJECTIONS)} anew from the packs alone; the service's consumers must be stopped"
    commands: dict[str, Subcommand[Settings]] = {
        **bus_commands(consuming, PROJECTIONS),
        "due": (
            "print which studies the rules of FJ_LIFECYCLE would retire; nothing is done",
            lambda settings, arguments: forecast(settings, arguments.on),
            lambda parser: parser.add_argument("--on", type=date.fromisoformat, help="a day, by default today"),
        ),
        "rebuild-from-packs": (text, lambda settings, _: rebuild_from_packs(settings), lambda _: None),
    }
    command(SERVICE, Settings, run, ROLES, MIGRATIONS, commands)
