"""Where `storage` is put together: settings, index, packs, doors, and the loop."""

from datetime import UTC, datetime
from functools import cache
from typing import Final
from uuid import UUID

from fj_bus import Bus, BusSettings, Consumer, Relay, Tx
from fj_objects import S3Settings, S3Store
from fj_runtime import Part, Sites, api, command, database, database_watch, serve

from storage_service.adapters.book import PostgresStudyBook
from storage_service.adapters.headers import Headers
from storage_service.adapters.index import PostgresIndex
from storage_service.adapters.lists import StoredLists
from storage_service.adapters.metadata import MadeMetadata
from storage_service.adapters.packs import StoredPacks
from storage_service.adapters.pixels import StoredPixels
from storage_service.adapters.postgres import PostgresStudies
from storage_service.adapters.search import PostgresSearches
from storage_service.entrypoints.clock import describing, sweep
from storage_service.entrypoints.dicomweb.qido import search_router
from storage_service.entrypoints.dicomweb.wado import Retrieval, retrieval_router
from storage_service.entrypoints.http import studies_router
from storage_service.entrypoints.kafka import subscribe
from storage_service.handlers import Work
from storage_service.settings import Settings

SERVICE: Final = "storage"
ROLES: Final = ("listener", "consumer", "clock", "relay")
MIGRATIONS: Final = ("fj_bus", "storage_service")


async def run(settings: Settings, roles: frozenset[str]) -> None:
    """Run the parts that `roles` asks for until stopped."""
    s3 = S3Settings.model_validate({})

    @cache
    def store(bucket: str) -> S3Store:
        return S3Store(s3.model_copy(update={"bucket": bucket}))

    async with database(settings, MIGRATIONS) as pool:
        bus = Bus(pool, BusSettings(kafka=settings.kafka, topic_prefix=settings.topic_prefix), SERVICE)
        consumer = Consumer(bus, SERVICE)
        namespace = UUID(settings.patient_namespace.get_secret_value())

        def work(tx: Tx) -> Work:
            return Work(PostgresStudies(tx), settings.rules, datetime.now(UTC))

        subscribe(consumer, work, StoredLists(store), Sites.load(settings.sites), namespace)
        index, packs = PostgresIndex(pool), StoredPacks(store)
        headers = Headers(packs)
        metadata = MadeMetadata(index, headers, store(s3.bucket))
        retrieval = Retrieval(index, packs, StoredPixels(packs, headers), metadata)
        parts: dict[str, list[Part]] = {
            "listener": [database_watch(pool)],
            "consumer": [consumer],
            "clock": [
                sweep(bus.unit, work, settings.sweep_seconds),
                describing(metadata.describe_next),
            ],
            "relay": [Relay(bus)],
        }
        app = api(
            SERVICE,
            studies_router(PostgresStudyBook(pool)),
            search_router(PostgresSearches(pool), settings.search_limit),
            retrieval_router(retrieval),
        )
        await serve(settings, [part for role in ROLES if role in roles for part in parts[role]], app)


def main() -> None:
    """The program `storage-service`."""
    command(SERVICE, Settings, run, ROLES, MIGRATIONS)
