"""Where `scheduling` is put together: settings, stores, doors, and the loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from fj_bus import Bus, BusSettings, Consumer, Relay, Tx, bus_commands, operator_router
from fj_dicom import Peers, Request, Scp, ScpSettings
from fj_doors import Keeper, Subject, explain_command, messages_router, profiles_watch
from fj_hl7 import Door, MllpServer
from fj_objects import S3Settings, S3Store
from fj_runtime import Actor, Part, Periodic, Sites, api, command, database, database_watch, serve

from scheduling_service import forwarding
from scheduling_service.adapters.appointed import PostgresAppointments
from scheduling_service.adapters.awaited import forget
from scheduling_service.adapters.book import PostgresExamBook
from scheduling_service.adapters.catalogue import load_catalogue
from scheduling_service.adapters.forwards import PostgresForwards, PostgresForwardsBook
from scheduling_service.adapters.forwards import forget as forget_forwards
from scheduling_service.adapters.instance_lists import StoredInstanceLists
from scheduling_service.adapters.noted import PostgresNotedBook
from scheduling_service.adapters.noted import forget as forget_noted
from scheduling_service.adapters.occupied import PostgresRooms
from scheduling_service.adapters.postgres import PostgresSchedule
from scheduling_service.adapters.receivers import DicomReceivers
from scheduling_service.adapters.waiting import PostgresWaitingList
from scheduling_service.adapters.worklist import PostgresWorklist
from scheduling_service.appointments import Desk
from scheduling_service.diaries import Diaries
from scheduling_service.domain.catalogue import Catalogue
from scheduling_service.domain.forward import Report
from scheduling_service.entrypoints.agenda import agenda_router
from scheduling_service.entrypoints.appointments import appointments_router
from scheduling_service.entrypoints.by_hand import by_hand_router
from scheduling_service.entrypoints.explain import understood
from scheduling_service.entrypoints.fhir import FhirOffice, fhir
from scheduling_service.entrypoints.forwards import forwards_router
from scheduling_service.entrypoints.free_slots import free_slots_router
from scheduling_service.entrypoints.http import scheduling_router
from scheduling_service.entrypoints.kafka import subscribe
from scheduling_service.entrypoints.mllp import KINDS, appointments_door
from scheduling_service.entrypoints.mpps import PassOn, performed_service
from scheduling_service.entrypoints.office import Office
from scheduling_service.entrypoints.performed import Translator
from scheduling_service.entrypoints.unordered import unordered_router
from scheduling_service.entrypoints.waiting import waiting_router
from scheduling_service.entrypoints.worklist import worklist_service
from scheduling_service.forwarding import Forwarding
from scheduling_service.handlers import Planner
from scheduling_service.settings import Settings
from scheduling_service.waiting import TakingUp

SERVICE: Final = "scheduling"
ROLES: Final = ("listener", "consumer", "relay")
MIGRATIONS: Final = ("fj_bus", "fj_hl7", "fj_survivors", "scheduling_service")
_RETENTION_SECONDS: Final = 3600.0
_PARTS_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.5
_DAY_SECONDS: Final = 86_400.0
_FREED_SECONDS: Final = 2.0
_WAITING_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True)
class _Equipment:
    """What does not depend on the database."""

    sites: Sites
    catalogue: Catalogue
    lists: StoredInstanceLists

    @classmethod
    def of(cls, settings: Settings) -> "_Equipment":
        objects = S3Settings.model_validate({})
        lists = StoredInstanceLists(S3Store(objects), objects.bucket)
        return cls(Sites.load(settings.sites), load_catalogue(settings.catalogue), lists)

    def schedule(self, tx: Tx) -> PostgresSchedule:
        return PostgresSchedule(tx, self._zone_of)

    @property
    def desk(self) -> Desk:
        """What booking needs."""
        return Desk(self.catalogue, self._zone_of, lambda: datetime.now(UTC))

    def _zone_of(self, name: str) -> ZoneInfo:
        site = next((site for site in self.sites if site.name == name), self.sites.main)
        return ZoneInfo(site.time_zone)


@asynccontextmanager
async def consuming(settings: Settings) -> AsyncIterator[Consumer]:
    """The consumer with its handlers, not running."""
    with_ = _Equipment.of(settings)
    async with database(settings, MIGRATIONS) as pool:
        bus = Bus(pool, BusSettings(kafka=settings.kafka, topic_prefix=settings.topic_prefix), SERVICE)
        consumer = Consumer(bus, SERVICE)
        subscribe(
            consumer, with_.schedule, Planner(with_.catalogue, lambda: datetime.now(UTC)), with_.lists, with_.desk
        )
        yield consumer


def _explained(settings: Settings) -> Subject:
    return Subject("appointments", tuple(KINDS), partial(understood, Sites.load(settings.sites)))


async def run(settings: Settings, roles: frozenset[str]) -> None:
    """Run the parts that `roles` asks for until stopped."""
    with_ = _Equipment.of(settings)
    peers = Peers.load(settings.peers)
    translator = Translator(with_.sites, UUID(settings.patient_namespace.get_secret_value()))
    async with consuming(settings) as consumer:
        bus = consumer.bus
        keeper = Keeper.of(bus, with_.sites, settings.load_profiles(), settings.seal, settings.keep)
        door = appointments_door(with_.sites, bus.unit, with_.schedule, with_.desk, keeper.intake)
        services = [
            worklist_service(PostgresWorklist(bus.pool), with_.catalogue, settings.worklist_max),
            performed_service(translator, bus.unit, with_.schedule, with_.lists, _pass_on(peers)),
        ]
        parts: dict[str, tuple[Part, ...]] = {
            "listener": (
                Scp("worklist", _scp(settings), services, peers),
                *_appointments(settings, bus, keeper, door),
            ),
            "consumer": (consumer, *_taking_up(settings, bus, with_)),
            "relay": (Relay(bus), *_forwarding(settings, bus, peers)),
        }
        office = Office(bus.unit, with_.schedule, PostgresExamBook(bus.pool), PostgresRooms(bus.pool), with_.desk)
        app = api(
            SERVICE,
            scheduling_router(PostgresExamBook(bus.pool), with_.catalogue, bus.unit, with_.schedule, with_.lists),
            appointments_router(office),
            free_slots_router(office),
            agenda_router(office),
            by_hand_router(office, with_.lists),
            fhir(
                FhirOffice(
                    Diaries([site.name for site in with_.sites], office.rooms, office.desk),
                    PostgresAppointments(bus.pool),
                    settings.public_url,
                )
            ),
            waiting_router(office, PostgresWaitingList(bus.pool)),
            unordered_router(office, PostgresNotedBook(bus.pool), with_.sites),
            messages_router(keeper, door),
            forwards_router(PostgresForwardsBook(bus.pool, bus.unit)),
            operator_router(bus, consumer, Actor),
        )
        chosen = [part for role in ROLES if role in roles for part in parts[role]]
        await serve(settings, [database_watch(bus.pool), *chosen], app)


def _appointments(settings: Settings, bus: Bus, keeper: Keeper, door: Door[Tx]) -> tuple[Part, ...]:
    """The door for appointments, and the end of what it keeps."""
    days = settings.mllp_retention_days
    return (
        MllpServer("appointments", settings.mllp_host, settings.mllp_port, door),
        Periodic("hl7 retention", _RETENTION_SECONDS, lambda: keeper.ledger.forget(bus.pool)),
        Periodic("hl7 parts", _PARTS_SECONDS, door.give_up_parts),
        profiles_watch(keeper.profiles),
        Periodic("orders that do not come", _RETENTION_SECONDS, lambda: forget(bus.pool, days)),
        Periodic("noted appointments", _RETENTION_SECONDS, lambda: forget_noted(bus.unit, days)),
    )


def _taking_up(settings: Settings, bus: Bus, with_: _Equipment) -> tuple[Part, ...]:
    """Slots for those who wait; where persons give them, what became free is only forgotten."""
    waiting_list = PostgresWaitingList(bus.pool)
    if not settings.take_up:
        return (Periodic("freed slots", _WAITING_SECONDS, waiting_list.forget_freed),)
    notice = timedelta(minutes=settings.notice_minutes)
    taking_up = TakingUp(waiting_list, bus.unit, with_.schedule, with_.desk, notice)
    return (
        Periodic("freed slots", _FREED_SECONDS, taking_up.where_freed, seconds_max=600),
        Periodic("waiting list", _WAITING_SECONDS, taking_up.everywhere, seconds_max=600),
    )


def _wanting(peers: Peers) -> tuple[str, ...]:
    """The AE titles that want MPPS."""
    return tuple(peer.ae_title for peer in peers if peer.performed_procedure_steps)


def _pass_on(peers: Peers) -> PassOn:
    wanting = _wanting(peers)

    async def pass_on(request: Request, report: Report, tx: Tx) -> None:
        await forwarding.pass_on(report, request.caller.ae_title, wanting, PostgresForwards(tx))

    return pass_on


def _forwarding(settings: Settings, bus: Bus, peers: Peers) -> tuple[Part, ...]:
    """A part for each receiver, so that one that is away holds up nobody else; and the end of what is kept."""
    wanting = _wanting(peers)
    sender = Forwarding(
        PostgresForwardsBook(bus.pool, bus.unit),
        DicomReceivers(peers, settings.ae_title),
        timedelta(days=settings.forward_days),
    )
    days = settings.forward_retention_days
    return (
        *(
            Periodic(f"mpps to {title}", _LOOK_SECONDS, partial(sender.go_on, title), seconds_max=_DAY_SECONDS)
            for title in wanting
        ),
        Periodic("mpps that nobody wants", _RETENTION_SECONDS, lambda: sender.give_up_lost(wanting)),
        Periodic("mpps retention", _RETENTION_SECONDS, lambda: forget_forwards(bus.unit, days)),
    )


def _scp(settings: Settings) -> ScpSettings:
    return ScpSettings(
        ae_title=settings.ae_title,
        host=settings.dimse_host,
        port=settings.dimse_port,
        callers=frozenset(title.strip() for title in settings.callers.split(",") if title.strip()),
        max_associations=settings.associations_max,
        reuse_port=settings.dimse_processes_share_port,
    )


def main() -> None:
    """The program `scheduling-service`."""
    command(SERVICE, Settings, run, ROLES, MIGRATIONS, bus_commands(consuming) | explain_command(_explained))
