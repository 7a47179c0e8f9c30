"""Facts that must wait: parked, behind another one, behind a gap, dead."""

import asyncio
import random
from functools import partial
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from fj_bus import Bus, Consumer, NoSuchDeadLetter, Permanent, Stranger, Tx
from fj_bus.letters import Letters
from fj_bus.partitions import partition_of
from fj_testing import eventually
from fj_testing.log import Log, Record

from libs.bus.tests.world import (
    CupFilled,
    GuestSeated,
    World,
    consuming,
    drink,
    effects,
    filled,
    handling,
    relaying,
    running,
    seat,
)

pytestmark = pytest.mark.servers


def party(consumer: Consumer) -> None:
    """Cups wait for their guests."""
    consumer.on(CupFilled)(drink)
    consumer.on(GuestSeated)(seat)


def seated(cup: str) -> GuestSeated:
    return GuestSeated(site="MAIN", chair=f"chair of {cup}", cup=cup)


async def drunk(bus: Bus, cup: str, *numbers: int) -> bool:
    done = [n for name, n in await effects(bus) if name == cup]
    assert done == list(numbers[: len(done)]), done
    return done == list(numbers)


async def is_seated(bus: Bus, cup: str) -> bool:
    return bool(await bus.pool.fetchval("SELECT EXISTS (SELECT FROM guest WHERE cup = $1)", cup))


async def states(bus: Bus, key: str) -> list[tuple[str, int]]:
    rows = await bus.pool.fetch("SELECT state, sequence FROM bus.held WHERE key = $1 ORDER BY sequence", key)
    return [(row["state"], row["sequence"]) for row in rows]


async def emit(bus: Bus, *facts: Any) -> None:
    async with bus.unit() as tx:
        for fact in facts:
            tx.emit(fact)


async def test_a_stranger_parks_the_fact_and_later_ones_wait_behind_it(world: World) -> None:
    async with world.bus("alpha") as alpha, world.bus("beta") as beta, relaying(alpha), consuming(beta, party):
        await emit(alpha, filled("a", 1), filled("a", 2), filled("a", 3))
        await eventually(lambda: states_are(beta, "a", ("parked", 1), ("behind", 2), ("behind", 3)), within=20)
        await emit(alpha, seated("a"))
        await eventually(lambda: drunk(beta, "a", 1, 2, 3), within=20)
        assert await states(beta, "a") == []
        await emit(alpha, filled("a", 4))
        await eventually(lambda: drunk(beta, "a", 1, 2, 3, 4), within=20)


async def states_are(bus: Bus, key: str, *wanted: tuple[str, int]) -> bool:
    return await states(bus, key) == list(wanted)


async def test_a_command_wakes_too(world: World) -> None:
    async with world.bus("alpha") as alpha, world.bus("beta") as beta, relaying(alpha), consuming(beta, party):
        await emit(alpha, filled("c", 1))
        await eventually(lambda: states_are(beta, "c", ("parked", 1)), within=20)
        async with world.bus("beta") as door, door.unit() as tx:
            await tx.connection.execute("INSERT INTO guest VALUES ('c')")
            tx.wake("guest", "c")
        await eventually(lambda: drunk(beta, "c", 1), within=5)


async def test_a_wake_that_was_forgotten_is_made_up_for(world: World) -> None:
    changes = {"park_look_s": 0.5}
    async with (
        world.bus("alpha") as alpha,
        world.bus("beta", **changes) as beta,
        relaying(alpha),
        consuming(beta, party),
    ):
        await emit(alpha, filled("f", 1))
        await eventually(lambda: states_are(beta, "f", ("parked", 1)), within=20)
        await beta.pool.execute("INSERT INTO guest VALUES ('f')")
        await eventually(lambda: drunk(beta, "f", 1), within=10)


async def test_past_its_limit_a_parked_fact_is_a_dead_letter(world: World, log: Log) -> None:
    async with (
        world.bus("alpha") as alpha,
        world.bus("beta", park_look_s=0.2, park_s_max=0.5) as beta,
        relaying(alpha),
        relaying(beta),
        consuming(beta, party),
    ):
        await emit(alpha, filled("l", 1), filled("l", 2))
        await eventually(lambda: states_are(beta, "l", ("dead", 1), ("behind", 2)), within=20)
        (letter,) = await log.wait_for("beta-dlq", where=lambda r: r.key == "l")
        assert letter.headers["dlq_error"] == "Stranger"
        await emit(alpha, seated("l"))
        await eventually(lambda: is_seated(beta, "l"), within=20)
        (dead,) = [each for each in await Letters(beta, "beta").list() if each.key == "l"]
        assert (dead.behind, dead.detail) == (1, "guest l is not known yet")
        await Letters(beta, "beta").replay(dead.id, "Ada")
        await eventually(lambda: drunk(beta, "l", 1, 2), within=10)


