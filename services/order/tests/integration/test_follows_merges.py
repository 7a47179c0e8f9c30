"""An order of a merged number shows the survivor, and is changed under either number, until the merge is undone."""

import itertools
from typing import Any
from uuid import UUID

import httpx
import pytest
from fj_events import PatientMerged, PatientPhi, patient_key
from fj_hl7 import MllpClient, Refused
from fj_testing import (
    PATIENT_NAMESPACE,
    Feed,
    Log,
    eventually,
    has_followed,
    merged,
    person,
    unmerged,
)

pytestmark = pytest.mark.servers
NUMBERS = itertools.count(1)


def somebody(number: str, name: str) -> tuple[UUID, PatientPhi]:
    return patient_key(UUID(PATIENT_NAMESPACE), "MAIN", number), person(number, name)


def orm(n: int, control: str, patient: str, code: str = "CTCHEST") -> bytes:
    return "\r".join(
        (
            f"MSH|^~\\&|EHR|GENERAL|FJ|FJ|20260302091500||ORM^O01^ORM_O01|M{next(NUMBERS)}|P|2.5.1",
            f"PID|1||{patient}^^^MAIN^MR||Somebody^Ada||19700401|F",
            f"ORC|{control}|MP{n}^EHR|MA{n}^MAIN",
            "TQ1|1||||||||R",
            f"OBR|1|MP{n}^EHR||{code}^CT^L",
        )
    ).encode()


async def patient(http: httpx.AsyncClient, n: int) -> str:
    """The number that the order shows."""
    found: list[dict[str, Any]] = (await http.get("/api/order/orders", params={"accession": f"MA{n}"})).json()
    return str(found[0]["patient"]["id"]["value"])


async def merge(n: int, feed: Feed, log: Log) -> PatientMerged:
    fact = merged(somebody(f"O{n}", "Unknown"), somebody(f"N{n}", "Example"))
    [cause] = await feed.publish(fact)
    await feed.repeat(fact, cause)
    assert await has_followed(log, "order", cause.id) == [str(fact.survivor_id)]
    return fact


@pytest.mark.parametrize("first", ["merge", "order"])
async def test_an_order_shows_the_survivor_and_is_changed_under_either_number(
    placer: MllpClient, http: httpx.AsyncClient, feed: Feed, log: Log, first: str
) -> None:
    n = next(NUMBERS)
    if first == "order":
        await placer.send(orm(n, "NW", f"O{n}"))
        with pytest.raises(Refused):
            await placer.send(orm(n, "XO", f"N{n}", "CTABDOMEN"))
    fact = await merge(n, feed, log)
    if first == "merge":
        await placer.send(orm(n, "NW", f"O{n}"))
    assert await patient(http, n) == f"N{n}"
    await placer.send(orm(n, "XO", f"O{n}", "CTHEAD"))
    await placer.send(orm(n, "XO", f"N{n}", "CTABDOMEN"))
    with pytest.raises(Refused):
        await placer.send(orm(n, "XO", f"SOMEBODYELSE{n}", "CTHEAD"))
    assert await patient(http, n) == f"N{n}"
    await feed.publish(unmerged(fact))


async def test_an_unmerge_gives_the_order_back(
    placer: MllpClient, http: httpx.AsyncClient, feed: Feed, log: Log
) -> None:
    n = next(NUMBERS)
    await placer.send(orm(n, "NW", f"O{n}"))
    fact = await merge(n, feed, log)
    assert await patient(http, n) == f"N{n}"
    await feed.publish(unmerged(fact))

    async def given_back() -> bool:
        return await patient(http, n) == f"O{n}"

    await eventually(given_back, within=20)
    with pytest.raises(Refused):
        await placer.send(orm(n, "XO", f"N{n}", "CTABDOMEN"))
