"""Orders through the door of one running `order`, by a sender's own profile: acknowledged durably, events relayed."""

import time
from collections.abc import Iterator
from typing import Final

import asyncpg
import uvloop
from fj_testing import Log, eventually

from fj_bench.cost import cost_of
from fj_bench.figure import Figure, at_least, none_of, shown, within
from fj_bench.ground import Ground
from fj_bench.hl7_sender import Sent, flood, pace
from fj_bench.orders import PROFILE, orders_by_profile

_CONNECTIONS: Final = 16
_MESSAGES: Final = 6_000
_ROUNDS: Final = 5
_WARM: Final = 3_000
"""Before anything is measured: what Kafka's JVM needs to know its way."""
_PACED: Final = 2_000
_PER_SECOND: Final = 200.0


def measure(site: Ground) -> Iterator[Figure]:
    """As fast as it goes, then at an even pace."""
    with site.services() as services:
        port = site.free_port()
        profiles = str(site.file("profiles.yaml", PROFILE))
        process = services.start("order", ORDER_MLLP_PORT=port, FJ_HL7_PROFILES=profiles)
        dsn = services.database("order")
        uvloop.run(flood(port, orders_by_profile(_WARM), _CONNECTIONS))
        pids = {"order": process.running.pid, **site.pids("postgres", "kafka")}
        rounds, relayed, costs = [], [], []
        for _ in range(_ROUNDS):
            messages = orders_by_profile(_MESSAGES)
            with cost_of(**pids) as cost:
                sent, seconds = uvloop.run(_relayed(port, messages, dsn))
            rounds.append(sent)
            relayed.append(_MESSAGES / seconds)
            costs.append(cost.per(_MESSAGES))
        best = max(range(_ROUNDS), key=lambda n: rounds[n].rate)
        spread = f"{_ROUNDS} rounds {min(sent.rate for sent in rounds):,.0f} to {rounds[best].rate:,.0f}/s"
        yield at_least(f"ORM^O01 over {_CONNECTIONS} connections", rounds[best].rate, 1000, note=spread)
        yield shown("until the last event is on Kafka", relayed[best], note=f"each: {costs[best]}")
        paced = uvloop.run(pace(port, orders_by_profile(_PACED), _CONNECTIONS, _PER_SECOND))
        p50 = f"p50 {paced.quantile(0.5) * 1000:.1f} ms"
        yield within(f"answer at {_PER_SECOND:.0f}/s, p99", paced.quantile(0.99), 0.05, note=p50)
        expected = _WARM + _ROUNDS * _MESSAGES + _PACED
        keys = uvloop.run(_keys(Log(site.stack.kafka(), services.topic_prefix), expected))
        yield none_of(
            "acknowledged orders not on Kafka, or twice", abs(expected - len(keys)) + len(keys) - len(set(keys))
        )


async def _relayed(port: int, messages: list[bytes], dsn: str) -> tuple[Sent, float]:
    """Answers, and the seconds until the outbox is empty again."""
    connection = await asyncpg.connect(dsn)

    async def empty() -> bool:
        return not await connection.fetchval("SELECT EXISTS (SELECT FROM bus.outbox)")

    began = time.perf_counter()
    sent = await flood(port, messages, _CONNECTIONS)
    await eventually(empty, within=60)
    seconds = time.perf_counter() - began
    await connection.close()
    return sent, seconds


async def _keys(log: Log, count: int) -> list[str]:
    placed = await log.wait_for("order-events", where=lambda record: record.type == "order.placed.v1", count=count)
    return [record.key for record in placed]
