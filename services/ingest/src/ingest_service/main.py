"""Where `ingest` is put together: settings, journal, doors, and the way out."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import UUID

import structlog
from fj_bus import Bus, BusSettings, Consumer, Relay, awaiting_operator_router, bus_commands
from fj_dicom import BadPeers, Peers, Scp, ScpSettings, StoreService
from fj_objects import S3Settings, S3Store
from fj_packs.defaults import defaults_of
from fj_runtime import Actor, Health, NotReachable, Part, SettingsError, Sites, api, command, database, serve

from ingest_service.adapters.commitments import PostgresCommitments
from ingest_service.adapters.direct import DirectJournal
from ingest_service.adapters.journal import FolderJournal, Limits
from ingest_service.adapters.postgres import PostgresDigests, PostgresUnit
from ingest_service.adapters.sealed import SealedSegment, take
from ingest_service.domain.commitment import CommitmentRequest, NotKept
from ingest_service.domain.reception import NotAccepted, Reason
from ingest_service.entrypoints.commitment import Keep, commitment_service
from ingest_service.entrypoints.dimse import JournalStorage
from ingest_service.entrypoints.http import journal_router
from ingest_service.entrypoints.kafka import subscribe
from ingest_service.entrypoints.shipper import Shipper
from ingest_service.entrypoints.storable import Storable
from ingest_service.entrypoints.stow import Bounds, stow_router
from ingest_service.entrypoints.sweeper import sweeper
from ingest_service.handlers import NotShipped, request_commitment, ship, ship_now
from ingest_service.ports import Journal
from ingest_service.settings import Settings

if TYPE_CHECKING:
    from asyncpg import Pool, Record

SERVICE: Final = "ingest"
RECEIVER: Final = "receiver"
LISTENER: Final = "listener"
SHIPPER: Final = "shipper"
RELAY: Final = "relay"
CONSUMER: Final = "consumer"
DRAIN: Final = "drain"
ROLES: Final = (RECEIVER, LISTENER, SHIPPER, RELAY, CONSUMER, DRAIN)
MIGRATIONS: Final = ("fj_bus", "ingest_service")
DATABASE_WAIT_S: Final = 5.0
DRAIN_LOOK_S: Final = 1.0

log = structlog.get_logger(__name__)


async def run(settings: Settings, roles: frozenset[str]) -> None:
    """Run the parts that `roles` asks for until stopped; `drain` alone until the journal is empty."""
    if roles == {DRAIN}:
        await _drain(settings)
        return
    out = _WayOut(settings, roles)
    journal = _journal(settings, out)
    parts: list[Part] = [sweeper(journal)]
    if RECEIVER in roles:
        parts.append(_receiver(settings, journal, out.keep))
    parts.append(out)
    routers = [journal_router(journal), awaiting_operator_router(SERVICE, lambda: out.consumer, Actor)]
    if LISTENER in roles:
        bounds = Bounds(settings.stow_bytes_max, settings.journal[0])
        routers.append(stow_router(journal, Storable(settings.sop_classes), settings.stow_site, bounds))
    await serve(settings, parts, api(SERVICE, *routers))


def _journal(settings: Settings, out: "_WayOut") -> FolderJournal | DirectJournal:
    limits = _limits(settings)
    if settings.ack_after == "journal":
        return FolderJournal(settings.journal, limits, out.wake)
    defaults = partial(defaults_of, Sites.load(settings.sites), _peers(settings))
    return DirectJournal(settings.journal[0], limits, out.ship_now, defaults)


class _WayOut:
    """What needs PostgreSQL, from shipping to commitment requests. It is awaited here, so that receiving need not."""

    name = "way-out"

    def __init__(self, settings: Settings, roles: frozenset[str]) -> None:
        self._settings = settings
        self._roles = roles
        self.consumer: Consumer | None = None
        """Of the service's group, for operators; it runs where the role is."""
        self._shipper: Shipper | None = None
        self._way: _Way | None = None
        self._loop = asyncio.get_running_loop()

    async def keep(self, request: CommitmentRequest) -> None:
        """Commit a storage commitment request. Raises TransactionReused, NotKept."""
        if self.consumer is None:
            raise NotKept
        await request_commitment(request, PostgresCommitments(self.consumer.bus.unit), datetime.now(UTC))

    def ship_now(self, segment: SealedSegment) -> None:
        """Ship a segment; for the thread of whoever waits for it. Raises NotAccepted."""
        way = self._way
        if way is None:
            raise NotAccepted(Reason.OUT_OF_RESOURCES, "the database cannot be reached")
        shipping = ship_now(segment, way.digests, way.packs, way.namespace, self._settings.object_deadline)
        try:
            asyncio.run_coroutine_threadsafe(shipping, self._loop).result()
        except NotShipped as reason:
            raise NotAccepted(Reason.OUT_OF_RESOURCES, "object store or database cannot be reached") from reason

    def wake(self) -> None:
        """A segment was sealed. For any thread."""
        if self._shipper is not None:
            self._shipper.wake()

    def health(self) -> Health:
        """Well, as what cannot leave stays in journal and outbox and receiving goes on; unless senders wait for it."""
        if self._shipper is None:
            return Health(ok=self._settings.ack_after == "journal", detail="PostgreSQL is awaited")
        return Health(ok=True, detail=self._shipper.health().detail)

    async def run(self, stop: asyncio.Event) -> None:
        """Ship and relay until `stop` is set. Raises SchemaTooOld."""
        while not stop.is_set():
            try:
                async with database(self._settings, MIGRATIONS, DATABASE_WAIT_S) as pool:
                    await self._work(pool, stop)
            except NotReachable as reason:
                log.warning("receiving goes on without a database", reason=str(reason))

    async def _work(self, pool: "Pool[Record]", stop: asyncio.Event) -> None:
        bus = _bus(self._settings, pool)
        self.consumer = consumer = _consumer(bus)
        self._way = _Way.of(self._settings, bus)
        self._shipper = _shipper(self._settings, self._way)
        async with asyncio.TaskGroup() as group:
            group.create_task(_until(stop))
            if SHIPPER in self._roles:
                group.create_task(self._shipper.run(stop))
            if RELAY in self._roles:
                group.create_task(Relay(bus).run(stop))
            if CONSUMER in self._roles:
                group.create_task(consumer.run(stop))


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()


