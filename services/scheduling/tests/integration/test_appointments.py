"""Appointments by HTTP: booked, moved, arrived, missed; two who want one slot; auto-scheduling beside it."""

import asyncio
from datetime import datetime, timedelta
from functools import partial

import httpx
import pytest
from fj_testing import Feed, Log, eventually

from services.scheduling.tests.builders import NOON, Modality, a_query, an_order, cancelled, changed, in_progress
from services.scheduling.tests.desk import RITA, Desk
from services.scheduling.tests.exams import facts_of, kind, planned, said

pytestmark = pytest.mark.servers
CATALOGUE = """
default: {modality: OT, duration_minutes: 30, station: OT1}
stations:
  - {ae_title: CT1, modality: CT}
  - ae_title: MR1
    modality: MR
    opening_hours: [{days: [MO, TU, WE, TH, FR], opens: "08:00", closes: "17:00"}]
procedures:
  - {code: CTCHEST, text: CT chest, steps: [{modality: CT, duration_minutes: 15}]}
  - {code: MRKNEE, text: MR knee, steps: [{modality: MR, duration_minutes: 30}]}
"""
SITES = "sites: {MAIN: {time_zone: Europe/Berlin}}"


async def test_an_appointment_is_booked_moved_and_kept(feed: Feed, modality: Modality, log: Log, desk: Desk) -> None:
    order = an_order()
    await planned(feed, modality, order)
    at = NOON + timedelta(days=1)
    assert (await desk.books(order, at, "move")).status_code == 409
    answer = await desk.books(order, at)
    assert answer.status_code == 200
    assert [(step["starts_at"], step["booked"]) for step in answer.json()["steps"]] == [("2026-03-03T12:00:00Z", True)]
    assert (await desk.books(order, at)).status_code == 200
    assert (await desk.books(order, at + timedelta(hours=1))).status_code == 409
    assert (await desk.books(order, at + timedelta(hours=1), "move")).status_code == 200
    (item,) = await modality.sees(order)
    assert item.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartTime == "140000"
    records = await facts_of(log, order, 3)
    assert [kind(record) for record in records] == ["scheduled", "rescheduled", "rescheduled"]
    assert records[1].body["reason"] == "appointment made by rita"
    assert records[1].body["actor"] == "rita"


async def test_who_is_here_is_seen_as_arrived_and_who_is_missed_not_at_all(
    feed: Feed, modality: Modality, log: Log, desk: Desk
) -> None:
    here, away = an_order(), an_order()
    await planned(feed, modality, here, away)
    assert (await desk.does("arrive", here)).json()["state"] == "ARRIVED"
    assert (await desk.does("arrive", here)).status_code == 409
    assert (await desk.does("miss", here)).status_code == 409
    query = a_query()
    query.AccessionNumber = here.accession_number.value
    ((item,), _) = await modality.asks(query)
    assert item.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStatus == "ARRIVED"
    assert (await desk.books(away, NOON + timedelta(days=2))).status_code == 200
    assert (await desk.does("miss", away, reason="no bus")).json()["state"] == "MISSED"
    assert await modality.sees(away) == []
    other = an_order()
    await planned(feed, modality, other)
    assert (await desk.books(other, NOON + timedelta(days=2))).status_code == 200
    assert (await desk.books(away, NOON + timedelta(days=3))).json()["state"] == "SCHEDULED"
    assert len(await modality.sees(away)) == 1
    assert await said(log, away, 5) == ["scheduled", "rescheduled", "missed", "waitlisted", "rescheduled"]
    await modality.begins(in_progress(here))
    assert await said(log, here, 3) == ["scheduled", "arrived", "started"]


async def test_a_missed_exam_that_is_performed_after_all_has_started(
    feed: Feed, modality: Modality, log: Log, desk: Desk
) -> None:
    order = an_order()
    await planned(feed, modality, order)
    await desk.does("miss", order)
    await modality.begins(in_progress(order))
    assert await said(log, order, 4) == ["scheduled", "missed", "waitlisted", "started"]
    assert (await desk.books(order, NOON)).status_code == 409


async def test_two_who_book_one_slot_at_once(feed: Feed, modality: Modality, desk: Desk) -> None:
    orders = [an_order() for _ in range(6)]
    await planned(feed, modality, *orders)
    at = NOON + timedelta(days=10)
    for round_ in range(5):
        act, when = ("book", at) if round_ == 0 else ("move", at + timedelta(days=round_))
        if round_:  # whoever has no appointment yet gets one elsewhere
            for number, order in enumerate(orders):
                if not (await desk.sees(order))["steps"][0]["booked"]:
                    assert (await desk.books(order, at + timedelta(days=99, hours=number))).status_code == 200
        answers = await asyncio.gather(*(desk.books(order, when, act) for order in orders))
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]
        refused = next(answer for answer in answers if answer.status_code == 409)
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["detail"] == "the station is taken at that time"
        first = refused.json()["alternatives"][0]
        assert datetime.fromisoformat(first["starts_at"]) == when + timedelta(minutes=15)


