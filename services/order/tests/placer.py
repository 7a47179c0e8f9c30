"""A placer: its messages, what it is answered, and the facts that come of them."""

import itertools
from typing import Any

import pytest
from fj_hl7 import Ack, MllpClient, Refused
from fj_testing import Log

NUMBERS = itertools.count(1)


def a_number() -> str:
    return f"PL{next(NUMBERS):04d}"


def orm(
    placer: str,
    *,
    control: str = "NW",
    code: str = "CTCHEST",
    priority: str = "R",
    said_at: str = "20260302091500",
) -> bytes:
    return "\r".join(
        (
            f"MSH|^~\\&|EHR|GENERAL|FJ|FJ|{said_at}||ORM^O01^ORM_O01|C{next(NUMBERS)}|P|2.5.1",
            f"PID|1||P{placer}^^^GENERAL^MR||Example^Ada||19700401|F",
            f"ORC|{control}|{placer}^EHR|A{placer}^MAIN",
            f"TQ1|1||||||||{priority}",
            f"OBR|1|{placer}^EHR||{code}^CT chest^L",
        )
    ).encode()


async def refusal(placer: MllpClient, raw: bytes) -> Ack:
    with pytest.raises(Refused) as refused:
        await placer.send(raw)
    return refused.value.ack


async def facts(log: Log, placer: str, *types: str) -> list[Any]:
    """The facts about the order with this placer number, as soon as all `types` are there."""

    def about(record: Any) -> bool:
        return bool(record.body.get("accession_number", {}).get("value") == f"A{placer}")

    records = await log.wait_for("order-events", where=about, count=len(types))
    assert [record.type for record in records] == list(types)
    assert [record.sequence for record in records] == list(range(1, len(types) + 1))
    return records