async def test_a_dead_letter_is_replayed_or_dropped_and_the_next_ones_go_on(world: World, log: Log) -> None:
    broken = True

    def of_these(record: Record) -> bool:
        return record.body.get("event_key") in {"r1", "r2"}

    async def chip(fact: CupFilled, tx: Tx) -> None:
        if broken and fact.n == 1:
            raise Permanent("chipped")
        await tx.connection.execute("INSERT INTO effect (cup, n) VALUES ($1, $2)", fact.cup, fact.n)

    async with world.bus("alpha") as alpha, world.bus("beta") as beta, relaying(alpha):
        async with consuming(beta, handling(CupFilled, chip)):
            for cup in ("r1", "r2"):
                await emit(alpha, *(filled(cup, n) for n in (1, 2, 3)))
                wanted = (("dead", 1), ("behind", 2), ("behind", 3))
                await eventually(partial(states_are, beta, cup, *wanted), within=20)
            letters = Letters(beta, "beta")
            dead = {letter.key: letter.id for letter in await letters.list() if letter.key in {"r1", "r2"}}
            broken = False
            await letters.replay(dead["r1"], "Ada")
            await letters.drop(dead["r2"], "Grace", "a cup of a test")
            await eventually(lambda: drunk(beta, "r1", 1, 2, 3), within=10)
            await eventually(lambda: drunk(beta, "r2", 2, 3), within=10)
            with pytest.raises(NoSuchDeadLetter):
                await letters.drop(dead["r2"], "Grace")
        async with relaying(beta):
            acts = {
                act.key: (act.type, act.body["actor"], act.body["event_key"], act.body.get("reason"))
                for act in await log.wait_for("operator-events", where=of_these, count=2)
            }
        done = await beta.pool.fetch("SELECT actor, act, key FROM bus.operation WHERE key LIKE 'r%' ORDER BY id")
    assert [tuple(row) for row in done] == [("Ada", "replay", "r1"), ("Grace", "drop", "r2")]
    assert sorted(acts.values()) == [
        ("letter.dropped.v1", "Grace", "r2", "a cup of a test"),
        ("letter.replayed.v1", "Ada", "r1", None),
    ]
    assert all(key.startswith("beta.cup-events.") for key in acts)


async def test_replay_while_more_of_the_key_arrives_leaves_nobody_behind(world: World) -> None:
    broken = True

    async def chip(fact: CupFilled, tx: Tx) -> None:
        if broken:
            raise Permanent("chipped")
        await tx.connection.execute("INSERT INTO effect (cup, n) VALUES ($1, $2)", fact.cup, fact.n)

    cups = [f"w{n}" for n in range(30)]
    async with (
        world.bus("alpha") as alpha,
        world.bus("beta", dead_run=1000, dead_ratio=1) as beta,
        relaying(alpha),
        consuming(beta, handling(CupFilled, chip)),
    ):
        await emit(alpha, *(filled(cup, 1) for cup in cups))
        await eventually(lambda: count_dead(beta, "w", 30), within=20)
        broken = False

        async def pour() -> None:
            for n in range(2, 12):
                await emit(alpha, *(filled(cup, n) for cup in cups))

        async def replay() -> None:
            for letter in await Letters(beta, "beta").list():
                await Letters(beta, "beta").replay(letter.id, "Ada")

        await asyncio.gather(pour(), replay())
        for cup in cups:
            await eventually(partial(drunk, beta, cup, *range(1, 12)), within=20)


async def count_dead(bus: Bus, prefix: str, count: int) -> bool:
    sql = "SELECT count(*) FROM bus.held WHERE state = 'dead' AND key LIKE $1"
    return bool(await bus.pool.fetchval(sql, f"{prefix}%") == count)


async def test_a_gap_holds_the_key_until_it_is_filled(world: World) -> None:
    async with world.bus("alpha") as alpha, world.bus("beta") as beta:
        await emit(alpha, seated("g"), *(filled("g", n) for n in (1, 2, 3, 4)))
        async with alpha.pool.acquire() as connection, connection.transaction():
            lost = await connection.fetchrow(
                "DELETE FROM bus.outbox WHERE key = 'g' AND topic = 'cup-events' AND sequence = 2 RETURNING *"
            )
        assert lost is not None
        async with relaying(alpha), consuming(beta, party) as consumer:
            await eventually(lambda: states_are(beta, "g", ("gap", 3), ("gap", 4)), within=20)
            assert await drunk(beta, "g", 1)
            await eventually(lambda: "2 facts wait for a number" in consumer.health().detail, within=10)
            await alpha.pool.execute(
                "INSERT INTO bus.outbox (topic, partition, key, sequence, event_id, headers, body) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7)",
                *(lost[name] for name in ("topic", "partition", "key", "sequence", "event_id", "headers", "body")),
            )
            await eventually(lambda: drunk(beta, "g", 1, 2, 3, 4), within=20)
            assert await states(beta, "g") == []