async def _drain(settings: Settings) -> None:
    """Ship all that lies in the journal, whatever comes between; the relays of other processes do the rest."""
    async with database(settings, MIGRATIONS) as pool:
        shipper = _shipper(settings, _Way.of(settings, _bus(settings, pool)))
        journal = FolderJournal(settings.journal, _limits(settings), shipper.wake)
        while journal.status().segments:
            await shipper.round(asyncio.Event())
            await asyncio.sleep(DRAIN_LOOK_S)


def _bus(settings: Settings, pool: "Pool[Record]") -> Bus:
    return Bus(pool, BusSettings(kafka=settings.kafka, topic_prefix=settings.topic_prefix), SERVICE)


def _consumer(bus: Bus) -> Consumer:
    consumer = Consumer(bus, SERVICE)
    subscribe(consumer, PostgresUnit)
    return consumer


@asynccontextmanager
async def consuming(settings: Settings) -> AsyncIterator[Consumer]:
    """The consumer with its handlers, not running."""
    async with database(settings, MIGRATIONS) as pool:
        yield _consumer(_bus(settings, pool))


@dataclass(frozen=True, slots=True)
class _Way:
    """What a segment leaves through."""

    digests: PostgresDigests
    packs: S3Store
    namespace: UUID

    @classmethod
    def of(cls, settings: Settings, bus: Bus) -> "_Way":
        namespace = UUID(settings.patient_namespace.get_secret_value())
        return cls(PostgresDigests(bus.pool, bus.unit), S3Store(S3Settings()), namespace)


def _shipper(settings: Settings, way: _Way) -> Shipper:
    sites, peers = Sites.load(settings.sites), _peers(settings)

    def segments() -> Iterator[SealedSegment]:
        return take(settings.journal, partial(defaults_of, sites, peers))

    return Shipper(segments, partial(ship, digests=way.digests, packs=way.packs, namespace=way.namespace))


def _peers(settings: Settings) -> Peers:
    try:
        return Peers.load(settings.peers)
    except BadPeers as error:
        raise SettingsError(str(error)) from None


def _receiver(settings: Settings, journal: Journal, keep: Keep) -> Scp:
    scp = ScpSettings(
        ae_title=settings.ae_title,
        host=settings.dimse_host,
        port=settings.dimse_port,
        callers=settings.callers,
        known_callers_only=settings.known_callers_only,
        operations_window=settings.operations_window,
        max_associations=settings.associations_max,
        idle_timeout_s=settings.idle_timeout,
        network_timeout_s=settings.network_timeout,
        reuse_port=True,
    )
    peers = _peers(settings)
    storing = StoreService(Storable(settings.sop_classes).contexts, JournalStorage(journal))
    return Scp("store", scp, [storing, commitment_service(keep, peers)], peers)


def _limits(settings: Settings) -> Limits:
    return Limits(settings.segment_bytes, settings.segment_idle, settings.segment_age, settings.journal_free_min)


def main() -> None:
    """The program `ingest-service`."""
    command(SERVICE, Settings, run, ROLES, MIGRATIONS, bus_commands(consuming))
