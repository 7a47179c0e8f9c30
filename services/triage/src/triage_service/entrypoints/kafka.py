"""Which facts `triage` listens to, and the handler of each."""

from collections.abc import Callable, Sequence

from fj_bus import Consumer, Tx
from fj_events import OrderChanged, OrderPlaced, StudyAvailable, StudyMatched, StudyReceived, StudyUpdated

from triage_service import handlers
from triage_service.domain.rules import Rule
from triage_service.ports import Studies


def subscribe(consumer: Consumer, studies: Callable[[Tx], Studies], rules: Sequence[Rule]) -> None:
    """Bind every fact."""

    @consumer.on(OrderPlaced)
    async def _(fact: OrderPlaced, tx: Tx) -> None:
        await handlers.on_order(fact, studies(tx), rules)

    @consumer.on(OrderChanged)
    async def _(fact: OrderChanged, tx: Tx) -> None:
        await handlers.on_order(fact, studies(tx), rules)

    @consumer.on(StudyReceived)
    async def _(fact: StudyReceived, tx: Tx) -> None:
        await handlers.on_study(fact, studies(tx), rules)

    @consumer.on(StudyAvailable)
    async def _(fact: StudyAvailable, tx: Tx) -> None:
        await handlers.on_study(fact, studies(tx), rules)

    @consumer.on(StudyUpdated)
    async def _(fact: StudyUpdated, tx: Tx) -> None:
        await handlers.on_study(fact, studies(tx), rules)

    @consumer.on(StudyMatched)
    async def _(fact: StudyMatched, tx: Tx) -> None:
        await handlers.on_matched(fact, studies(tx), rules)