async def test_an_operator_accepts_a_gap(world: World) -> None:
    async with world.bus("alpha") as alpha, world.bus("beta") as beta:
        await emit(alpha, seated("h"), *(filled("h", n) for n in (1, 2, 3, 4)))
        await alpha.pool.execute("DELETE FROM bus.outbox WHERE key = 'h' AND topic = 'cup-events' AND sequence = 2")
        async with relaying(alpha), consuming(beta, party):
            await eventually(lambda: states_are(beta, "h", ("gap", 3), ("gap", 4)), within=20)
            first = min(letter.id for letter in await Letters(beta, "beta").list() if letter.key == "h")
            await Letters(beta, "beta").replay(first, "Ada")
            await eventually(lambda: drunk(beta, "h", 1, 3, 4), within=20)
            await emit(alpha, filled("h", 5))
            await eventually(lambda: drunk(beta, "h", 1, 3, 4, 5), within=20)


async def test_records_that_are_no_facts_are_dead_letters_and_good_ones_pass(world: World, log: Log) -> None:
    topic, partition = f"{world.prefix}cup-events", partition_of("i", 4)
    async with world.bus("alpha") as alpha, world.bus("beta") as beta:
        async with AIOKafkaProducer(bootstrap_servers=world.kafka) as producer:
            for headers in ([], [("ce_id", b"\xff\xfe")], [("ce_specversion", b"1.0"), ("name", b"Do\xe9")]):
                await producer.send_and_wait(topic, b"{", b"i", partition=partition, headers=headers)
        await emit(alpha, seated("i"), filled("i", 1))
        async with relaying(alpha), relaying(beta), consuming(beta, party):
            await eventually(lambda: drunk(beta, "i", 1), within=20)
            letters = await log.wait_for("beta-dlq", where=lambda r: r.headers["dlq_error"] == "BadEnvelope", count=3)
    assert len({letter.headers["dlq_offset"] for letter in letters}) == 3
    assert not any("name" in letter.headers for letter in letters)


async def test_a_body_that_cannot_be_read_is_a_dead_letter_with_its_number(world: World) -> None:
    async with world.bus("alpha") as alpha, world.bus("beta") as beta:
        await emit(alpha, seated("b"), filled("b", 1), filled("b", 2))
        await alpha.pool.execute(
            "UPDATE bus.outbox SET body = 'x' WHERE key = 'b' AND topic = 'cup-events' AND sequence = 1"
        )
        async with relaying(alpha), consuming(beta, party):
            await eventually(lambda: states_are(beta, "b", ("dead", 1), ("behind", 2)), within=20)
            row = await beta.pool.fetchrow("SELECT error, detail FROM bus.held WHERE key = 'b' AND sequence = 1")
    assert tuple(row or ()) == ("BadBody", "cup.filled.v1")


async def test_a_transient_failure_on_the_way_back_is_repeated(world: World) -> None:
    failures = 3

    async def shaky(fact: CupFilled, tx: Tx) -> None:
        nonlocal failures
        if await tx.connection.fetchval("SELECT true FROM guest WHERE cup = $1", fact.cup) is None:
            raise Stranger("guest", fact.cup)
        if failures:
            failures -= 1
            raise ConnectionResetError
        await tx.connection.execute("INSERT INTO effect (cup, n) VALUES ($1, $2)", fact.cup, fact.n)

    def subscribe(consumer: Consumer) -> None:
        consumer.on(CupFilled)(shaky)
        consumer.on(GuestSeated)(seat)

    async with world.bus("alpha") as alpha, world.bus("beta") as beta, relaying(alpha), consuming(beta, subscribe):
        await emit(alpha, filled("t", 1))
        await eventually(lambda: states_are(beta, "t", ("parked", 1)), within=20)
        await emit(alpha, seated("t"))
        await eventually(lambda: drunk(beta, "t", 1), within=20)


async def test_parking_and_waking_cross_in_two_consumers(world: World) -> None:
    """Two members of one group: the cup of a guest and its seat are often handled at the same instant."""
    pairs = [f"p{n}" for n in range(200)]
    async with world.bus("alpha") as alpha, world.bus("beta") as one, world.bus("beta") as two, relaying(alpha):
        members = [Consumer(one, "beta"), Consumer(two, "beta")]
        for member in members:
            party(member)
        async with running(*members):
            await eventually(lambda: all(" 4 partitions" in f" {m.health().detail}" for m in members), within=30)
            for start in range(0, len(pairs), 10):
                facts = [fact for cup in pairs[start : start + 10] for fact in (filled(cup, 1), seated(cup))]
                random.shuffle(facts)
                await asyncio.gather(*(emit(alpha, fact) for fact in facts))
            await eventually(lambda: all_drunk(one, pairs), within=30)
        assert await one.pool.fetchval("SELECT count(*) FROM bus.held WHERE key LIKE 'p%'") == 0


async def all_drunk(bus: Bus, cups: list[str]) -> bool:
    done = sorted(cup for cup, _ in await effects(bus) if cup.startswith("p"))
    assert len(done) == len(set(done)), "an effect happened twice"
    return done == sorted(cups)
