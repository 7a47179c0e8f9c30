"""Which handler takes which fact."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from fj_events import Fact

from fj_bus.errors import NotAConsumer
from fj_bus.tx import Tx

if TYPE_CHECKING:
    from fj_bus.bus import Bus

F = TypeVar("F", bound=Fact)
Handler: TypeAlias = Callable[[F, Tx], Awaitable[None]]


class Handlers:
    """Handlers by the type of fact, and the topics that they need read."""

    def __init__(self, bus: "Bus") -> None:
        self._bus = bus
        self._by_type: dict[str, Handler[Any]] = {}
        self._topics: set[str] = set()

    def on(self, fact: type[F]) -> Callable[[Handler[F]], Handler[F]]:
        """Decorator of `async def handler(fact, tx)`. One handler per fact. Raises NotAConsumer."""
        topic = self._bus.topics.get(fact.topic)
        if topic is None or self._bus.service not in topic.consumers:
            raise NotAConsumer(f"{self._bus.service} is no consumer of {fact.topic}, the topic of {fact.fact_type}")
        if fact.fact_type in self._by_type:
            raise ValueError(f"{fact.fact_type} has a handler already")

        def register(handler: Handler[F]) -> Handler[F]:
            self._by_type[fact.fact_type] = handler
            self._topics.add(fact.topic)
            return handler

        return register

    def get(self, fact_type: str) -> Handler[Any] | None:
        """The handler of this type, None where its facts are skipped."""
        return self._by_type.get(fact_type)

    @property
    def topics(self) -> list[str]:
        """The topics to read, in sorted order."""
        return sorted(self._topics)
