"""Processes for the tests to kill: `python -m libs.bus.tests.worker ROLE WORLD.json`."""

import asyncio
import json
import sys
from pathlib import Path

import structlog
import uvloop
from fj_bus import Consumer, Relay, Stranger, Tx
from fj_runtime import Part
from libs.bus.tests.world import CupDrunk, CupFilled, GuestSeated, World


async def drink(fact: CupFilled, tx: Tx) -> None:
    """Needs the guest: parks without."""
    if await tx.connection.fetchval("SELECT true FROM guest WHERE cup = $1", fact.cup) is None:
        raise Stranger("guest", fact.cup)
    await tx.connection.execute("INSERT INTO effect (cup, n) VALUES ($1, $2)", fact.cup, fact.n)
    tx.emit(CupDrunk(site=fact.site, cup=fact.cup, n=fact.n))


async def seat(fact: GuestSeated, tx: Tx) -> None:
    """What the cups wait for."""
    await tx.connection.execute("INSERT INTO guest VALUES ($1) ON CONFLICT DO NOTHING", fact.cup)
    tx.wake("guest", fact.cup)


async def run(role: str, world: World) -> None:
    """Until killed."""
    service = "beta" if role == "consumer" else role
    async with world.bus(service) as bus:
        part: Part = Relay(bus)
        if role == "consumer":
            consumer = Consumer(bus, "beta")
            consumer.on(CupFilled)(drink)
            consumer.on(GuestSeated)(seat)
            part = consumer
        await part.run(asyncio.Event())


def main() -> None:
    """Read the world, run the role: `alpha` and `beta` are relays."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    known = json.loads(Path(sys.argv[2]).read_text())
    uvloop.run(run(sys.argv[1], World(**known)))


if __name__ == "__main__":
    main()
