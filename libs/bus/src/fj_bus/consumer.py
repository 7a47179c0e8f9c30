"""The consumer of a service: a part of its process."""

import asyncio
from collections.abc import Callable

from fj_bus.bus import Bus
from fj_bus.handlers import F, Handler, Handlers
from fj_bus.health import Health


class Consumer:
    """Takes each fact of its topics once, in the order of its key, in one transaction with its effects.

    `group` is the Kafka consumer group (the service's name); inbox and dead letters are kept under it.
    """

    def __init__(self, bus: Bus, group: str) -> None:
        self.bus = bus
        self.group = group
        self.name = f"consumer {group}"
        self.handlers = Handlers(bus)

    def on(self, fact: type[F]) -> Callable[[Handler[F]], Handler[F]]:
        """Decorator: `@consumer.on(OrderPlaced) async def _(fact: OrderPlaced, tx: Tx) -> None`."""
        return self.handlers.on(fact)

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until told to stop, then finish the slices in hand."""
        await stop.wait()

    def health(self) -> Health:
        """Whether facts are flowing, from what is known."""
        return Health(ok=True)
