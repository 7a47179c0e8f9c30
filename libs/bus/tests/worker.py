"""Processes for the tests to kill: `python -m libs.bus.tests.worker ROLE WORLD.json`."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog
import uvloop
from fj_bus import Consumer, Relay, ownership, publisher
from fj_bus.publisher import Publisher, Record

from libs.bus.tests.world import CupFilled, GuestSeated, World, drink, seat


class Dying(Publisher):
    """Its process is killed when the records stand on the log and the outbox does not know it yet."""

    async def send(self, topic: str, partition: int, records: Sequence[Record], deadline: float) -> int | None:
        await super().send(topic, partition, records, deadline)
        os.kill(os.getpid(), signal.SIGKILL)
        return None


def sleep_before(appends: int) -> None:
    """Let this process fall asleep with records in hand, after so many that went well."""
    append = publisher._append
    seen = 0

    async def sleepy(
        producer: publisher.Producer, topic: str, partition: int, records: Sequence[Record], deadline: float
    ) -> int | None:
        nonlocal seen
        seen += 1
        if seen == appends + 1:
            os.kill(os.getpid(), signal.SIGSTOP)
        return await append(producer, topic, partition, records, deadline)

    publisher._append = sleepy


async def run(role: str, world: World) -> None:
    """Until killed."""
    service = {"consumer": "beta", "dying": "alpha", "sleeping": "alpha"}.get(role, role)
    if role == "dying":
        setattr(ownership, "Publisher", Dying)  # noqa: B010 - what a test replaces is not exported
    if role == "sleeping":
        sleep_before(4)
    async with world.bus(service) as bus:
        part: Relay | Consumer = Relay(bus)
        if role == "consumer":
            consumer = Consumer(bus, "beta")
            consumer.on(CupFilled)(drink)
            consumer.on(GuestSeated)(seat)
            part = consumer
        await part.run(asyncio.Event())


def main() -> None:
    """Read the world, run the role: `alpha` and `beta` are relays, so are the `dying` and `sleeping` ones of alpha."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    known = json.loads(Path(sys.argv[2]).read_text())
    uvloop.run(run(sys.argv[1], World(**known)))


if __name__ == "__main__":
    main()
