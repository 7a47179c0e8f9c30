"""From the log to effects, each once."""

import asyncio
from typing import Any

import pytest
from fj_bus import Bus, Connection, Consumer, NotAConsumer, Permanent, Transient, Tx
from fj_bus.partitions import partition_of
from fj_testing import eventually
from fj_testing.log import Log
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from libs.bus.tests.world import (
    CupDrunk,
    CupFilled,
    CupFilledV2,
    CupSpilled,
    World,
    consuming,
    effects,
    filled,
    handling,
    relaying,
    running,
)

pytestmark = pytest.mark.servers


async def record(fact: CupFilled, tx: Tx) -> None:
    """Write the effect and say so."""
    await tx.connection.execute("INSERT INTO effect (cup, n) VALUES ($1, $2)", fact.cup, fact.n)
    tx.emit(CupDrunk(site=fact.site, cup=fact.cup, n=fact.n))


recording = handling(CupFilled, record)


async def fill(bus: Bus, *cups: str, start: int = 1) -> None:
    """One fact per name, n counting up over all of them."""
    async with bus.unit() as tx:
        for n, cup in enumerate(cups, start):
            tx.emit(filled(cup, n))


async def of(bus: Bus, prefix: str) -> list[tuple[str, int]]:
    return [(cup, n) for cup, n in await effects(bus) if cup.startswith(prefix)]


async def test_each_fact_has_its_effect_and_its_consequence_once(world: World, log: Log) -> None:
    async with world.bus("alpha") as alpha, world.bus("beta") as beta:
        async with relaying(alpha), relaying(beta), consuming(beta, recording):
            await fill(alpha, "a1", "a2", "a1", "a3", "a1")
            drunk = await log.wait_for("drunk-events", where=lambda r: r.key.startswith("a"), count=5, within=20)
        causes = {r.headers["ce_id"]: r for r in await log.read("cup-events")}
        assert sorted(await of(beta, "a")) == [("a1", 1), ("a1", 3), ("a1", 5), ("a2", 2), ("a3", 4)]
    assert sorted(r.body["n"] for r in drunk) == [1, 2, 3, 4, 5]
    for each in drunk:
        cause = causes[each.headers["ce_causationid"]]
        assert cause.key == each.key
        assert cause.headers["ce_time"] <= each.headers["ce_time"]


async def test_a_trace_goes_from_the_command_through_the_facts(world: World, log: Log) -> None:
    span = NonRecordingSpan(SpanContext(trace_id=0xABC, span_id=0xDEF, is_remote=False, trace_flags=TraceFlags(1)))
    async with world.bus("alpha") as alpha, world.bus("beta") as beta, relaying(alpha), relaying(beta):
        with trace.use_span(span):
            await fill(alpha, "y")
        async with consuming(beta, recording):
            (drunk,) = await log.wait_for("drunk-events", where=lambda r: r.key == "y", within=20)
    assert drunk.headers["traceparent"].split("-")[1] == f"{0xABC:032x}"


async def test_facts_read_again_change_nothing(world: World) -> None:
    async with world.bus("alpha") as alpha, world.bus("beta") as beta, relaying(alpha):
        async with consuming(beta, recording):
            await fill(alpha, "r1", "r2", "r1")
            await eventually(lambda: has(beta, "r", 3), within=20)
        # Another group of the same inbox reads everything anew, as after lost offsets.
        again = Consumer(beta, "beta")
        again.group = "beta-reads-again"
        recording(again)
        async with running(again):
            await fill(alpha, "r3")
            await eventually(lambda: has(beta, "r", 4), within=20)
        assert [cup for cup, _ in await of(beta, "r")].count("r1") == 2