async def test_orders_for_one_time_are_all_planned_beside_an_appointment(
    feed: Feed, modality: Modality, desk: Desk
) -> None:
    booked = an_order(asked_for=NOON + timedelta(days=20))
    await planned(feed, modality, booked)
    assert (await desk.books(booked, NOON + timedelta(days=20))).status_code == 200
    await planned(feed, modality, *(an_order(asked_for=NOON + timedelta(days=20)) for _ in range(3)))


async def test_the_slot_of_a_cancelled_order_is_free(feed: Feed, modality: Modality, desk: Desk) -> None:
    at = NOON + timedelta(days=30)
    one, other = an_order(), an_order()
    await planned(feed, modality, one, other)
    assert (await desk.books(one, at)).status_code == 200
    assert (await desk.books(other, at)).status_code == 409
    await feed.publish(cancelled(one))

    async def free() -> bool:
        return (await desk.books(other, at)).status_code == 200

    await eventually(free)


async def test_a_changed_order_keeps_its_appointment_unless_it_asks_for_another_time(
    feed: Feed, modality: Modality, desk: Desk
) -> None:
    at = NOON + timedelta(days=40)
    order = an_order()
    await planned(feed, modality, order)
    await desk.books(order, at)

    async def stands(starts_at: str, booked: bool) -> bool:
        step = (await desk.sees(order))["steps"][0]
        return (step["starts_at"], step["booked"]) == (starts_at, booked)

    text = order.procedure.model_copy(update={"text": "CT chest, again"})
    again = changed(order, procedure=text)
    await feed.publish(again)

    async def told() -> bool:
        return bool((await desk.sees(order))["procedure"]["text"] == "CT chest, again")

    await eventually(told)
    assert await stands("2026-04-11T12:00:00Z", booked=True)
    await feed.publish(changed(order, procedure=text, asked_for=NOON + timedelta(days=50)))
    await eventually(partial(stands, "2026-04-21T12:00:00Z", booked=False))


async def test_a_room_is_closed_or_blocked(feed: Feed, modality: Modality, desk: Desk, http: httpx.AsyncClient) -> None:
    order = an_order(procedure={"code": "MRKNEE", "system": "L"})
    await planned(feed, modality, order)
    night = datetime.fromisoformat("2026-03-02T17:00:00+01:00")
    closed = await desk.books(order, night)
    assert (closed.status_code, closed.json()["detail"]) == (409, "the station is closed at that time")
    assert closed.json()["alternatives"][0]["starts_at"] == "2026-03-03T07:00:00Z"
    morning = datetime.fromisoformat("2026-03-03T08:00:00+01:00")
    block = {
        "station_ae_title": "MR1",
        "starts_at": morning.isoformat(),
        "ends_at": (morning + timedelta(hours=2)).isoformat(),
        "reason": "service",
    }
    under = RITA | {"Idempotency-Key": "b1"}
    made, again = [await http.post("/api/scheduling/blocks", json=block, headers=under) for _ in range(2)]
    assert (made.status_code, made.json()["actor"]) == (201, "rita")
    assert (again.status_code, again.json()) == (201, made.json())
    assert (await http.post("/api/scheduling/blocks", json=block, headers=RITA)).status_code == 409
    assert (await desk.books(order, morning)).status_code == 409
    asked = {"procedure": "MRKNEE", "station": "MR1", "after": night.isoformat(), "limit": "2"}
    slots = (await http.get("/api/scheduling/slots", params=asked)).json()["slots"]
    assert [slot["starts_at"] for slot in slots] == ["2026-03-03T09:00:00Z", "2026-03-03T09:30:00Z"]
    address = f"/api/scheduling/blocks/{made.json()['block_id']}"
    assert (await http.delete(address, headers=RITA)).status_code == 204
    assert (await http.delete(address, headers=RITA)).status_code == 404
    assert (await desk.books(order, morning)).status_code == 200


@pytest.mark.parametrize(
    ("day", "first"), [("2026-03-27", "2026-03-30T06:00:00Z"), ("2026-10-23", "2026-10-26T07:00:00Z")]
)
async def test_a_room_opens_by_the_clock_on_the_wall_after_it_was_changed(
    http: httpx.AsyncClient, day: str, first: str
) -> None:
    asked = {"procedure": "MRKNEE", "after": f"{day}T18:00:00+01:00"}
    slots = (await http.get("/api/scheduling/slots", params=asked)).json()["slots"]
    assert slots[0] == {"starts_at": first, "ends_at": first.replace(":00:00Z", ":30:00Z"), "stations": ["MR1"]}


async def test_what_does_not_fit_is_refused_and_changes_nothing(
    feed: Feed, modality: Modality, http: httpx.AsyncClient, desk: Desk
) -> None:
    order = an_order()
    assert (await desk.books(order, NOON)).status_code == 404
    await planned(feed, modality, order)
    assert (await desk.books(order, NOON, station_ae_title="MR1")).status_code == 404
    address = f"/api/scheduling/exams/{order.order_id}/book"
    assert (await http.post(address, json={"starts_at": NOON.isoformat()})).status_code == 401
    assert (await http.post(address, json={"starts_at": "2026-03-02T12:00:00"}, headers=RITA)).status_code == 422
    assert (await http.get("/api/scheduling/slots", params={"procedure": "NONE"})).status_code == 404
    assert not (await desk.sees(order))["steps"][0]["booked"]
