"""What `storage` does without being asked."""

from datetime import datetime, timedelta

from fj_bus import Tx
from fj_runtime import Part

from storage_service.adapters.commitments import PostgresEvidence
from storage_service.adapters.directory import PostgresListing
from storage_service.adapters.doomed import PostgresDoomed, delete_from
from storage_service.adapters.gathering import PostgresPieces
from storage_service.adapters.hearing import GroupHearing
from storage_service.adapters.integrity import reader
from storage_service.adapters.joining import joiner
from storage_service.adapters.lifecycle import load_tiers
from storage_service.adapters.notes import StoredNotes
from storage_service.adapters.postgres import PostgresStudies
from storage_service.adapters.priors import PostgresPriors
from storage_service.adapters.routes import load_routes
from storage_service.adapters.telling import DicomTelling
from storage_service.adapters.thinnings import PostgresThinnings, writer
from storage_service.adapters.tierings import PostgresTierings, copies
from storage_service.committing import Committing
from storage_service.entrypoints.clock import (
    describing,
    fetching,
    gathering,
    listing,
    looking_again,
    noting,
    retention,
    scrub,
    sweep,
    tiering,
)
from storage_service.entrypoints.couriers import couriers
from storage_service.expiring import Deleting
from storage_service.gathering import Gathering
from storage_service.handlers import Work
from storage_service.looking import Looking
from storage_service.moving import Moving
from storage_service.parts import Kept, cache_of, expiring, rejections_in, store
from storage_service.prefetching import Prefetching
from storage_service.rejecting import Rejecting
from storage_service.sending import Sending
from storage_service.settings import Settings
from storage_service.thinning import Thinning
from storage_service.verifying import Verifying


def reading_ahead(settings: Settings, kept: Kept) -> list[Part]:
    """What is done where somebody will read."""
    folder = cache_of(settings)
    if folder is None or not settings.priors_hours:
        return []
    horizon = timedelta(hours=settings.priors_hours)
    limits = (settings.priors_bytes, settings.priors_bytes_per_second)
    priors = PostgresPriors(kept.consumer.bus.pool)
    return [fetching(Prefetching(priors, kept.packs, folder.alone, horizon, *limits).next)]


def clock(settings: Settings, kept: Kept) -> list[Part]:
    """What is done without being asked."""

    def work(tx: Tx, heard_until: datetime) -> Work:
        return Work(PostgresStudies(tx.connection, tx.emit), settings.rules, heard_until, silence=True)

    bus, hearing = kept.consumer.bus, GroupHearing(kept.consumer)
    telling = DicomTelling(kept.peers, settings.commitment_ae_title, settings.ae_title, kept.retrievals)
    routes, patience = load_routes(settings.routes, kept.peers), timedelta(days=settings.send_days)
    receivers = kept.sights.receivers
    sending = Sending(
        kept.sends,
        lambda title: receivers.of((title,)),
        routes,
        telling.instances,
        telling.availability,
        patience,
    )
    evidence = PostgresEvidence(kept.directory)
    committing = Committing(kept.requests, evidence, kept.packs, hearing, telling.commitment, settings.commitment_waits)
    every, pace = timedelta(days=settings.verify_days), settings.verify_bytes_per_second
    return [
        sweep(bus.unit, work, kept.book, hearing, settings.sweep_seconds),
        looking_again(Looking(kept.looks).next),
        describing(kept.metadata.describe_next),
        listing(PostgresListing(bus.pool).list_next),
        gathering(_gathering(settings, kept)),
        noting(Rejecting(kept.notes, evidence, StoredNotes(kept.headers).read, bus.unit, rejections_in).next),
        *couriers("commitment", committing.next),
        *couriers("routing", sending.route_next),
        *couriers("sending", sending.send_next),
        *_keeping(settings, kept),
        *([scrub(Verifying(kept.archive, reader(store), every, pace).next)] if pace else ()),
    ]


def _gathering(settings: Settings, kept: Kept) -> Gathering:
    bus = kept.consumer.bus
    return Gathering(
        pieces=PostgresPieces(bus.pool, bus.unit),
        join=joiner(store),
        warm=kept.packs.keep,
        silence=settings.rules.patience.quiet_time,
        delay=timedelta(seconds=settings.deletion_delay),
        bytes_per_second=settings.move_bytes_per_second,
    )


def _keeping(settings: Settings, kept: Kept) -> list[Part]:
    """What becomes of studies as they grow old."""
    pool = kept.consumer.bus.pool
    deleting = Deleting(PostgresDoomed(pool), delete_from(store, cache_of(settings)))
    delay = timedelta(seconds=settings.deletion_delay)
    due = expiring(settings, kept.consumer)
    thinning = Thinning(
        rules=due.rules,
        book=due.book,
        unit=due.unit,
        keepings=due.keepings,
        thinnings=lambda tx: PostgresThinnings(tx.connection),
        write=writer(store),
        delay=delay,
    )
    tierings = PostgresTierings(pool, kept.consumer.bus.unit)
    copy = copies(store, store)
    moving = Moving(load_tiers(settings.lifecycle), tierings, copy, delay, settings.move_bytes_per_second)
    return [
        *retention(due, thinning, deleting, settings.lifecycle_seconds),
        tiering(moving, settings.lifecycle_seconds),
    ]
