"""What `storage` is put together from: what doors and clock share, and the doors."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Self

from fastapi import APIRouter, Depends, FastAPI, Request
from fj_bus import Consumer, Tx, operator_router
from fj_dicom import Peers, RequestorSettings, ScpSettings, Service, storable
from fj_objects import S3Settings, S3Store
from fj_runtime import Actor, api

from storage_service.adapters.accesses import Accesses
from storage_service.adapters.book import PostgresStudyBook
from storage_service.adapters.cache import CachedReads
from storage_service.adapters.cache_files import CacheFolder
from storage_service.adapters.candidates import PostgresCandidates
from storage_service.adapters.coerced import CoercedPacks
from storage_service.adapters.commitments import PostgresCommitments
from storage_service.adapters.confirmed import ConfirmedIndex
from storage_service.adapters.conflicts import StoredConflicts
from storage_service.adapters.directory import Directory
from storage_service.adapters.files import StoredFiles
from storage_service.adapters.headers import Headers
from storage_service.adapters.index import PostgresIndex
from storage_service.adapters.instances import AllSearches
from storage_service.adapters.integrity import PostgresArchive
from storage_service.adapters.keeping_book import PostgresKeepingBook
from storage_service.adapters.keepings import PostgresKeepings
from storage_service.adapters.lifecycle import load_lifecycle
from storage_service.adapters.links import PostgresLinkBook, PostgresLinks
from storage_service.adapters.manifests import Manifests
from storage_service.adapters.metadata import MadeMetadata
from storage_service.adapters.packs import StoredPacks
from storage_service.adapters.pixels import StoredPixels
from storage_service.adapters.postgres import PostgresStudies
from storage_service.adapters.rejections import PostgresNotes, PostgresRejections
from storage_service.adapters.rendering import Renderer
from storage_service.adapters.second_looks import PostgresSecondLooks
from storage_service.adapters.sends import PostgresSends
from storage_service.adapters.supply import PackRetrievals
from storage_service.adapters.transcoding import Transcoder
from storage_service.entrypoints.conflicts import conflicts_router
from storage_service.entrypoints.dicomweb.bulk import bulk_router
from storage_service.entrypoints.dicomweb.qido import search_router
from storage_service.entrypoints.dicomweb.rendered import Showing, rendered_router
from storage_service.entrypoints.dicomweb.wado import Retrieval, frequent_routes, retrieval_router
from storage_service.entrypoints.dicomweb.wado_uri import Old, wado_uri_router
from storage_service.entrypoints.dimse.find import find_services
from storage_service.entrypoints.dimse.retrieve import Source, retrieve_services
from storage_service.entrypoints.given_up import given_up_router
from storage_service.entrypoints.http import studies_router
from storage_service.entrypoints.integrity import integrity_router
from storage_service.entrypoints.keeping import keeping_router, retention_router
from storage_service.entrypoints.linking import Known, linking_router
from storage_service.entrypoints.rejections import rejections_router
from storage_service.entrypoints.sends import sends_router
from storage_service.entrypoints.sight import Sight, only_seen
from storage_service.expiring import Expiring
from storage_service.handlers import Work
from storage_service.ports.studies import StudyBook
from storage_service.settings import Settings
from storage_service.sights import Sights, lookers


@dataclass(frozen=True, slots=True)
class Kept:
    """What doors and clock share."""

    consumer: Consumer
    peers: Peers
    accesses: Accesses
    sights: Sights
    """Who sees what of index and searches."""
    lookers: Sight[Request, StudyBook]
    """Who sees what at `/api/storage`."""
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
    looks: PostgresSecondLooks
    archive: PostgresArchive
    conflicts: StoredConflicts

    @classmethod
    def of(cls, settings: Settings, consumer: Consumer) -> Self:
        """All of it, on the pool of this consumer."""
        pool, unit = consumer.bus.pool, consumer.bus.unit
        manifests = Manifests(pool)
        directory = Directory(pool, manifests)
        index, packs = PostgresIndex(pool, manifests, directory), StoredPacks(reads_of(settings))
        headers, coerced = Headers(packs), CoercedPacks(packs)
        confirmed, accesses = ConfirmedIndex(index, index, pool), Accesses(pool)
        searches, peers = AllSearches(pool, manifests, directory), Peers.load(settings.peers)
        books = PostgresStudyBook(pool), PostgresStudyBook(pool, unconfirmed=False)
        return cls(
            consumer=consumer,
            peers=peers,
            accesses=accesses,
            sights=Sights.of(settings.unconfirmed, peers, (index, confirmed), searches, accesses),
            lookers=lookers(settings.unconfirmed, books),
            directory=directory,
            book=books[0],
            packs=packs,
            coerced=coerced,
            headers=headers,
            pixels=StoredPixels(packs, headers),
            metadata=MadeMetadata(index, headers, store(S3Settings.model_validate({}).bucket)),
            retrievals=PackRetrievals(coerced, Transcoder()),
            requests=PostgresCommitments(pool, unit),
            sends=PostgresSends(pool, unit),
            notes=PostgresNotes(pool, unit),
            looks=PostgresSecondLooks(pool, unit),
            archive=PostgresArchive(pool, unit),
            conflicts=StoredConflicts(pool, manifests, packs, headers),
        )


def queries(settings: Settings, kept: Kept) -> list[Service]:
    """C-FIND, C-GET, C-MOVE."""
    source = Source(kept.sights.callers, kept.retrievals.of)
    return [
        *find_services(kept.sights.querying, settings.ae_title, settings.find_limit),
        *retrieve_services(
            source, kept.peers, RequestorSettings(ae_title=settings.ae_title), storable(settings.sop_classes)
        ),
    ]


def app(name: str, settings: Settings, kept: Kept) -> FastAPI:
    """The HTTP doors."""
    files = StoredFiles(kept.coerced, kept.headers, kept.pixels)
    keepings = PostgresKeepingBook(kept.consumer.bus.pool)
    showing = Showing(kept.sights.readers, Renderer(kept.headers, kept.pixels), kept.pixels)
    retrieval = Retrieval(kept.sights.readers, kept.coerced, kept.pixels, files, kept.metadata)
    return api(
        name,
        # First what is asked for most: routes are tried one after the other.
        retrieval_router(retrieval),
        studies_router(kept.lookers, kept.requests),
        _of_one_study(settings, kept, keepings),
        integrity_router(kept.archive),
        retention_router(keepings, expiring(settings, kept.consumer)),
        given_up_router(kept.requests, kept.notes, kept.looks),
        sends_router(kept.sends, lambda title: kept.peers.get(title) is not None),
        search_router(kept.sights.searchers, settings.search_limit),
        rendered_router(showing),
        bulk_router(retrieval),
        wado_uri_router(Old(showing, files, kept.coerced)),
        operator_router(kept.consumer.bus, kept.consumer, Actor),
        foremost=frequent_routes(retrieval),
    )


def _of_one_study(settings: Settings, kept: Kept, keepings: PostgresKeepingBook) -> APIRouter:
    """What is asked and done under the address of a study, by whoever may see it."""
    unit = kept.consumer.bus.unit
    router = APIRouter(dependencies=[Depends(only_seen(kept.lookers))])
    router.include_router(_linking(settings, kept))
    router.include_router(conflicts_router(kept.conflicts))
    router.include_router(rejections_router(kept.book, kept.notes, unit, rejections_in))
    router.include_router(keeping_router(kept.book, keepings, unit, keepings_in))
    return router


def _linking(settings: Settings, kept: Kept) -> APIRouter:
    """Acts of persons on where studies belong."""

    def begin(tx: Tx) -> tuple[PostgresLinks, Work]:
        studies = PostgresStudies(tx.connection, tx.emit)
        return PostgresLinks(tx.connection), Work(studies, settings.rules, datetime.now(UTC))

    bus = kept.consumer.bus
    near = PostgresCandidates(bus.pool, settings.rules.window)
    return linking_router(bus.unit, begin, Known(PostgresLinkBook(bus.pool), kept.book, near))


def expiring(settings: Settings, consumer: Consumer) -> Expiring:
    """What the rules of FJ_LIFECYCLE let go."""
    bus, rules = consumer.bus, load_lifecycle(settings.lifecycle)
    delay = timedelta(seconds=settings.deletion_delay)
    return Expiring(rules, PostgresKeepingBook(bus.pool), bus.unit, keepings_in, delay)


def keepings_in(tx: Tx) -> PostgresKeepings:
    """How long studies are kept, in this transaction."""
    return PostgresKeepings(tx.connection, tx.emit, S3Settings.model_validate({}).bucket)


def rejections_in(tx: Tx) -> PostgresRejections:
    """What is hidden, in this transaction."""
    return PostgresRejections(tx.connection, tx.emit)


def scp(settings: Settings) -> ScpSettings:
    """The DIMSE door."""
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
