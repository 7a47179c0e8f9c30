"""Where `storage` is put together: settings, index, packs, doors, and the loop."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final
from uuid import UUID

from fj_bus import Bus, BusSettings, Connection, Consumer, Relay, Tx, bus_commands, operator_router
from fj_dicom import Peers, RequestorSettings, Scp, ScpSettings
from fj_events import Fact
from fj_objects import S3Settings, S3Store
from fj_runtime import Actor, Part, Sites, api, command, database, database_watch, serve

from storage_service.adapters import commitments
from storage_service.adapters.book import PostgresStudyBook
from storage_service.adapters.cache import CachedReads
from storage_service.adapters.cache_files import CacheFolder
from storage_service.adapters.commitments import PostgresCommitments, PostgresEvidence
from storage_service.adapters.files import StoredFiles
from storage_service.adapters.headers import Headers
from storage_service.adapters.hearing import GroupHearing
from storage_service.adapters.index import PostgresIndex
from storage_service.adapters.integrity import PostgresArchive, reader
from storage_service.adapters.lists import StoredLists
from storage_service.adapters.metadata import MadeMetadata
from storage_service.adapters.packs import StoredPacks
from storage_service.adapters.pixels import StoredPixels
from storage_service.adapters.postgres import PostgresStudies
from storage_service.adapters.rendering import Renderer
from storage_service.adapters.routes import load_routes
from storage_service.adapters.search import PostgresSearches
from storage_service.adapters.sends import PostgresSends
from storage_service.adapters.supply import PackRetrievals
from storage_service.adapters.telling import DicomTelling
from storage_service.adapters.transcoding import Transcoder
from storage_service.committing import Committing
from storage_service.entrypoints.clock import describing, scrub, sweep
from storage_service.entrypoints.couriers import couriers
from storage_service.entrypoints.dicomweb.qido import search_router
from storage_service.entrypoints.dicomweb.rendered import Showing, rendered_router
from storage_service.entrypoints.dicomweb.wado import Retrieval, retrieval_router
from storage_service.entrypoints.dicomweb.wado_uri import Old, wado_uri_router
from storage_service.entrypoints.dimse.find import find_services
from storage_service.entrypoints.dimse.retrieve import Source, retrieve_services
from storage_service.entrypoints.http import studies_router
from storage_service.entrypoints.integrity import integrity_router
from storage_service.entrypoints.kafka import Aids, subscribe
from storage_service.entrypoints.sends import sends_router
from storage_service.handlers import Work
from storage_service.sending import Sending
from storage_service.settings import Settings
from storage_service.verifying import Verifying

SERVICE: Final = "storage"
ROLES: Final = ("listener", "consumer", "clock", "relay")
MIGRATIONS: Final = ("fj_bus", "storage_service")
PROJECTIONS: Final = ("study", "series", "instance", "pack")
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
        aids = Aids(StoredLists(store), Sites.load(settings.sites), namespace)
        subscribe(consumer, work, commitments.put, aids)
        yield consumer


async def run(settings: Settings, roles: frozenset[str]) -> None:
    """Run the parts that `roles` asks for until stopped."""

    def work(tx: Tx, heard_until: datetime) -> Work:
        return Work(PostgresStudies(tx.connection, tx.emit), settings.rules, heard_until, silence=True)

    async with consuming(settings) as consumer:
        bus = consumer.bus
        index, packs, book = PostgresIndex(bus.pool), StoredPacks(reads_of(settings)), PostgresStudyBook(bus.pool)
        headers = Headers(packs)
        pixels = StoredPixels(packs, headers)
        files = StoredFiles(packs, headers, pixels)
        showing = Showing(index, Renderer(headers, pixels))
        metadata = MadeMetadata(index, headers, store(S3Settings.model_validate({}).bucket))
        searches = PostgresSearches(bus.pool)
        peers = Peers.load(settings.peers)
        retrievals = PackRetrievals(packs, Transcoder())
        queries = [
            *find_services(searches, settings.ae_title, settings.find_limit),
            *retrieve_services(Source(index, retrievals.of), peers, RequestorSettings(ae_title=settings.ae_title)),
        ]
        requests, sends = PostgresCommitments(bus.pool, bus.unit), PostgresSends(bus.pool)
        telling = DicomTelling(peers, settings.commitment_ae_title, settings.ae_title, retrievals)
        sending = Sending(
            sends,
            index,
            load_routes(settings.routes, peers),
            telling.instances,
            telling.availability,
            timedelta(days=settings.send_days),
        )
        committing = Committing(
            requests,
            PostgresEvidence(bus.pool),
            packs,
            GroupHearing(consumer),
            telling.commitment,
            settings.commitment_waits,
        )
        archive = PostgresArchive(bus.pool, bus.unit)
        verifying = Verifying(
            archive, reader(store), timedelta(days=settings.verify_days), settings.verify_bytes_per_second
        )
        parts: dict[str, list[Part]] = {
            "listener": [Scp("query", _scp(settings), queries, peers)],
            "consumer": [consumer],
            "clock": [
                sweep(bus.unit, work, book, GroupHearing(consumer), settings.sweep_seconds),
                describing(metadata.describe_next),
                *couriers("commitment", committing.next),
                *couriers("routing", sending.route_next),
                *couriers("sending", sending.send_next),
                *([scrub(verifying.next)] if settings.verify_bytes_per_second else ()),
            ],
            "relay": [Relay(bus)],
        }
        app = api(
            SERVICE,
            studies_router(book, requests),
            integrity_router(archive),
            sends_router(sends, lambda title: peers.get(title) is not None),
            search_router(searches, settings.search_limit),
            retrieval_router(Retrieval(index, packs, pixels, files, metadata)),
            rendered_router(showing),
            wado_uri_router(Old(showing, files)),
            operator_router(bus, consumer, Actor),
        )
        chosen = [part for role in ROLES if role in roles for part in parts[role]]
        await serve(settings, [database_watch(bus.pool), *chosen], app)


def _scp(settings: Settings) -> ScpSettings:
    return ScpSettings(
        ae_title=settings.ae_title,
        host=settings.dimse_host,
        port=settings.dimse_port,
        callers=frozenset(title.strip() for title in settings.callers.split(",") if title.strip()),
        max_associations=settings.associations_max,
        reuse_port=settings.dimse_processes_share_port,
    )


@cache
def store(bucket: str) -> S3Store:
    """The object store of a bucket (FJ_S3_…)."""
    return S3Store(S3Settings.model_validate({}).model_copy(update={"bucket": bucket}))


def reads_of(settings: Settings) -> Callable[[str], CachedReads]:
    """Gives the packs of a bucket, read through the cache where there is one."""
    folder = CacheFolder(settings.cache_folder, settings.cache_bytes) if settings.cache_folder else None

    @cache
    def reads(bucket: str) -> CachedReads:
        return CachedReads(store(bucket), bucket, folder)

    return reads


def main() -> None:
    """The program `storage-service`."""
    command(SERVICE, Settings, run, ROLES, MIGRATIONS, bus_commands(consuming, PROJECTIONS))
