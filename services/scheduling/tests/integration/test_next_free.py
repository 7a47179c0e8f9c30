"""The next free slot: offered, taken, wanted by several at once; several rooms, several machines, a pause between."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fj_testing import Feed, Log

from services.scheduling.tests.builders import NOON, Modality, an_order
from services.scheduling.tests.desk import Desk
from services.scheduling.tests.exams import facts_of, planned

pytestmark = pytest.mark.servers
CATALOGUE = """
default: {modality: OT, duration_minutes: 30, station: OT1}
stations:
  - {ae_title: CT1, modality: CT}
  - {ae_title: CT2, modality: CT}
  - {ae_title: CT3, modality: CT}
  - {ae_title: NM1, modality: NM}
  - {ae_title: PT1, modality: PT, opening_hours: [{days: [MO, TU, WE, TH, FR], opens: "08:00", closes: "12:00"}]}
procedures:
  - {code: CTCHEST, text: CT chest, steps: [{modality: CT, duration_minutes: 15, stations: [CT2, CT1]}]}
  - code: UPTAKE
    text: Uptake and PET
    steps: [{modality: NM, duration_minutes: 10, pause_minutes: 60}, {modality: PT, duration_minutes: 40}]
"""
SITES = "sites: {MAIN: {time_zone: Europe/Berlin}}"


def places(answer: httpx.Response) -> list[tuple[str, str]]:
    assert answer.status_code == 200, answer.text
    return [(step["station_ae_title"], step["starts_at"]) for step in answer.json()["steps"]]


async def test_the_rooms_of_a_procedure_are_taken_in_their_order_and_no_other_ones(
    feed: Feed, modality: Modality, desk: Desk
) -> None:
    orders = [an_order() for _ in range(3)]
    await planned(feed, modality, *orders)
    after = (NOON + timedelta(days=100)).isoformat()
    taken = [places(await desk.does("book-next", order, after=after)) for order in orders]
    assert taken == [
        [("CT2", "2026-06-10T12:00:00Z")],
        [("CT1", "2026-06-10T12:00:00Z")],
        [("CT2", "2026-06-10T12:15:00Z")],
    ]
    assert (await desk.does("book-next", orders[0], after=after)).status_code == 409
    elsewhere = await desk.does("move", orders[0], starts_at=after, station_ae_title="CT3")
    assert elsewhere.status_code == 404


async def test_many_who_want_the_next_free_slot_at_once_all_get_one_of_their_own(
    feed: Feed, modality: Modality, desk: Desk
) -> None:
    orders = [an_order() for _ in range(12)]
    await planned(feed, modality, *orders)
    after = (NOON + timedelta(days=110)).isoformat()
    answers = await asyncio.gather(*(desk.does("book-next", order, after=after) for order in orders))
    taken = [place for answer in answers for place in places(answer)]
    assert max(Counter(taken).values()) == 1
    assert {at for _, at in taken} == {f"2026-06-20T{12 + n // 4:02}:{n % 4 * 15:02}:00Z" for n in range(6)}


async def test_several_steps_on_several_machines_with_a_pause_between(
    feed: Feed, modality: Modality, desk: Desk
) -> None:
    one, other = (an_order(procedure={"code": "UPTAKE", "system": "L"}) for _ in range(2))
    await planned(feed, modality, one, other)
    after = datetime.fromisoformat("2026-09-01T09:55:00+02:00")
    assert places(await desk.does("book-next", one, after=after.isoformat())) == [
        ("NM1", "2026-09-01T07:55:00Z"),
        ("PT1", "2026-09-01T09:05:00Z"),
    ]
    # PT1 closes at noon: after 11:05 to 11:45 nothing of 40 minutes is left that day.
    offered = await desk.offered(other, after, limit=2)
    assert [slot["starts_at"] for slot in offered] == ["2026-09-02T04:50:00Z", "2026-09-02T05:00:00Z"]
    first = offered[0]
    booked = await desk.does("book", other, starts_at=first["starts_at"], stations=first["stations"])
    assert places(booked) == [("NM1", "2026-09-02T04:50:00Z"), ("PT1", "2026-09-02T06:00:00Z")]


async def test_nothing_free_in_the_time_that_was_asked_for_is_told_and_the_exam_waits(
    feed: Feed, modality: Modality, desk: Desk
) -> None:
    order = an_order(procedure={"code": "UPTAKE", "system": "L"})
    await planned(feed, modality, order)
    evening = datetime.fromisoformat("2026-09-04T13:00:00+02:00")
    window = {"after": evening.isoformat(), "before": (evening + timedelta(hours=6)).isoformat()}
    answer = await desk.does("book-next", order, **window)
    assert (answer.status_code, [step["booked"] for step in answer.json()["steps"]]) == (202, [False, False])
    assert answer.json()["waiting_since"] is not None
    assert await desk.offered(order, evening, before=window["before"]) == []
    assert await desk.offered(order, evening, before=(evening - timedelta(hours=1)).isoformat()) == []
    assert await desk.offered(order, evening, station="CT1") == 404
    assert await desk.offered(an_order(), evening) == 404


async def test_nobody_is_booked_before_the_time_that_the_order_asks_for(
    feed: Feed, modality: Modality, desk: Desk
) -> None:
    wanted = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=90)
    order = an_order(asked_for=wanted)
    await planned(feed, modality, order)
    ((_, at),) = places(await desk.does("book-next", order))
    assert datetime.fromisoformat(at) == wanted


async def test_others_are_told_what_a_new_plan_means_for_the_appointment(
    feed: Feed, modality: Modality, log: Log, desk: Desk
) -> None:
    order = an_order()
    await planned(feed, modality, order)
    at = NOON + timedelta(days=120)
    assert (await desk.does("give-up", order, reason="machine broken")).status_code == 409
    assert (await desk.does("book-next", order, after=at.isoformat())).status_code == 200
    assert (await desk.does("move", order, starts_at=(at + timedelta(hours=1)).isoformat())).status_code == 200
    given_up = await desk.does("give-up", order, reason="machine broken", wait=False)
    assert [step["booked"] for step in given_up.json()["steps"]] == [False]
    records = await facts_of(log, order, 4)
    assert [record.body.get("appointment") for record in records] == [None, "booked", "moved", "given_up"]
    assert [record.body.get("actor") for record in records] == [None, "rita", "rita", "rita"]
    assert records[-1].body["reason"] == "machine broken"