async def test_the_order_of_a_key_holds_over_many_slices(world: World) -> None:
    async with world.bus("alpha") as alpha, world.bus("beta", slice_size=7) as beta, relaying(alpha):
        for round_ in range(20):
            await fill(alpha, *(f"o{n % 9}" for n in range(18)), start=round_ * 18)
        async with consuming(beta, recording):
            await eventually(lambda: has(beta, "o", 360), within=20)
        done = await of(beta, "o")
    for cup in {cup for cup, _ in done}:
        numbers = [n for name, n in done if name == cup]
        assert numbers == sorted(numbers)


async def test_one_bad_fact_is_a_dead_letter_and_the_others_go_on(world: World, log: Log) -> None:
    async def picky(fact: CupFilled, tx: Tx) -> None:
        if fact.cup == "p-bad":
            raise Permanent("chipped")
        await record(fact, tx)

    async with world.bus("alpha") as alpha, world.bus("beta") as beta, relaying(alpha), relaying(beta):
        await fill(alpha, "p1", "p2", "p-bad", "p3", "p1", "p-bad", "p4")
        async with consuming(beta, handling(CupFilled, picky)):
            await eventually(lambda: has(beta, "p", 5), within=20)
            (letter,) = await log.wait_for("beta-dlq", where=lambda r: r.key == "p-bad")
        held = await beta.pool.fetch(
            "SELECT state, sequence, error FROM bus.held WHERE key = 'p-bad' ORDER BY sequence"
        )
    assert [tuple(row) for row in held] == [("dead", 1, "Permanent"), ("behind", 2, None)]
    assert letter.headers["dlq_error"] == "Permanent"
    assert letter.headers["dlq_topic"] == "cup-events"
    assert letter.headers["dlq_consumer"] == "beta"
    assert letter.headers["ce_sequence"] == "1"
    assert "chipped" not in str(letter.headers)


async def test_transient_failures_are_repeated_until_they_end(world: World) -> None:
    failures = 5

    async def shaky(fact: CupFilled, tx: Tx) -> None:
        nonlocal failures
        if fact.cup == "t2" and failures:
            failures -= 1
            raise Transient("not now")
        await record(fact, tx)

    async with world.bus("alpha") as alpha, world.bus("beta") as beta, relaying(alpha):
        await fill(alpha, "t1", "t2", "t3", "t2")
        async with consuming(beta, handling(CupFilled, shaky)):
            await eventually(lambda: has(beta, "t", 4), within=20)
        assert [n for cup, n in await of(beta, "t") if cup == "t2"] == [2, 4]
    assert failures == 0


async def test_an_unexplained_failure_is_tried_three_times(world: World) -> None:
    tries = 0

    async def odd(fact: CupFilled, tx: Tx) -> None:
        nonlocal tries
        if fact.cup == "u-odd":
            tries += 1
            raise KeyError(fact.cup)
        await record(fact, tx)

    async with world.bus("alpha") as alpha, world.bus("beta") as beta, relaying(alpha):
        await fill(alpha, "u-odd", "u1")
        async with consuming(beta, handling(CupFilled, odd)):
            await eventually(lambda: has(beta, "u1", 1), within=20)
            row: Any = await eventually(
                lambda: beta.pool.fetchrow("SELECT * FROM bus.held WHERE key = 'u-odd'"), within=20
            )
    assert (row["state"], row["error"], row["attempts"], row["detail"]) == ("dead", "KeyError", 3, None)
    assert tries == 4  # once with others in a slice


