"""Where `scheduling` is put together: settings, stores, doors, and the loop."""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from fj_bus import Bus, BusSettings, Consumer, Relay, Tx
from fj_dicom import Peers, Scp, ScpSettings
from fj_objects import S3Settings, S3Store
from fj_runtime import Part, Sites, api, command, database, database_watch, serve

from scheduling_service.adapters.book import PostgresExamBook
from scheduling_service.adapters.catalogue import load_catalogue
from scheduling_service.adapters.instance_lists import StoredInstanceLists
from scheduling_service.adapters.postgres import PostgresSchedule
from scheduling_service.adapters.worklist import PostgresWorklist
from scheduling_service.entrypoints.http import scheduling_router
from scheduling_service.entrypoints.kafka import subscribe
from scheduling_service.entrypoints.mpps import performed_service
from scheduling_service.entrypoints.performed import Translator
from scheduling_service.entrypoints.worklist import worklist_service
from scheduling_service.handlers import Planner
from scheduling_service.settings import Settings

SERVICE: Final = "scheduling"
ROLES: Final = ("listener", "consumer", "relay")
MIGRATIONS: Final = ("fj_bus", "scheduling_service")


async def run(settings: Settings, roles: frozenset[str]) -> None:
    """Run the parts that `roles` asks for until stopped."""
    sites = Sites.load(settings.sites)
    zones = {site.name: ZoneInfo(site.time_zone) for site in sites}
    catalogue = load_catalogue(settings.catalogue)
    objects = S3Settings()
    lists = StoredInstanceLists(S3Store(objects), objects.bucket)

    def schedule(tx: Tx) -> PostgresSchedule:
        return PostgresSchedule(tx, lambda site: zones.get(site, zones[sites.main.name]))

    async with database(settings, MIGRATIONS) as pool:
        bus = Bus(pool, BusSettings(kafka=settings.kafka, topic_prefix=settings.topic_prefix), SERVICE)
        consumer = Consumer(bus, SERVICE)
        subscribe(consumer, schedule, Planner(catalogue, lambda: datetime.now(UTC)), lists)
        translator = Translator(sites, UUID(settings.patient_namespace.get_secret_value()))
        services = [
            worklist_service(PostgresWorklist(pool), settings.worklist_max),
            performed_service(translator, bus.unit, schedule, lists),
        ]
        parts: dict[str, Part] = {
            "listener": Scp("worklist", _scp(settings), services, Peers.load(settings.peers)),
            "consumer": consumer,
            "relay": Relay(bus),
        }
        app = api(SERVICE, scheduling_router(PostgresExamBook(pool), catalogue))
        await serve(settings, [database_watch(pool), *(parts[role] for role in ROLES if role in roles)], app)


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
    command(SERVICE, Settings, run, ROLES, MIGRATIONS)
