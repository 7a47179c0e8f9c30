"""The waiting list: who finds no slot, or has lost theirs, is given one that becomes free, in their turn."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest
from fj_events import OrderHeld, OrderPlaced, OrderReleased, Priority
from fj_testing import Feed, Log, eventually

from services.scheduling.tests.builders import Modality, an_order, cancelled, changed, paused
from services.scheduling.tests.desk import RITA, Desk
from services.scheduling.tests.exams import facts_of, kind, planned

pytestmark = pytest.mark.servers
CATALOGUE = """
default: {modality: OT, duration_minutes: 30, station: OT1}
stations:
  - ae_title: CT1
    modality: CT
    opening_hours: [{days: [MO, TU, WE, TH, FR, SA, SU], opens: "08:00", closes: "08:30"}]
procedures:
  - {code: CTCHEST, text: CT chest, steps: [{modality: CT, duration_minutes: 15}]}
"""
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


class BusyDesk(Desk):
    """A desk on a day with two slots."""

    async def wants(self, order: OrderPlaced, day: datetime) -> int:
        """The next free slot of this day."""
        window = {"after": day.isoformat(), "before": (day + timedelta(days=1)).isoformat()}
        return (await self.does("book-next", order, **window)).status_code

    async def waiting(self) -> list[str]:
        return [one["exam_key"] for one in (await self._http.get("/api/scheduling/waiting")).json()["waiting"]]

    async def booked_at(self, order: OrderPlaced) -> datetime | None:
        step = (await self.sees(order))["steps"][0]
        return datetime.fromisoformat(step["starts_at"]) if step["booked"] else None

    async def has(self, order: OrderPlaced, at: datetime) -> bool:
        return await self.booked_at(order) == at

    async def blocks(self, day: datetime, **how: Any) -> int:
        span = {"starts_at": day.isoformat(), "ends_at": (day + timedelta(days=1)).isoformat()}
        block = {"station_ae_title": "CT1", "reason": "the tube is broken", **span, **how}
        return (await self._http.post("/api/scheduling/blocks", json=block, headers=RITA)).status_code


@pytest.fixture
def desk(http: httpx.AsyncClient) -> BusyDesk:
    return BusyDesk(http)


def the_day(ahead: int) -> tuple[datetime, datetime, datetime]:
    """A day so many from now, and its two slots."""
    day = TODAY + timedelta(days=ahead)
    return day, day + timedelta(hours=8), day + timedelta(hours=8, minutes=15)


async def story(log: Log, order: OrderPlaced, count: int) -> list[tuple[str, Any]]:
    return [(kind(record), record.body.get("reason")) for record in await facts_of(log, order, count)]


async def test_a_slot_that_becomes_free_is_the_most_urgent_ones_then_who_waits_longest(
    feed: Feed, modality: Modality, log: Log, desk: BusyDesk
) -> None:
    day, first, second = the_day(3)
    has_first, has_second, routine, young, stat = (
        *(an_order() for _ in range(4)),
        an_order(priority=Priority.STAT),
    )
    await planned(feed, modality, has_first, has_second, routine, young, stat)
    assert [await desk.wants(order, day) for order in (has_first, has_second)] == [200, 200]
    assert [await desk.wants(order, day) for order in (routine, young, stat)] == [202, 202, 202]
    ours = [str(order.order_id) for order in (stat, routine, young)]
    assert [key for key in await desk.waiting() if key in ours] == ours
    assert (await desk.does("give-up", has_second, reason="asked for", wait=False)).status_code == 200
    await eventually(partial(desk.has, stat, second))
    await feed.publish(cancelled(has_first))
    await eventually(partial(desk.has, routine, first))
    assert await desk.booked_at(young) is None
    assert [key for key in await desk.waiting() if key in ours] == [str(young.order_id)]
    assert await story(log, stat, 3) == [
        ("scheduled", "at the time asked for; station CT1, the one for CT"),
        ("waitlisted", "no slot was free"),
        ("rescheduled", "taken up from the waiting list"),
    ]


async def test_who_is_missed_waits_for_another_appointment_unless_nobody_wants_that(
    feed: Feed, modality: Modality, log: Log, desk: BusyDesk
) -> None:
    day, first, second = the_day(5)
    missed, gone, asked = an_order(), an_order(), an_order()
    await planned(feed, modality, missed, gone, asked)
    assert [await desk.wants(order, day) for order in (missed, gone)] == [200, 200]
    assert (await desk.does("miss", gone, reason="moved away", wait=False)).json()["waiting_since"] is None
    after = second + timedelta(hours=1)
    late = await desk.does("miss", missed, reason="no bus", after=after.isoformat(), take_up=True)
    assert late.json()["waiting_since"] is not None
    await eventually(partial(desk.has, missed, first + timedelta(days=1)))
    assert [what for what, _ in await story(log, missed, 5)] == [
        "scheduled",
        "rescheduled",
        "missed",
        "waitlisted",
        "rescheduled",
    ]
    assert await desk.booked_at(gone) is None
    assert (await desk.does("miss", asked)).status_code == 200
    assert (await desk.does("give-up", missed, reason="asked for", wait=False)).status_code == 200
    assert str(asked.order_id) in await desk.waiting()
    assert (await desk.does("book", asked, starts_at=first.isoformat())).status_code == 200


async def test_who_gives_up_once_more_as_the_answer_was_lost_keeps_the_appointment_that_came_of_it(
    feed: Feed, modality: Modality, log: Log, desk: BusyDesk
) -> None:
    day, first, second = the_day(18)
    order = an_order()
    await planned(feed, modality, order)
    assert await desk.wants(order, day) == 200
    assert await desk.has(order, first)
    assert (await desk.does_under("g1", "give-up", order, reason="no car")).status_code == 200
    await eventually(partial(desk.has, order, second))
    again = await desk.does_under("g1", "give-up", order, reason="no car")
    assert (again.status_code, again.json()["steps"][0]["booked"]) == (200, True)
    for _ in range(2):
        arrived = await desk.does_under("a1", "arrive", order)
        assert (arrived.status_code, arrived.json()["state"]) == (200, "ARRIVED")
    assert (await desk.does("arrive", order)).status_code == 409
    told = [what for what, _ in await story(log, order, 6)]
    assert told == ["scheduled", "rescheduled", "rescheduled", "waitlisted", "rescheduled", "arrived"]


async def test_a_block_that_displaces_gives_who_was_booked_another_time(
    feed: Feed, modality: Modality, log: Log, desk: BusyDesk
) -> None:
    day, first, _ = the_day(8)
    order = an_order()
    await planned(feed, modality, order)
    assert await desk.wants(order, day) == 200
    assert await desk.blocks(day) == 409
    assert await desk.has(order, first)
    assert await desk.blocks(day, displace=True) == 201
    await eventually(partial(elsewhere, desk, order, day))
    stories = await story(log, order, 5)
    assert stories[3] == ("waitlisted", "CT1 is not to be had: the tube is broken")


async def elsewhere(desk: BusyDesk, order: OrderPlaced, day: datetime) -> bool:
    at = await desk.booked_at(order)
    return at is not None and at.date() != day.date()


async def test_a_held_order_is_passed_over_and_a_changed_one_keeps_its_place(
    feed: Feed, modality: Modality, desk: BusyDesk
) -> None:
    day, first, second = the_day(12)
    has_first, has_second, held, other = (an_order() for _ in range(4))
    await planned(feed, modality, has_first, has_second, held, other)
    assert [await desk.wants(order, day) for order in (has_first, has_second, held, other)] == [200, 200, 202, 202]
    since = (await desk.sees(held))["waiting_since"]
    text = held.procedure.model_copy(update={"text": "CT chest, again"})
    await feed.publish(changed(held, procedure=text), paused(held, OrderHeld))

    async def waits_no_more() -> bool:
        return str(held.order_id) not in await desk.waiting()

    await eventually(waits_no_more)
    await desk.does("give-up", has_first, reason="asked for", wait=False)
    await eventually(partial(desk.has, other, first))
    await feed.publish(paused(held, OrderReleased))

    async def waits_again() -> bool:
        return bool((await desk.sees(held))["waiting_since"] == since)

    await eventually(waits_again)
    await desk.does("give-up", has_second, reason="asked for", wait=False)
    await eventually(partial(desk.has, held, second))


async def test_a_person_puts_an_exam_on_the_list_and_takes_it_off(
    feed: Feed, modality: Modality, log: Log, desk: BusyDesk, http: httpx.AsyncClient
) -> None:
    day, *_ = the_day(15)
    order, booked = an_order(), an_order()
    await planned(feed, modality, order, booked)
    assert await desk.wants(booked, day) == 200
    assert (await desk.does("wait", booked)).status_code == 409
    assert (await desk.does("stop-waiting", order, reason="none")).status_code == 409
    early = day - timedelta(days=40)
    in_vain = {"after": early.isoformat(), "before": (early + timedelta(hours=1)).isoformat()}
    assert (await desk.does("wait", order, reason="on holiday", **in_vain)).status_code == 200
    ours = next(
        one
        for one in (await http.get("/api/scheduling/waiting")).json()["waiting"]
        if one["exam_key"] == str(order.order_id)
    )
    assert (ours["reason"], ours["patient"]["family_name"]) == ("on holiday", "Example")
    assert (await http.post(f"/api/scheduling/exams/{order.order_id}/wait")).status_code == 401
    assert (await desk.does("stop-waiting", order, reason="went elsewhere")).status_code == 200
    assert await story(log, order, 3) == [
        ("scheduled", "at the time asked for; station CT1, the one for CT"),
        ("waitlisted", "on holiday"),
        ("waitlist_left", "went elsewhere"),
    ]
    assert (await desk.does("arrive", order)).status_code == 200
    assert (await desk.does("wait", order)).status_code == 409
