"""What becomes of an order: its steps on the worklist, and the facts about its exam."""

from functools import partial

from fj_events import OrderPlaced
from fj_testing import Feed, Log, Record, eventually

from services.scheduling.tests.builders import Modality


async def planned(feed: Feed, modality: Modality, *orders: OrderPlaced) -> None:
    """The orders are placed, and their steps are on the worklist."""
    await feed.publish(*orders)
    for order in orders:
        await eventually(partial(modality.sees, order))


async def facts_of(log: Log, order: OrderPlaced, count: int) -> list[Record]:
    """The facts about the exam, as soon as there are `count`."""
    return await log.wait_for("exam-events", where=lambda record: record.key == str(order.order_id), count=count)


def kind(record: Record) -> str:
    """`exam.started.v1` is `started`."""
    return record.type.removeprefix("exam.").removesuffix(".v1")


async def said(log: Log, order: OrderPlaced, count: int) -> list[str]:
    """Of what kinds these facts are."""
    return [kind(record) for record in await facts_of(log, order, count)]
