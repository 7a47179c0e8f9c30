"""Where `portal` is put together: settings, projection, pages, and the loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fj_bus import Bus, BusSettings, Consumer, Relay, bus_commands, operator_router
from fj_runtime import Actor, Part, api, command, database, database_watch, serve

from portal_service.adapters.acts import PostgresActBook, PostgresActs
from portal_service.adapters.book import PostgresExamBook
from portal_service.adapters.duplicates import PostgresPairBook, PostgresPairs
from portal_service.adapters.postgres import TABLES, PostgresExams
from portal_service.entrypoints.changes import Watch, changes_router
from portal_service.entrypoints.counting import counting
from portal_service.entrypoints.dismissing import dismissing_router
from portal_service.entrypoints.exceptions import exception_pages, exceptions_router
from portal_service.entrypoints.http import exams_router
from portal_service.entrypoints.kafka import subscribe
from portal_service.entrypoints.pages import pages_router
from portal_service.entrypoints.schedule import schedule_router
from portal_service.settings import Settings

SERVICE: Final = "portal"
ROLES: Final = ("listener", "consumer", "relay")
MIGRATIONS: Final = ("fj_bus", "fj_survivors", "portal_service")


@asynccontextmanager
async def consuming(settings: Settings) -> AsyncIterator[Consumer]:
    """The consumer with its handlers, not running.

    One lane: facts of one exam stand in seven topics, and lanes that wait for each other's exams gain nothing.
    """
    async with database(settings, MIGRATIONS) as pool:
        bus = Bus(pool, BusSettings(kafka=settings.kafka, topic_prefix=settings.topic_prefix, lanes=1), SERVICE)
        consumer = Consumer(bus, SERVICE)
        subscribe(consumer, PostgresExams, PostgresPairs, PostgresActs)
        yield consumer


async def run(settings: Settings, roles: frozenset[str]) -> None:
    """Run the parts that `roles` asks for until stopped."""
    async with consuming(settings) as consumer:
        book = PostgresExamBook(consumer.bus.pool)
        watch, pairs, acts = Watch(book), PostgresPairBook(consumer.bus.pool), PostgresActBook(consumer.bus.pool)
        parts: dict[str, list[Part]] = {
            "listener": [watch, counting(book)],
            "consumer": [consumer],
            "relay": [Relay(consumer.bus)],
        }
        app = api(
            SERVICE,
            exams_router(book),
            exceptions_router(book, acts),
            dismissing_router(book, consumer.bus.unit),
            changes_router(watch),
            operator_router(consumer.bus, consumer, Actor),
            pages_router(book, pairs, settings.viewer),
            exception_pages(book, pairs, acts, settings.viewer),
            schedule_router(settings.viewer),
        )
        chosen = [part for role in ROLES if role in roles for part in parts[role]]
        await serve(settings, [database_watch(consumer.bus.pool), *chosen], app)


def main() -> None:
    """The program `portal-service`."""
    command(SERVICE, Settings, run, ROLES, MIGRATIONS, bus_commands(consuming, TABLES))
