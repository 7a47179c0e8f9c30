"""SIU through the MLLP door: booked, moved, given up and missed, before and after the order."""

import itertools
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from fj_events import Identifier, OrderPlaced
from fj_hl7 import MllpClient, Refused
from fj_testing import Feed, Log, ServiceProcess

from services.scheduling.tests.builders import NOON, Modality, an_order, in_progress
from services.scheduling.tests.exams import planned, said

pytestmark = pytest.mark.servers
CONTROL_IDS = itertools.count(1)


@pytest.fixture
async def book(scheduling: ServiceProcess, mllp_port: int) -> AsyncIterator[MllpClient]:
    client = MllpClient("127.0.0.1", mllp_port)
    yield client
    await client.close()


def siu(
    trigger: str,
    order: OrderPlaced,
    at: datetime | None = None,
    *,
    station: str = "",
    placer: str = "",
    said_at: str = "20260302100000",
) -> bytes:
    """As IHE RAD-48 has it. `placer` is another order number than the order's."""
    number = placer or (order.placer_order_number.value if order.placer_order_number else "")
    start = f"{at:%Y%m%d%H%M%S}" if at else ""
    sch = ["SCH", "4711", "", *[""] * 8, f"^^^{start}", *[""] * 14, f"{number}^EHR", ""]
    segments = [
        f"MSH|^~\\&|BOOK|HOSP|FJ|FJ|{said_at}||SIU^{trigger}^SIU_S12|C{next(CONTROL_IDS)}|P|2.5.1",
        "|".join(sch),
        "RGS|1",
        f"AIG|1||{station}",
    ]
    return ("\r".join(segments) + "\r").encode()


async def refused(book: MllpClient, message: bytes) -> str:
    with pytest.raises(Refused) as refusal:
        await book.send(message)
    ack = refusal.value.ack
    return " ".join([*(f"{error.code} {error.text}" for error in ack.errors), ack.text])


async def step(http: httpx.AsyncClient, order: OrderPlaced) -> Any:
    return (await http.get(f"/api/scheduling/exams/{order.order_id}")).json()["steps"][0]


async def test_an_appointment_is_booked_moved_given_up_and_missed(
    feed: Feed, modality: Modality, log: Log, book: MllpClient, http: httpx.AsyncClient
) -> None:
    order = an_order()
    await planned(feed, modality, order)
    at = NOON + timedelta(days=1)
    await book.send(siu("S12", order, at, station="CT1"))
    assert ((await step(http, order))["starts_at"], (await step(http, order))["booked"]) == (
        "2026-03-03T12:00:00Z",
        True,
    )
    await book.send(siu("S12", order, at))
    await book.send(siu("S13", order, at + timedelta(hours=1)))
    await book.send(siu("S14", order))
    assert (await step(http, order))["starts_at"] == "2026-03-03T13:00:00Z"
    await book.send(siu("S15", order))
    await book.send(siu("S17", order))
    assert not (await step(http, order))["booked"]
    assert len(await modality.sees(order)) == 1
    await book.send(siu("S26", order))
    await book.send(siu("S26", order))
    await book.send(siu("S15", order))
    assert await modality.sees(order) == []
    assert await said(log, order, 5) == ["scheduled", "rescheduled", "rescheduled", "rescheduled", "missed"]


@pytest.mark.parametrize("trigger", ["S15", "S17"])
async def test_an_appointment_that_is_cancelled_or_deleted_gives_its_slot_back(
    trigger: str, feed: Feed, modality: Modality, book: MllpClient, http: httpx.AsyncClient
) -> None:
    order, other = an_order(), an_order()
    await planned(feed, modality, order, other)
    at = NOON + timedelta(days=8 if trigger == "S15" else 9)
    await book.send(siu("S12", order, at, station="CT1"))
    assert "taken" in await refused(book, siu("S12", other, at, station="CT1"))
    await book.send(siu(trigger, order))
    await book.send(siu("S12", other, at, station="CT1"))
    assert ((await step(http, order))["booked"], (await step(http, other))["booked"]) == (False, True)
    assert len(await modality.sees(order)) == 1, "it is still to be made"


@pytest.mark.parametrize("trigger", ["S12", "S13", "S14", "S15", "S17", "S26"])
async def test_a_refusal_says_where_and_changes_nothing(
    trigger: str, feed: Feed, modality: Modality, book: MllpClient
) -> None:
    order = an_order()
    await planned(feed, modality, order)
    await modality.begins(in_progress(order))
    nobody = siu(trigger, order, NOON).replace(b"SCH|4711", b"ZCH|4711")
    with pytest.raises(Refused) as refusal:
        await book.send(nobody)
    [error] = refusal.value.ack.errors
    assert (refusal.value.ack.code, error.code, error.segment) == ("AE", "100", "SCH")
    with pytest.raises(Refused) as refusal:
        await book.send(siu(trigger, order, NOON, placer=" "))
    [error] = refusal.value.ack.errors
    assert (error.segment, error.field) == ("SCH", 26)


