"""Reading the end of a partition, to learn how a send ended that nobody saw end."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from fj_bus.settings import BusSettings

DEAD_LETTER_ID: Final = "dlq_id"
"""Header of a dead letter: each time that a fact dies is a record of its own, though its ce_id stays."""
_POLL_MS: Final = 200


@dataclass(slots=True)
class Tail:
    """What stands on a partition from an offset to its end."""

    next: int
    event_ids: set[UUID] = field(default_factory=set)


@asynccontextmanager
async def log_reader(settings: BusSettings) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer without a group."""
    reader = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka,
        **settings.access.options,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        request_timeout_ms=max(settings.request_timeout_ms, 1000),
        fetch_max_wait_ms=100,
    )
    try:
        await reader.start()
        yield reader
    finally:
        await reader.stop()


async def read_tails(
    settings: BusSettings, froms: Mapping[TopicPartition, int | None], patience_s: float
) -> dict[TopicPartition, Tail]:
    """The tails of these partitions, after everything that may be on its way has arrived.

    A partition without an offset was never written by anyone: only its end is asked for. For the others the broker
    must answer first, then `patience_s` passes, then the tail is read: so the time is not spent while a stalled
    broker holds a dead owner's request in its socket.
    """
    async with log_reader(settings) as reader:
        ends: dict[TopicPartition, int] = await reader.end_offsets(list(froms))
        known = {tp: start for tp, start in froms.items() if start is not None}
        if known:
            await asyncio.sleep(patience_s)
            ends |= await reader.end_offsets(list(known))
        tails = {tp: Tail(end) for tp, end in ends.items()}
        await _collect(reader, {tp: start for tp, start in known.items() if start < ends[tp]}, tails)
        return tails


async def _collect(
    reader: AIOKafkaConsumer, starts: Mapping[TopicPartition, int], tails: Mapping[TopicPartition, Tail]
) -> None:
    if not starts:
        return
    reader.assign(list(starts))
    for tp, start in starts.items():
        reader.seek(tp, start)
    open_ = set(starts)
    while open_:
        for tp, records in (await reader.getmany(*open_, timeout_ms=_POLL_MS)).items():
            tails[tp].event_ids.update(found for record in records if (found := event_id_of(record)) is not None)
        open_ = {tp for tp in open_ if await reader.position(tp) < tails[tp].next}


def event_id_of(record: "ConsumerRecord[bytes, bytes]") -> UUID | None:
    """By what the outbox knows this record; None on a record that no relay wrote."""
    headers = dict(record.headers)
    found = headers.get(DEAD_LETTER_ID) or headers.get("ce_id")
    try:
        return UUID(found.decode("ascii")) if found else None
    except ValueError:
        return None