class Rows:
    """Effects of a whole slice; the database refuses what is not positive."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, int]] = []

    async def flush(self, connection: Connection) -> None:
        cups, numbers = [cup for cup, _ in self.rows], [n for _, n in self.rows]
        await connection.execute(
            "INSERT INTO effect (cup, n) SELECT cup, 1000 / n FROM unnest($1::text[], $2::bigint[]) AS r(cup, n)",
            cups,
            numbers,
        )


async def test_one_statement_writes_a_slice_and_a_row_that_does_not_fit_kills_its_fact_alone(world: World) -> None:
    async def collect(fact: CupFilled, tx: Tx) -> None:
        tx.batch(Rows).rows.append((fact.cup, fact.n))

    async with world.bus("alpha") as alpha, world.bus("beta") as beta, relaying(alpha):
        async with alpha.unit() as tx:
            for n in (1, 2, 0, 4, 5):
                tx.emit(filled(f"w{n}", n))
        async with consuming(beta, handling(CupFilled, collect)):
            await eventually(lambda: has(beta, "w", 4), within=20)
            sql = "SELECT error FROM bus.held WHERE key = 'w0' AND state = 'dead'"
            await eventually(lambda: beta.pool.fetchval(sql), within=20)
        assert sorted(await of(beta, "w")) == [("w1", 1000), ("w2", 500), ("w4", 250), ("w5", 200)]


async def test_types_that_nobody_handles_take_their_number(world: World) -> None:
    async with world.bus("alpha") as alpha, world.bus("beta") as beta, relaying(alpha):
        async with alpha.unit() as tx:
            tx.emit(filled("s", 1))
            tx.emit(CupSpilled(site="MAIN", cup="s"))
            tx.emit(filled("s", 3))
        async with consuming(beta, recording):
            await eventually(lambda: has(beta, "s", 2), within=20)
        assert await beta.pool.fetchval("SELECT last FROM bus.inbox WHERE key = 's'") == 3


async def test_a_fact_in_two_versions_is_taken_in_the_one_that_is_known(world: World) -> None:
    async with world.bus("alpha") as alpha, world.bus("beta") as beta, relaying(alpha):
        async with alpha.unit() as tx:
            tx.emit(CupFilledV2(site="MAIN", cup="v", n=1, volume=3))
        # The twin of a fact has its number: no emit of today writes it, so the outbox row is made by hand.
        await alpha.pool.execute(
            """INSERT INTO bus.outbox (topic, partition, key, sequence, event_id, headers, body)
               SELECT 'cup-events', partition, 'v', 1, gen_random_uuid(), jsonb_build_object(
                 'ce_specversion', '1.0', 'ce_id', gen_random_uuid(), 'ce_type', 'cup.filled.v1', 'ce_source', '/x',
                 'ce_time', '2026-01-01T00:00:00+00:00', 'ce_subject', 'v', 'ce_dataschema', 'x', 'ce_site', 'MAIN'),
                 convert_to('{"site":"MAIN","cup":"v","n":1}', 'UTF8')
               FROM (VALUES ($1::integer)) AS p(partition)""",
            partition_of("v", 4),
        )
        async with alpha.unit() as tx:
            tx.emit(filled("v", 2))
        async with consuming(beta, recording):
            await eventually(lambda: has(beta, "v", 2), within=20)
        assert await of(beta, "v") == [("v", 1), ("v", 2)]


async def test_a_handler_for_a_topic_of_others_is_refused(world: World) -> None:
    async with world.bus("alpha") as alpha:
        with pytest.raises(NotAConsumer, match="alpha is no consumer of cup-events"):
            Consumer(alpha, "alpha").on(CupFilled)


async def test_too_many_dead_letters_stop_the_consumer(world: World) -> None:
    async def hopeless(fact: CupFilled, tx: Tx) -> None:
        if fact.cup.startswith("x"):
            raise Permanent("no")

    async with world.bus("alpha") as alpha, world.bus("beta", dead_run=5) as beta, relaying(alpha):
        await fill(alpha, *(f"x{n}" for n in range(30)))
        async with consuming(beta, handling(CupFilled, hopeless)) as consumer:
            await eventually(lambda: "stopped: 5 dead letters in a row" in consumer.health().detail, within=20)
            assert not consumer.health().ok
            await asyncio.sleep(0.3)  # nothing more may happen: there is no outcome to wait for
        assert await beta.pool.fetchval("SELECT count(*) FROM bus.held WHERE key LIKE 'x%'") == 4


async def has(bus: Bus, prefix: str, count: int) -> bool:
    done = await of(bus, prefix)
    assert len(done) <= count, done
    return len(done) == count