async def test_what_is_said_of_an_order_waits_for_it(
    feed: Feed, log: Log, modality: Modality, book: MllpClient, http: httpx.AsyncClient
) -> None:
    order = an_order()
    at = NOON + timedelta(days=3)
    await book.send(siu("S12", order, at))
    await book.send(siu("S13", order, at + timedelta(days=1)))
    await planned(feed, modality, order)
    assert await said(log, order, 2) == ["scheduled", "rescheduled"]
    assert ((await step(http, order))["starts_at"], (await step(http, order))["booked"]) == (
        "2026-03-06T12:00:00Z",
        True,
    )


async def test_a_taken_slot_is_refused_to_who_asks_and_told_of_who_waited(
    feed: Feed, log: Log, modality: Modality, book: MllpClient, http: httpx.AsyncClient
) -> None:
    first, second, late = an_order(), an_order(), an_order()
    await planned(feed, modality, first, second)
    at = NOON + timedelta(days=5)
    await book.send(siu("S12", first, at))
    assert "the station is taken at that time" in await refused(book, siu("S12", second, at))
    assert not (await step(http, second))["booked"]
    await book.send(siu("S12", late, at))
    await planned(feed, modality, late)
    assert await said(log, late, 2) == ["scheduled", "booking_refused"]
    assert not (await step(http, late))["booked"]


async def test_the_exam_wins_over_an_appointment_that_comes_after_its_start(
    feed: Feed, modality: Modality, book: MllpClient
) -> None:
    order = an_order()
    await planned(feed, modality, order)
    await modality.begins(in_progress(order))
    assert "STARTED" in await refused(book, siu("S13", order, NOON + timedelta(days=6)))


async def test_the_same_number_of_another_issuer_is_another_order(
    feed: Feed, modality: Modality, book: MllpClient, http: httpx.AsyncClient
) -> None:
    order = an_order()
    assert order.placer_order_number is not None
    other = an_order(placer_order_number=Identifier(value=order.placer_order_number.value, issuer="OTHER"))
    await planned(feed, modality, order, other)
    await book.send(siu("S12", order, NOON + timedelta(days=7)))
    assert ((await step(http, order))["booked"], (await step(http, other))["booked"]) == (True, False)


async def test_what_names_no_order_or_no_time_is_refused_with_its_place(
    feed: Feed, modality: Modality, book: MllpClient
) -> None:
    order = an_order()
    await planned(feed, modality, order)
    nobodys = siu("S12", order, NOON, placer=" ")
    assert "SCH-26 is missing" in await refused(book, nobodys)
    assert "SCH-11.4 is missing" in await refused(book, siu("S12", order))
    assert (await refused(book, siu("S99", order))).startswith("201")


async def test_an_old_message_undoes_no_newer_one(
    feed: Feed, modality: Modality, book: MllpClient, http: httpx.AsyncClient
) -> None:
    order = an_order()
    await planned(feed, modality, order)
    newer, older = NOON + timedelta(days=3), NOON + timedelta(days=2)
    await book.send(siu("S13", order, newer, station="CT1", said_at="20260302110000"))
    await book.send(siu("S12", order, older, station="CT1", said_at="20260302103000"))
    await book.send(siu("S15", order, said_at="20260302105900"))
    assert ((await step(http, order))["starts_at"], (await step(http, order))["booked"]) == (
        f"{newer:%Y-%m-%dT%H:%M:%SZ}",
        True,
    )


async def test_of_what_comes_before_its_order_the_newest_is_done_whatever_the_order_of_arrival(
    feed: Feed, modality: Modality, book: MllpClient, http: httpx.AsyncClient
) -> None:
    order = an_order()
    newer, older = NOON + timedelta(days=3, hours=2), NOON + timedelta(days=2, hours=2)
    await book.send(siu("S13", order, newer, station="CT1", said_at="20260302110000"))
    await book.send(siu("S12", order, older, station="CT1", said_at="20260302103000"))
    await planned(feed, modality, order)
    await book.send(siu("S15", order, said_at="20260302105900"))
    assert (await step(http, order))["starts_at"] == f"{newer:%Y-%m-%dT%H:%M:%SZ}"
