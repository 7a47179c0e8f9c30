"""Where `triage` is put together: settings, store, rules, and the loop."""

from typing import Final

from fj_bus import Bus, BusSettings, Consumer, Relay
from fj_runtime import Part, api, command, database, serve

from triage_service.adapters.postgres import PostgresStudies
from triage_service.adapters.rules import load_rules
from triage_service.entrypoints.http import rules_router
from triage_service.entrypoints.kafka import subscribe
from triage_service.settings import Settings

SERVICE: Final = "triage"
ROLES: Final = ("consumer", "relay")
MIGRATIONS: Final = ("fj_bus", "triage_service")


async def run(settings: Settings, roles: frozenset[str]) -> None:
    """Run the parts that `roles` asks for until stopped."""
    rules = load_rules(settings.rules)
    async with database(settings, MIGRATIONS) as pool:
        bus = Bus(pool, BusSettings(kafka=settings.kafka, topic_prefix=settings.topic_prefix), SERVICE)
        consumer = Consumer(bus, SERVICE)
        subscribe(consumer, PostgresStudies, rules)
        parts: dict[str, Part] = {"consumer": consumer, "relay": Relay(bus)}
        await serve(settings, [parts[role] for role in ROLES if role in roles], api(SERVICE, rules_router(rules)))


def main() -> None:
    """The program `triage-service`."""
    command(SERVICE, Settings, run, ROLES, MIGRATIONS)
