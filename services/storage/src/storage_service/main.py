"""Where `storage` is put together: settings, index, packs, doors, and the loop."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, partial
from typing import Final
from uuid import UUID

from fastapi import APIRouter, FastAPI
from fj_bus import Bus, BusSettings, Connection, Consumer, Relay, Tx, alone, bus_commands, operator_router
from fj_dicom import Peers, RequestorSettings, Scp, ScpSettings, Service
from fj_events import Fact
from fj_objects import S3Settings, S3Store
from fj_packs.defaults import defaults_of
from fj_runtime import Actor, Part, Sites, Subcommand, api, command, database, database_watch, serve

from storage_service.adapters import commitments
from storage_service.adapters.accesses import Accesses, WatchedIndex
from storage_service.adapters.anew import PostgresEmptyIndex, StoredToldPacks
from storage_service.adapters.book import PostgresStudyBook
from storage_service.adapters.cache import CachedReads
from storage_service.adapters.cache_files import CacheFolder
from storage_service.adapters.candidates import PostgresCandidates
from storage_service.adapters.coerced import CoercedPacks
from storage_service.adapters.coerced_index import CoercedIndex
from storage_service.adapters.commitments import PostgresCommitments, PostgresEvidence
from storage_service.adapters.directory import Directory, PostgresListing
from storage_service.adapters.doomed import PostgresDoomed, delete_from
from storage_service.adapters.files import StoredFiles
from storage_service.adapters.headers import Headers
from storage_service.adapters.hearing import GroupHearing
from storage_service.adapters.index import PostgresIndex
from storage_service.adapters.instances import AllSearches
from storage_service.adapters.integrity import PostgresArchive, reader
from storage_service.adapters.keeping_book import PostgresKeepingBook
from storage_service.adapters.keepings import PostgresKeepings
from storage_service.adapters.lifecycle import load_lifecycle, load_tiers
from storage_service.adapters.links import PostgresLinkBook, PostgresLinks
from storage_service.adapters.lists import StoredLists
from storage_service.adapters.manifests import Manifests
from storage_service.adapters.metadata import MadeMetadata
from storage_service.adapters.notes import StoredNotes
from storage_service.adapters.packs import StoredPacks
from storage_service.adapters.pixels import StoredPixels
from storage_service.adapters.postgres import PostgresStudies
from storage_service.adapters.priors import PostgresPriors
from storage_service.adapters.rejections import PostgresNotes, PostgresRejections
from storage_service.adapters.rendering import Renderer
from storage_service.adapters.routes import load_routes
from storage_service.adapters.sends import PostgresSends
from storage_service.adapters.supply import PackRetrievals
from storage_service.adapters.telling import DicomTelling
from storage_service.adapters.thinnings import PostgresThinnings, writer
from storage_service.adapters.tierings import PostgresTierings, copies
from storage_service.adapters.transcoding import Transcoder
from storage_service.committing import Committing
from storage_service.entrypoints.clock import (
    describing,
    fetching,
    listing,
    noting,
    noting_access,
    retention,
    scrub,
    sweep,
    tiering,
)
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
from storage_service.entrypoints.keeping import keeping_router, retention_router
from storage_service.entrypoints.linking import Known, linking_router
from storage_service.entrypoints.rejections import rejections_router
from storage_service.entrypoints.sends import sends_router
from storage_service.expiring import COUNTED, Deleting, Expiring
from storage_service.handlers import Work
from storage_service.moving import Moving
from storage_service.prefetching import Prefetching
from storage_service.rebuilding import rebuild
from storage_service.rejecting import Rejecting
from storage_service.sending import Sending
from storage_service.settings import Settings
from storage_service.thinning import Thinning
from storage_service.verifying import Verifying

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
        aids = Aids(StoredLists(store), Sites.load(settings.sites), namespace, PostgresLinks)
        subscribe(consumer, work, commitments.put, aids)
        yield consumer


async def run(settings: Settings, roles: frozenset[str]) -> None:
    """Run the parts that `roles` asks for until stopped."""
    async with consuming(settings) as consumer:
        kept = _Kept.of(settings, consumer)
        parts: dict[str, list[Part]] = {
            "listener": [Scp("query", _scp(settings), _queries(settings, kept), kept.peers)],
            "consumer": [consumer],
            "clock": _clock(settings, kept),
            "relay": [Relay(consumer.bus)],
        }
        chosen = [part for role in ROLES if role in roles for part in parts[role]]
        always = [database_watch(consumer.bus.pool), noting_access(kept.accesses.keep)]
        await serve(settings, [*always, *chosen], _app(settings, kept))


@dataclass(frozen=True, slots=True)
class _Kept:
    """What doors and clock share."""

    consumer: Consumer
    peers: Peers
    index: CoercedIndex
    accesses: Accesses
    watched: WatchedIndex
    """The index as the doors see it."""
    searches: AllSearches
    directory: Directory
    book: PostgresStudyBook
    packs: StoredPacks
    coerced: CoercedPacks
    headers: Headers
    pixels: StoredPixels
    metadata: MadeMetadata
    retrievals: PackRetrievals
    requests: PostgresCommitments
    sends: PostgresSends
    notes: PostgresNotes
    archive: PostgresArchive

    @classmethod
    def of(cls, settings: Settings, consumer: Consumer) -> "_Kept":
        pool, unit = consumer.bus.pool, consumer.bus.unit
        manifests = Manifests(pool)
        directory = Directory(pool, manifests)
        index, packs = PostgresIndex(pool, manifests, directory), StoredPacks(reads_of(settings))
        headers, coerced = Headers(packs), CoercedPacks(packs)
        shown, accesses = CoercedIndex(index, index, pool), Accesses(pool)
        return cls(
            consumer=consumer,
            peers=Peers.load(settings.peers),
            index=shown,
            accesses=accesses,
            watched=WatchedIndex(shown, shown, accesses),
            searches=AllSearches(pool, manifests, directory),
            directory=directory,
            book=PostgresStudyBook(pool),
            packs=packs,
            coerced=coerced,
            headers=headers,
            pixels=StoredPixels(packs, headers),
            metadata=MadeMetadata(index, headers, store(S3Settings.model_validate({}).bucket)),
            retrievals=PackRetrievals(coerced, Transcoder()),
            requests=PostgresCommitments(pool, unit),
            sends=PostgresSends(pool),
            notes=PostgresNotes(pool),
            archive=PostgresArchive(pool, unit),
        )


def _queries(settings: Settings, kept: _Kept) -> list[Service]:
    """C-FIND, C-GET, C-MOVE."""
    source = Source(kept.watched, kept.retrievals.of)
    return [
        *find_services(kept.searches, settings.ae_title, settings.find_limit),
        *retrieve_services(source, kept.peers, RequestorSettings(ae_title=settings.ae_title)),
    ]


def _clock(settings: Settings, kept: _Kept) -> list[Part]:
    """What is done without being asked."""

    def work(tx: Tx, heard_until: datetime) -> Work:
        return Work(PostgresStudies(tx.connection, tx.emit), settings.rules, heard_until, silence=True)

    bus, hearing = kept.consumer.bus, GroupHearing(kept.consumer)
    telling = DicomTelling(kept.peers, settings.commitment_ae_title, settings.ae_title, kept.retrievals)
    routes, patience = load_routes(settings.routes, kept.peers), timedelta(days=settings.send_days)
    sending = Sending(kept.sends, kept.index, routes, telling.instances, telling.availability, patience)
    evidence = PostgresEvidence(kept.directory)
    committing = Committing(kept.requests, evidence, kept.packs, hearing, telling.commitment, settings.commitment_waits)
    every, pace = timedelta(days=settings.verify_days), settings.verify_bytes_per_second
    return [
        sweep(bus.unit, work, kept.book, hearing, settings.sweep_seconds),
        describing(kept.metadata.describe_next),
        listing(PostgresListing(bus.pool).list_next),
        noting(Rejecting(kept.notes, evidence, StoredNotes(kept.headers).read, bus.unit, _rejections).next),
        *couriers("commitment", committing.next),
        *couriers("routing", sending.route_next),
        *couriers("sending", sending.send_next),
        *([fetching(_priors(settings, kept).next)] if settings.cache_folder and settings.priors_hours else ()),
        *_keeping(settings, kept),
        *([scrub(Verifying(kept.archive, reader(store), every, pace).next)] if pace else ()),
    ]


def _priors(settings: Settings, kept: _Kept) -> Prefetching:
    horizon = timedelta(hours=settings.priors_hours)
    limits = (settings.priors_bytes, settings.priors_bytes_per_second)
    return Prefetching(PostgresPriors(kept.consumer.bus.pool), kept.packs, horizon, *limits)


def _keeping(settings: Settings, kept: _Kept) -> list[Part]:
    """What becomes of studies as they grow old."""
    pool = kept.consumer.bus.pool
    deleting = Deleting(PostgresDoomed(pool), delete_from(store, cache_of(settings)))
    delay = timedelta(seconds=settings.deletion_delay)
    expiring = _expiring(settings, kept.consumer)
    thinning = Thinning(
        rules=expiring.rules,
        book=expiring.book,
        unit=expiring.unit,
        keepings=expiring.keepings,
        thinnings=lambda tx: PostgresThinnings(tx.connection),
        write=writer(store),
        delay=delay,
    )
    tierings = PostgresTierings(pool, kept.consumer.bus.unit)
    copy = copies(store, store)
    moving = Moving(load_tiers(settings.lifecycle), tierings, copy, delay, settings.move_bytes_per_second)
    return [
        *retention(expiring, thinning, deleting, settings.lifecycle_seconds),
        tiering(moving, settings.lifecycle_seconds),
    ]


def _app(settings: Settings, kept: _Kept) -> FastAPI:
    files = StoredFiles(kept.coerced, kept.headers, kept.pixels)
    keepings = PostgresKeepingBook(kept.consumer.bus.pool)
    showing = Showing(kept.watched, Renderer(kept.headers, kept.pixels))
    return api(
        SERVICE,
        # First what is asked for most: routes are tried one after the other.
        retrieval_router(Retrieval(kept.watched, kept.coerced, kept.pixels, files, kept.metadata)),
        studies_router(kept.book, kept.requests),
        _linking(settings, kept),
        integrity_router(kept.archive),
        rejections_router(kept.book, kept.notes, kept.consumer.bus.unit, _rejections),
        keeping_router(kept.book, keepings, kept.consumer.bus.unit, _keepings),
        retention_router(keepings, _expiring(settings, kept.consumer)),
        sends_router(kept.sends, lambda title: kept.peers.get(title) is not None),
        search_router(kept.searches, settings.search_limit),
        rendered_router(showing),
        wado_uri_router(Old(showing, files)),
        operator_router(kept.consumer.bus, kept.consumer, Actor),
    )


def _linking(settings: Settings, kept: _Kept) -> APIRouter:
    """Acts of persons on where studies belong."""

    def begin(tx: Tx) -> tuple[PostgresLinks, Work]:
        studies = PostgresStudies(tx.connection, tx.emit)
        return PostgresLinks(tx.connection), Work(studies, settings.rules, datetime.now(UTC))

    bus = kept.consumer.bus
    near = PostgresCandidates(bus.pool, settings.rules.window)
    return linking_router(bus.unit, begin, Known(PostgresLinkBook(bus.pool), kept.book, near))


def _expiring(settings: Settings, consumer: Consumer) -> Expiring:
    bus, rules = consumer.bus, load_lifecycle(settings.lifecycle)
    delay = timedelta(seconds=settings.deletion_delay)
    return Expiring(rules, PostgresKeepingBook(bus.pool), bus.unit, _keepings, delay)


def _keepings(tx: Tx) -> PostgresKeepings:
    return PostgresKeepings(tx.connection, tx.emit, S3Settings.model_validate({}).bucket)


def _rejections(tx: Tx) -> PostgresRejections:
    return PostgresRejections(tx.connection, tx.emit)


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
def store(bucket: str, storage_class: str | None = None) -> S3Store:
    """The object store of a bucket (FJ_S3_…), and the class that objects get which are put there."""
    return S3Store(S3Settings.model_validate({}).model_copy(update={"bucket": bucket}), storage_class)


def cache_of(settings: Settings) -> CacheFolder | None:
    """The read cache, where there is one."""
    return CacheFolder(settings.cache_folder, settings.cache_bytes) if settings.cache_folder else None


def reads_of(settings: Settings) -> Callable[[str], CachedReads]:
    """Gives the packs of a bucket, read through the cache where there is one."""
    folder = cache_of(settings)

    @cache
    def reads(bucket: str) -> CachedReads:
        return CachedReads(store(bucket), bucket, folder)

    return reads


async def rebuild_from_packs(settings: Settings) -> int:
    """Make the index anew; the service's consumers must be stopped."""
    defaults = partial(defaults_of, Sites.load(settings.sites), Peers.load(settings.peers))
    namespace = UUID(settings.patient_namespace.get_secret_value())
    buckets = dict.fromkeys((S3Settings.model_validate({}).bucket, *load_tiers(settings.lifecycle).buckets))
    packs = StoredToldPacks([store(bucket) for bucket in buckets], defaults, namespace)
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
        found = await _expiring(settings, consumer).forecast(at, COUNTED)
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
