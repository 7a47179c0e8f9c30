"""Appointments of which no order is named: taken, and on the list of a person, who says which order it is."""

import itertools
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from fj_events import OrderPlaced
from fj_hl7 import MllpClient
from fj_testing import Feed, Log, ServiceProcess

from services.scheduling.tests.builders import NOON, Modality, an_order, in_progress
from services.scheduling.tests.desk import RITA
from services.scheduling.tests.exams import planned

pytestmark = pytest.mark.servers
NUMBERS = itertools.count(5000)
OFFICE_VISIT = (
    b"MSH|^~\\&|SENDING_APPLICATION|SENDING_FACILITY|RECEIVING_APPLICATION|RECEIVING_FACILITY|%s||SIU^%s|"
    b"%s|P|2.3||||||\r"
    b"SCH|10345^10345|2196178^2196178|||10345|OFFICE^Office visit|reason for the appointment|OFFICE|60|m|"
    b"^^60^20110617084500^20110617093000|||||9^DENT^ARTHUR^||||9^DENT^ARTHUR^|||||Scheduled\r"
    b"PID|1||42||BEEBLEBROX^ZAPHOD||19781012|M|||1 Heart of Gold ave^^Fort Wayne^IN^46804||(260)555-1234|||S\r"
    b"RGS|1|A\rAIG|1|A|1^Adams, Douglas|D^^\rAIL|1|A|OFFICE^^^OFFICE|^Main Office||20110614084500|||45|m^Minutes\r"
)
"""As a system of v2.3 sends it, which knows no SCH-26."""


@pytest.fixture
async def book(scheduling: ServiceProcess, mllp_port: int) -> AsyncIterator[MllpClient]:
    async with MllpClient("127.0.0.1", mllp_port) as client:
        yield client


def siu(
    trigger: str,
    number: int,
    order: OrderPlaced,
    at: datetime | None = None,
    *,
    minute: int = 0,
    named: bool = False,
) -> bytes:
    """About the appointment `number`, of the order's patient; only `named` says for which order it is."""
    patient = order.patient.id
    start = f"^^^{at:%Y%m%d%H%M%S}" if at else ""
    sch = ["SCH", f"{number}", f"F{number}", *[""] * 8, start]
    if named and order.placer_order_number:
        sch += [*[""] * 14, f"{order.placer_order_number.value}^EHR"]
    return "\r".join(
        (
            f"MSH|^~\\&|CLINIC|HOSP|FJ|FJ|2026030210{minute:02d}00||SIU^{trigger}^SIU_S12|U{next(NUMBERS)}|P|2.5.1",
            "|".join(sch),
            f"PID|1||{patient.value if patient else ''}^^^MAIN^MR||Example^Ada",
            "RGS|1",
            "AIG|1||CT1",
        )
    ).encode()


async def waiting(http: httpx.AsyncClient, number: int | str) -> list[dict[str, Any]]:
    found = (await http.get("/api/scheduling/unordered", params={"limit": 500})).json()
    return [each for each in found if str(number) in each["numbers"]]


async def step(http: httpx.AsyncClient, order: OrderPlaced) -> Any:
    return (await http.get(f"/api/scheduling/exams/{order.order_id}")).json()["steps"][0]


async def told(log: Log, appointment_id: int, *types: str) -> list[dict[str, Any]]:
    key = f"scheduling.appointment.{appointment_id}"
    records = await log.wait_for("operator-events", where=lambda record: record.key == key, count=len(types))
    assert [record.type for record in records] == list(types)
    return [record.body for record in records]


async def test_what_an_old_system_says_of_a_visit_is_taken_is_on_the_list_and_leaves_it_with_its_cancellation(
    book: MllpClient, http: httpx.AsyncClient, log: Log
) -> None:
    for said_at, trigger, control_id in (
        (b"20110613061611", b"S12", b"24916560"),
        (b"20110613072836", b"S14", b"24916579"),
    ):
        for _ in range(2):
            assert (await book.send(OFFICE_VISIT % (said_at, trigger, control_id))).code == "AA"
    [entry] = await waiting(http, "2196178")
    assert (entry["starts_at"], entry["patient"]["value"]) == ("2011-06-17T08:45:00Z", "42")
    assert (await book.send(OFFICE_VISIT % (b"20110613072836", b"S15", b"24916597"))).code == "AA"
    assert await waiting(http, "2196178") == []
    types = ["work.given_up.v1"] * 2 + ["work.settled.v1"]
    given_up, *_, settled = await told(log, entry["appointment_id"], *types)
    assert given_up["reason"] == "10345, 2196178, booked for 2011-06-17 08:45 UTC"
    assert settled["reason"] == "given up by the scheduling system"
    assert "BEEBLEBROX" not in str(given_up)


