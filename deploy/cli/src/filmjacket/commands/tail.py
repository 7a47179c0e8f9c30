"""`filmjacket tail TOPIC`: facts in readable form."""

import asyncio
import logging
from typing import Annotated

import typer
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import KafkaError
from fj_events import TOPICS
from fj_local.kafka import bootstrap
from fj_local.stack import Stack

from filmjacket.errors import NoSuchThing, NotReachable
from filmjacket.masking import readable
from filmjacket.terminal import console


def tail(
    topic: Annotated[str, typer.Argument(help="Such as order-events.")],
    *,
    all_: Annotated[bool, typer.Option("--all", help="From the first fact, not from now on.")] = False,
    follow: Annotated[bool, typer.Option(help="Go on as facts come; without it, stop at the end.")] = True,
    phi: Annotated[bool, typer.Option("--phi", help="Show protected health information.")] = False,
) -> None:
    """Write the facts of a topic, one per line."""
    if topic not in TOPICS:
        raise NoSuchThing(f"no topic {topic!r}; there are: {', '.join(sorted(TOPICS))}")
    servers = bootstrap(Stack.as_started().ports)
    try:
        asyncio.run(_tail(topic, servers, from_start=all_, follow=follow, phi=phi))
    except KeyboardInterrupt:
        return


async def _tail(topic: str, servers: str, *, from_start: bool, follow: bool, phi: bool) -> None:
    reset = "earliest" if from_start else "latest"
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset=reset)
    try:
        await consumer.start()
        ends = await consumer.end_offsets(consumer.assignment())
        while follow or [1 for part, end in ends.items() if await consumer.position(part) < end]:
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                for record in batch:
                    console.print(_line(record, phi=phi), highlight=False, markup=False, soft_wrap=True)
    except KafkaError as error:
        raise NotReachable(f"topic {topic} on {servers}: {error}") from error
    finally:
        await consumer.stop()


def _line(record: ConsumerRecord, *, phi: bool) -> str:
    headers = {name: value.decode(errors="replace") for name, value in record.headers}
    kind, key = headers.get("ce_type", "?"), (record.key or b"").decode(errors="replace")
    start = f"{headers.get('ce_time', '')} {kind} #{headers.get('ce_sequence', '?')} {headers.get('ce_site', '')} {key}"
    return f"{start} {readable(kind, record.value or b'', phi=phi)}"