async def test_a_person_says_for_which_order_it_is_and_what_is_said_later_follows(
    feed: Feed, modality: Modality, book: MllpClient, http: httpx.AsyncClient, log: Log
) -> None:
    order, other, number = an_order(), an_order(), next(NUMBERS)
    await planned(feed, modality, order, other)
    at = NOON + timedelta(days=20)
    await book.send(siu("S12", number, order, at))
    [entry] = await waiting(http, number)
    address = f"/api/scheduling/unordered/{entry['appointment_id']}"
    assert (await http.get(address)).json() == entry

    right = {"accession_number": order.accession_number.value, "reason": "telephoned"}
    assert (await http.post(f"{address}/repeat", json=right)).status_code == 401
    for number_of, status in ((other.accession_number.value, 409), ("A-NOBODY", 404)):
        refused = await http.post(f"{address}/repeat", json={"accession_number": number_of}, headers=RITA)
        assert refused.status_code == status
    for _ in range(2):
        key = {"Idempotency-Key": f"for-{number}"}
        assert (await http.post(f"{address}/repeat", json=right, headers=RITA | key)).status_code == 204
    assert (await http.post(f"{address}/repeat", json=right, headers=RITA)).status_code == 409
    assert ((await step(http, order))["starts_at"], (await step(http, order))["booked"]) == (
        f"{at:%Y-%m-%dT%H:%M:%SZ}",
        True,
    )
    given_up, settled = await told(log, entry["appointment_id"], "work.given_up.v1", "work.settled.v1")
    assert given_up["address"] == address
    assert (settled["settled_as"], settled["reason"], settled["actor"]) == ("repeated", "telephoned", "rita")

    await book.send(siu("S13", number, order, at + timedelta(hours=1), minute=2))
    await book.send(siu("S13", number, order, at + timedelta(hours=3), minute=1))
    assert (await step(http, order))["starts_at"] == f"{at + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    await book.send(siu("S15", number, order, minute=3))
    assert not (await step(http, order))["booked"]
    assert await waiting(http, number) == []


async def test_an_order_that_was_named_once_is_meant_by_what_names_none(
    feed: Feed, modality: Modality, book: MllpClient, http: httpx.AsyncClient
) -> None:
    order, number = an_order(), next(NUMBERS)
    await planned(feed, modality, order)
    at = NOON + timedelta(days=21)
    await book.send(siu("S12", number, order, at, named=True))
    await book.send(siu("S13", number, order, at + timedelta(hours=1), minute=1))
    assert (await step(http, order))["starts_at"] == f"{at + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    await book.send(siu("S15", number, order, minute=2))
    assert not (await step(http, order))["booked"]
    assert await waiting(http, number) == []


async def test_whichever_names_the_order_the_newest_word_holds(
    feed: Feed, modality: Modality, book: MllpClient, http: httpx.AsyncClient
) -> None:
    order, number = an_order(), next(NUMBERS)
    await planned(feed, modality, order)
    at = NOON + timedelta(days=22)
    await book.send(siu("S13", number, order, at + timedelta(hours=1), minute=1))
    assert len(await waiting(http, number)) == 1
    await book.send(siu("S12", number, order, at, named=True))
    assert (await step(http, order))["starts_at"] == f"{at + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    assert await waiting(http, number) == []


async def test_the_end_of_an_appointment_that_nobody_knows_is_shown_and_its_late_beginning_changes_nothing(
    book: MllpClient, http: httpx.AsyncClient
) -> None:
    order, number = an_order(), next(NUMBERS)
    await book.send(siu("S15", number, order, minute=1))
    [entry] = await waiting(http, number)
    assert entry["told"] == "given up"
    await book.send(siu("S12", number, order, NOON))
    assert await waiting(http, number) == [entry]


async def test_what_cannot_be_done_to_the_exam_is_said_and_it_goes_on_waiting(
    feed: Feed, modality: Modality, book: MllpClient, http: httpx.AsyncClient, log: Log
) -> None:
    order, number = an_order(), next(NUMBERS)
    await planned(feed, modality, order)
    await modality.begins(in_progress(order))
    await book.send(siu("S12", number, order, NOON + timedelta(days=23)))
    [entry] = await waiting(http, number)
    address = f"/api/scheduling/unordered/{entry['appointment_id']}"
    known = {"accession_number": order.accession_number.value}
    assert (await http.post(f"{address}/repeat", json=known, headers=RITA)).status_code == 409
    assert await waiting(http, number) == [entry]
    assert (await http.post(f"{address}/cancel", json={}, headers=RITA)).status_code == 422
    assert (await http.post(f"{address}/cancel", json={"reason": "done already"}, headers=RITA)).status_code == 204
    assert await waiting(http, number) == []
    _, settled = await told(log, entry["appointment_id"], "work.given_up.v1", "work.settled.v1")
    assert (settled["settled_as"], settled["actor"]) == ("cancelled", "rita")
